//! Files that the tool keeps for itself: for their owner alone whatever the umask is, and never half
//! written. And files that may be anything, read without waiting for them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt};
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::OFlags;

const MODE: u32 = 0o600;

/// Writes beside the file and moves into place: a reader sees the old bytes or the new ones, and two
/// writers leave no mixture. The folder is made.
///
/// # Errors
/// Those of the file system, with the file that was to be written.
pub fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    try_write(file, bytes).with_context(|| format!("writing {}", file.display()))
}

fn try_write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Of mode 0600, and gone if it is not moved.
    let mut beside = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// A folder for its owner alone, and those above it as far as they are not there. Others lose their
/// rights to one that is there.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700))
}

/// An empty file to be written piece by piece. What was in it is gone.
pub fn create(file: &Path) -> io::Result<File> {
    let created = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(MODE)
        .open(file)?;
    // An older one may have been open to others.
    created.set_permissions(PermissionsExt::from_mode(MODE))?;
    Ok(created)
}

/// Opens what may be anything: not by way of a link, and without waiting for whoever writes to a pipe.
///
/// # Errors
/// Besides those of the file system: when it is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open(path, OFlags::NONBLOCK | OFlags::NOFOLLOW)
}

/// The content of what may be anything; links are followed, and a pipe is not waited for.
///
/// # Errors
/// Besides those of the file system: when it is no regular file.
pub fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, OFlags::NONBLOCK)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is no regular file",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_kept_is_for_its_owner_alone_even_where_it_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("old");
        std::fs::write(&old, "longer than before").unwrap();
        std::fs::set_permissions(&old, PermissionsExt::from_mode(0o666)).unwrap();
        write(&old, b"new").unwrap();
        assert_eq!(
            (mode(&old), std::fs::read(&old).unwrap()),
            (0o600, b"new".to_vec())
        );

        std::fs::set_permissions(&old, PermissionsExt::from_mode(0o666)).unwrap();
        drop(create(&old).unwrap());
        assert_eq!((mode(&old), std::fs::read(&old).unwrap()), (0o600, vec![]));

        let deep = folder.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::set_permissions(&deep, PermissionsExt::from_mode(0o755)).unwrap();
        make_folder(&deep).unwrap();
        write(&deep.join("c/d"), b"x").unwrap();
        assert_eq!((mode(&deep), mode(&deep.join("c"))), (0o700, 0o700));
    }

    #[test]
    fn a_write_that_fails_names_its_file_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        let error = write(&taken, b"x").unwrap_err();
        assert_eq!(error.to_string(), format!("writing {}", taken.display()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_is_not_waited_for_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();

        assert!(open_regular(&pipe).is_err() && read_regular(&pipe).is_err());
        assert!(open_regular(&link).is_err() && open_regular(&file).is_ok());
        assert_eq!(read_regular(&link).unwrap(), b"x");
        assert!(read_regular(folder.path()).is_err());
    }
}
