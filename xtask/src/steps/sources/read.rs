//! What a compile read, and the marks by which a change of it is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clients::git::Git;
use crate::clients::own_files;

/// The content of a file, or that there is none.
pub type Marks = BTreeMap<PathBuf, String>;

const ABSENT: &str = "absent";

/// What was read. All paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Sources, manifests, the lock file: each counts, and whether it is there.
    pub files: BTreeSet<PathBuf>,
    /// Folders that a build script watches: all that is below them.
    pub folders: BTreeSet<PathBuf>,
    /// Packages whose build script does not say what it watches: all that git sees of them.
    pub packages: BTreeSet<PathBuf>,
    /// Settings of cargo and rustup outside of the repository: they decide a compile, and are nobody's
    /// commit.
    pub around: BTreeSet<PathBuf>,
}

impl Read {
    /// Of a list of cargo's: what is in the folders of its own products is made and not read.
    pub fn of_listed(listed: Vec<PathBuf>, products: &[PathBuf]) -> Read {
        let listed = listed
            .into_iter()
            .filter(|file| !products.iter().any(|folder| file.starts_with(folder)));
        let (folders, files) = listed.partition(|file| file.is_dir());
        Read {
            files,
            folders,
            ..Read::default()
        }
    }

    /// All files that are there now.
    pub fn now(&self, git: &Git) -> anyhow::Result<BTreeSet<PathBuf>> {
        let mut files = self.files.clone();
        for folder in &self.folders {
            below(folder, &mut files)?;
        }
        let packages: Vec<PathBuf> = self.packages.iter().cloned().collect();
        for file in git.visible(&packages)? {
            if file.is_dir() {
                below(&file, &mut files)?;
            }
            files.insert(file);
        }
        Ok(files)
    }

    /// The marks of all that was read, as it is now.
    pub fn marks(&self, git: &Git) -> anyhow::Result<Marks> {
        let files = self.now(git)?;
        let all = files.iter().chain(&self.around);
        all.map(|file| Ok((file.clone(), mark(file)?))).collect()
    }
}

/// What differs between two times.
pub fn changed(before: &Marks, now: &Marks) -> Vec<PathBuf> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    let changed = paths
        .into_iter()
        .filter(|path| before.get(*path) != now.get(*path));
    changed.cloned().collect()
}

fn mark(file: &Path) -> anyhow::Result<String> {
    match own_files::read_regular(file) {
        Ok(bytes) => Ok(hex(&Sha256::digest(bytes))),
        // A folder or a pipe where a file was: nothing that can be compiled.
        Err(_) if !file.is_file() => Ok(ABSENT.to_owned()),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All files below a folder, also by way of links, which are files by themselves: cargo follows them,
/// and so does what reads the folder.
fn below(folder: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    below_within(folder, &[], files)
}

fn below_within(
    folder: &Path,
    within: &[PathBuf],
    files: &mut BTreeSet<PathBuf>,
) -> anyhow::Result<()> {
    let (Ok(place), Ok(entries)) = (std::fs::canonicalize(folder), std::fs::read_dir(folder))
    else {
        return Ok(());
    };
    // A link to a folder that it is in.
    if within.contains(&place) {
        return Ok(());
    }
    let within = [within, &[place]].concat();
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let path = entry.path();
        // Of a submodule: git's own, and not read.
        if path.file_name() == Some(".git".as_ref()) {
            continue;
        }
        if path.is_dir() {
            below_within(&path, &within, files)?;
        }
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files.insert(path);
        }
    }
    Ok(())
}

/// What decides how cargo compiles in `root` beside the sources: the manifests of the packages and of
/// the workspaces that they are in, the lock file, the settings of cargo and rustup. Files that are not
/// there count as well. The second set is outside of the repository.
pub fn around(
    root: &Path,
    packages: &BTreeSet<PathBuf>,
    top: &Path,
) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let mut inside = BTreeSet::from([root.join("Cargo.toml"), root.join("Cargo.lock")]);
    let mut outside = BTreeSet::new();
    for package in packages {
        // Where cargo looks for targets that the manifest does not name.
        for file in ["Cargo.toml", "build.rs", "src/lib.rs", "src/main.rs"] {
            inside.insert(package.join(file));
        }
        let above = package.ancestors().skip(1);
        let above = above.take_while(|folder| folder.starts_with(top));
        inside.extend(above.map(|folder| folder.join("Cargo.toml")));
    }
    for folder in root.ancestors() {
        let set = if folder.starts_with(top) {
            &mut inside
        } else {
            &mut outside
        };
        for file in [
            ".cargo/config.toml",
            ".cargo/config",
            "rust-toolchain.toml",
            "rust-toolchain",
        ] {
            set.insert(folder.join(file));
        }
    }
    outside.insert(cargo_home().join("config.toml"));
    outside.insert(cargo_home().join("config"));
    (inside, outside)
}

/// Where cargo keeps what it has downloaded.
pub fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_any_kind_is_seen() {
        let marks = |pairs: &[(&str, &str)]| -> Marks {
            let pairs = pairs.iter();
            pairs
                .map(|(path, mark)| (PathBuf::from(path), (*mark).to_owned()))
                .collect()
        };
        let before = marks(&[("a", "1"), ("b", ABSENT)]);
        for (now, expected) in [
            (vec![("a", "1"), ("b", ABSENT)], ""),
            (vec![("a", "2"), ("b", ABSENT)], "a"),
            (vec![("a", "1"), ("b", "1")], "b"),
            (vec![("a", ABSENT), ("b", ABSENT)], "a"),
            (vec![("b", ABSENT)], "a"),
            (vec![("a", "1"), ("b", ABSENT), ("c", "1")], "c"),
        ] {
            let found = changed(&before, &marks(&now));
            let found: Vec<_> = found.iter().map(|path| path.to_string_lossy()).collect();
            assert_eq!(found.join(" "), expected, "{now:?}");
        }
    }

    #[test]
    fn a_watched_folder_is_all_that_is_below_it_also_by_links() {
        let home = tempfile::tempdir().unwrap();
        let place = |name: &str| home.path().join(name);
        std::fs::create_dir_all(place("watched/deeper")).unwrap();
        std::fs::create_dir(place("elsewhere")).unwrap();
        for name in ["watched/deeper/a.txt", "elsewhere/b.txt"] {
            std::fs::write(place(name), "1").unwrap();
        }
        let link = |to: &str, at: &str| std::os::unix::fs::symlink(place(to), place(at)).unwrap();
        link("elsewhere", "watched/link");
        link("elsewhere/b.txt", "watched/b.txt");
        link("nowhere", "watched/broken");
        link("watched", "watched/deeper/circle");
        let mut files = BTreeSet::new();
        below(&place("watched"), &mut files).unwrap();
        let expected = ["b.txt", "broken", "deeper/a.txt", "deeper/circle", "link"];
        let expected = expected.into_iter().chain(["link/b.txt"]);
        let expected = expected.map(|name| place("watched").join(name));
        assert_eq!(files, expected.collect());
    }

    #[test]
    fn what_cargo_makes_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let watched = folder.path().join("watched");
        std::fs::create_dir(&watched).unwrap();
        let listed = vec![
            PathBuf::from("/w/src/main.rs"),
            PathBuf::from("/w/target/out/generated.rs"),
            watched.clone(),
        ];
        let read = Read::of_listed(listed, &[PathBuf::from("/w/target")]);
        assert_eq!(read.files, BTreeSet::from(["/w/src/main.rs".into()]));
        assert_eq!(read.folders, BTreeSet::from([watched]));
    }
}
