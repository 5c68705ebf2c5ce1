//! Folders for what others must not read (a saved plan, a registry's password), gone when dropped.
//! What a killed process has left is removed by the next one.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use super::own_files;

const PREFIX: &str = "xtask-private-";
const LOCK: &str = "lock";
/// A folder is locked right after it was made; one that is not by then was left half-made.
const UNLOCKED_GRACE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct PrivateFolder {
    folder: TempDir,
    /// Held for as long as we live; the kernel gives it back, however we end.
    _lock: File,
}

impl PrivateFolder {
    /// A new folder of mode 0700 among the system's temporary ones.
    pub fn make() -> anyhow::Result<Self> {
        Self::make_in(&std::env::temp_dir())
    }

    fn make_in(parent: &Path) -> anyhow::Result<Self> {
        sweep(parent);
        let make = || -> std::io::Result<Self> {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let lock = File::create(folder.path().join(LOCK))?;
            lock.lock()?;
            Ok(PrivateFolder {
                folder,
                _lock: lock,
            })
        };
        make().with_context(|| format!("making a private folder in {}", parent.display()))
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders whose process is gone.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_named_so = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_named_so && is_ours(&entry.path()) && is_left_behind(&entry.path()) {
            // Another call may be sweeping as well.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Anybody may put anything under such a name into a folder that all users share.
fn is_ours(path: &Path) -> bool {
    let Ok(about) = std::fs::symlink_metadata(path) else {
        return false;
    };
    about.is_dir() && about.uid() == rustix::process::geteuid().as_raw()
}

fn is_left_behind(folder: &Path) -> bool {
    match own_files::open_regular(&folder.join(LOCK)) {
        Ok(lock) => !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let age = folder.metadata().and_then(|folder| folder.modified());
            let age = age.ok().and_then(|made| made.elapsed().ok());
            age.is_some_and(|age| age > UNLOCKED_GRACE)
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_process_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let living = PrivateFolder::make_in(parent.path()).unwrap();
        let dead = parent.path().join("xtask-private-dead");
        let half_made = parent.path().join("xtask-private-half-made");
        let foreign = parent.path().join("foreign");
        for folder in [&dead, &half_made, &foreign] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(dead.join(LOCK), "").unwrap();
        std::fs::write(dead.join("saved.tfplan"), "secret").unwrap();
        // What another user may have put there: a pipe that nobody writes to, a link, a file.
        let pipe = parent.path().join("xtask-private-pipe");
        std::fs::create_dir(&pipe).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mkfifoat(rustix::fs::CWD, pipe.join(LOCK), mode).unwrap();
        let link = parent.path().join("xtask-private-link");
        std::os::unix::fs::symlink(&foreign, &link).unwrap();
        std::fs::write(foreign.join(LOCK), "").unwrap();
        let next = PrivateFolder::make_in(parent.path()).unwrap();
        assert!(!dead.exists());
        for folder in [living.path(), next.path(), &half_made, &pipe, &link] {
            assert!(folder.is_dir(), "{}", folder.display());
        }
        assert!(foreign.join(LOCK).is_file());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
