//! Paths without `.` and `..`, and what is below a folder.

use std::path::{Component, Path, PathBuf};

/// As Go's filepath.Clean: by its text alone.
pub fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match clean.components().next_back() {
                Some(Component::Normal(_)) => {
                    clean.pop();
                }
                Some(Component::RootDir) => {}
                _ => clean.push(".."),
            },
            part => clean.push(part),
        }
    }
    if clean.as_os_str().is_empty() {
        clean.push(".");
    }
    clean
}

/// The same file as the system opens: the `..` of a symlink is beside what it points to.
pub fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if normal.is_symlink()
                    && let Ok(target) = normal.canonicalize()
                {
                    normal = target;
                }
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// The way from a folder to a path, both normal: `../../x`.
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components());
    let common = common.take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

/// All files below a folder, whatever git thinks of them, but what Terraform itself keeps there.
pub fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            files.push(path);
        } else if !path.ends_with(".terraform") && !leads_up(&path) {
            collect(&path, files)?;
        }
    }
    Ok(())
}

/// A symlink to a folder that it is in itself has no end.
fn leads_up(path: &Path) -> bool {
    let parent = || path.parent()?.canonicalize().ok();
    path.is_symlink()
        && path
            .canonicalize()
            .is_ok_and(|target| parent().is_some_and(|parent| parent.starts_with(target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_file() {
        for (from, to, way) in [
            ("/r/infra/test", "/r/infra/test/main.tf", "main.tf"),
            (
                "/r/infra/test",
                "/r/infra/template/a.tf",
                "../template/a.tf",
            ),
            ("/r/infra/test", "/r/x", "../../x"),
            ("/r/infra/test", "/r/infra/test2", "../test2"),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(way));
        }
    }

    #[test]
    fn the_parent_of_a_symlink_is_that_of_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("far/away")).unwrap();
        std::os::unix::fs::symlink(top.join("far/away"), top.join("near")).unwrap();
        assert_eq!(normal(&top.join("near/../x")), top.join("far/x"));
        assert_eq!(normal(&top.join("far/./../x")), top.join("x"));
        assert_eq!(normal(&top.join("none/../x")), top.join("x"));
        // The link itself is a path like any other.
        assert_eq!(normal(&top.join("near/x")), top.join("near/x"));
        assert_eq!(clean(Path::new("../a/./../b/..")), Path::new(".."));
    }

    #[test]
    fn a_folder_is_walked_once_round() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        std::fs::create_dir_all(top.join("a/.terraform")).unwrap();
        for file in ["a/b", "a/.terraform/p", "c"] {
            std::fs::write(top.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(top, top.join("a/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", top.join("gone")).unwrap();
        let files = files_below(top).unwrap();
        assert_eq!(files, ["a/b", "c", "gone"].map(|file| top.join(file)));
    }
}
