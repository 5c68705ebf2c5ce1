//! Several files written together: all of them or none.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::catalog::new_task::Edit;

/// Writes every edit. When one cannot be written, those before it are taken back.
pub fn write_all(root: &Path, edits: &[Edit]) -> anyhow::Result<()> {
    let mut done: Vec<(PathBuf, Option<Vec<u8>>)> = Vec::new();
    for edit in edits {
        let file = root.join(&edit.file);
        let before = std::fs::read(&file).ok();
        if let Err(error) = write(&file, &edit.text) {
            let undone = done.into_iter().rev().try_for_each(take_back);
            return Err(match undone {
                Ok(()) => error.context("nothing was changed"),
                Err(undo) => error.context(format!("some files are changed and could not be restored ({undo:#}): git checkout brings them back")),
            });
        }
        done.push((file, before));
    }
    Ok(())
}

/// A reader sees the old file or the new one, never a half.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let doing = || format!("writing {}", file.display());
    let folder = file.parent().with_context(doing)?;
    std::fs::create_dir_all(folder).with_context(doing)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".xtask-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(doing)?;
    std::io::Write::write_all(&mut temporary, text.as_bytes()).with_context(doing)?;
    if let Ok(existing) = std::fs::metadata(file) {
        temporary
            .as_file()
            .set_permissions(existing.permissions())
            .with_context(doing)?;
    }
    temporary.persist(file).with_context(doing)?;
    Ok(())
}

fn take_back((file, before): (PathBuf, Option<Vec<u8>>)) -> anyhow::Result<()> {
    let undone = match before {
        Some(bytes) => std::fs::write(&file, bytes),
        None => match std::fs::remove_file(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        },
    };
    undone.with_context(|| format!("restoring {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_undoes_the_others() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old"), "before").unwrap();
        let edit = |file: &str| Edit {
            file: file.into(),
            text: "after".into(),
            new: true,
        };
        // `old` is a file, so that nothing can be written below it.
        let edits = [edit("old"), edit("new/deep"), edit("old/below")];
        let error = write_all(folder.path(), &edits).unwrap_err();
        assert_eq!(error.to_string(), "nothing was changed");
        assert_eq!(
            std::fs::read_to_string(folder.path().join("old")).unwrap(),
            "before"
        );
        assert!(!folder.path().join("new/deep").exists());
        write_all(folder.path(), &edits[..2]).unwrap();
        assert_eq!(
            std::fs::read_to_string(folder.path().join("new/deep")).unwrap(),
            "after"
        );
    }
}
