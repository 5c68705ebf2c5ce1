//! Files of a workspace under test, and paths between them.

use std::path::{Component, Path, PathBuf};

pub fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

pub fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The way from a folder to a path, both absolute.
pub fn way(from: &Path, to: &Path) -> String {
    let common = from.components().zip(to.components());
    let common = common.take_while(|(one, other)| one == other).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(common)).collect();
    way.to_str().unwrap().to_owned()
}

/// A link at a path, which leads to another by the way between them.
pub fn link(at: &Path, to: &Path) {
    let folder = at.parent().unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::os::unix::fs::symlink(way(folder, to), at).unwrap();
}
