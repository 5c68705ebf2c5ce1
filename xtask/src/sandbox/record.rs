//! What is known of a sandbox that was started, and where it is written down: in the sandbox's folder,
//! and a second time in the user's own, since `cargo clean` removes the first while the process lives.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::engine::Engine;
use super::keys::Keys;
use crate::clients::own_files;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub pid: u32,
    pub port: u16,
    pub engine: Engine,
    /// The region that everything in it is in.
    pub region: String,
    /// The hash of our extension as it was when the process started.
    pub extension: String,
    /// True once the foundation is in place.
    pub ready: bool,
    /// The sandbox's folder. One that was copied has the same record, and is another's.
    #[serde(default)]
    pub folder: PathBuf,
    /// What a folder keeps when it is moved, and its copy does not have.
    #[serde(default)]
    pub inode: Option<u64>,
    #[serde(default)]
    pub keys: Keys,
}

/// A record that was found, and what of it is still there.
#[derive(Debug, Clone)]
pub struct Found {
    pub record: Record,
    /// False when the folder is gone, or was moved away under it.
    pub has_files: bool,
}

/// The record of the sandbox of this folder, wherever it is.
pub fn find(folder: &Path) -> Option<Found> {
    let folder = real(folder);
    find_in(&folder, users_own().as_deref())
}

fn find_in(folder: &Path, users_own: Option<&Path>) -> Option<Found> {
    if let Some(mut record) = read(&beside(folder)) {
        // Older versions of this tool knew no other folder.
        if record.folder.as_os_str().is_empty() {
            record.folder = folder.to_owned();
        }
        if record.folder == folder {
            // Whoever started it may have been killed before it made them up.
            if record.keys == Keys::default() {
                record.keys = Keys::read(folder).unwrap_or_default();
            }
            let has_files = folder.join("ministack.lock").exists();
            return Some(Found { record, has_files });
        }
        let was_moved = record.inode.is_some() && record.inode == inode(folder);
        if was_moved && !record.folder.exists() {
            return Some(Found {
                record,
                has_files: false,
            });
        }
    }
    let record = read(&users_own?.join(name(folder)))?;
    (record.folder == folder).then_some(Found {
        record,
        has_files: false,
    })
}

impl Record {
    pub fn save(&self) -> anyhow::Result<()> {
        let text = serde_json::to_vec(self)?;
        own_files::write(&beside(&self.folder), &text)?;
        if let Some(users_own) = users_own() {
            own_files::make_folder(&users_own)
                .with_context(|| format!("making {}", users_own.display()))?;
            own_files::write(&users_own.join(name(&self.folder)), &text)?;
        }
        Ok(())
    }

    /// It has ended; `folder` is where it was found.
    pub fn forget(&self, folder: &Path) {
        let second = users_own().map(|users_own| users_own.join(name(&self.folder)));
        for file in [Some(beside(folder)), second].into_iter().flatten() {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The records of sandboxes whose folders are gone: of checkouts that somebody removed.
pub fn orphans() -> Vec<Record> {
    let entries = users_own().and_then(|folder| std::fs::read_dir(folder).ok());
    let records = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| read(&entry.path()));
    records.filter(|record| !record.folder.exists()).collect()
}

pub fn inode(folder: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    folder.metadata().ok().map(|folder| folder.ino())
}

/// The folder as the process that is started in it knows it.
pub fn real(folder: &Path) -> PathBuf {
    // After `cargo clean` only what is above it is there.
    let mut missing = Vec::new();
    for above in folder.ancestors() {
        if let Ok(real) = above.canonicalize() {
            return missing
                .iter()
                .rev()
                .fold(real, |path, name| path.join(name));
        }
        missing.extend(above.file_name());
    }
    folder.to_owned()
}

/// One that is cut off is none.
fn read(file: &Path) -> Option<Record> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn beside(folder: &Path) -> PathBuf {
    folder.join("server.json")
}

/// A home may be on several machines.
fn name(folder: &Path) -> String {
    let mut hash = Sha256::new();
    hash.update(rustix::system::uname().nodename().to_bytes());
    hash.update([0]);
    hash.update(folder.as_os_str().as_encoded_bytes());
    let hash = hash.finalize();
    let short: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("{short}.json")
}

/// `$XDG_STATE_HOME/cargo-xtask/sandboxes`, which is below ~/.local/state.
fn users_own() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = state.or_else(home).filter(|path| path.is_absolute())?;
    Some(state.join("cargo-xtask/sandboxes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(folder: &Path) -> Record {
        Record {
            pid: 1,
            port: 2,
            engine: Engine::Process,
            region: "us-east-1".into(),
            extension: "a".into(),
            ready: true,
            folder: folder.to_owned(),
            inode: inode(folder),
            keys: Keys::of_nobody(),
        }
    }

    #[test]
    fn whose_record_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path().canonicalize().unwrap();
        let (ours, copy, own) = (parent.join("a"), parent.join("b"), parent.join("own"));
        let found = |folder: &Path| find_in(folder, Some(&own)).map(|found| found.has_files);
        for folder in [&ours, &copy, &own] {
            std::fs::create_dir(folder).unwrap();
        }
        let record = record(&ours);
        for file in [beside(&ours), beside(&copy), own.join(name(&ours))] {
            std::fs::write(file, serde_json::to_vec(&record).unwrap()).unwrap();
        }
        std::fs::write(ours.join("ministack.lock"), "").unwrap();
        assert_eq!((found(&ours), found(&copy)), (Some(true), None));
        // The checkout is moved away, and back.
        let moved = parent.join("c");
        std::fs::rename(&ours, &moved).unwrap();
        assert_eq!((found(&moved), found(&copy)), (Some(false), None));
        std::fs::rename(&moved, &ours).unwrap();
        // cargo clean
        std::fs::remove_dir_all(&ours).unwrap();
        assert_eq!((found(&ours), found(&copy)), (Some(false), None));
        assert_eq!(find_in(&ours, None).map(|found| found.has_files), None);
    }

    #[test]
    fn a_folder_that_is_gone_has_the_name_that_it_had() {
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("link");
        let real_one = parent.path().join("real");
        std::fs::create_dir_all(real_one.join("target/sandbox")).unwrap();
        std::os::unix::fs::symlink(&real_one, &link).unwrap();
        let before = real(&link.join("target/sandbox"));
        std::fs::remove_dir_all(real_one.join("target")).unwrap();
        assert_eq!(real(&link.join("target/sandbox")), before);
    }
}
