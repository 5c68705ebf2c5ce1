//! Files and folders that nobody but their owner reads, whatever the umask.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;

/// Written beside and moved into place: a reader never sees half of it, and one that was there with
/// other rights is replaced.
pub fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let beside = file.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let write = || -> std::io::Result<()> {
        let mut open = OpenOptions::new();
        let mut new = open
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        new.write_all(content)?;
        std::fs::rename(&beside, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}

/// Makes the folder, and takes others' rights to an old one away.
pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let make = || -> std::io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))
    };
    make().with_context(|| format!("making {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_lose_what_they_could_read() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        std::fs::create_dir_all(&folder).unwrap();
        make_folder(&folder).unwrap();
        let file = folder.join("secret.json");
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        write(&file, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        for (path, mode) in [(&folder, 0o700), (&file, 0o600)] {
            let found = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{}", path.display());
        }
    }
}
