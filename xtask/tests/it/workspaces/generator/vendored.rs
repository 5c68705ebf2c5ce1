//! A registry's crate without a registry: a folder of versions, of which Cargo.lock names one.

use std::path::{Path, PathBuf};

use super::Workspace;
use crate::workspaces::Nonce;
use crate::workspaces::files::{read, write};

/// The name of that crate.
pub const NAME: &str = "locked";
/// What tells cargo to look there instead.
pub const CONFIG: &str = r#"
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"
"#;

/// Writes a version whose text is a nonce.
pub fn version(workspace: &Workspace, number: usize, nonce: &Nonce) {
    let vendor = workspace.checkout.root.join("vendor");
    let folder = vendor.join(format!("{NAME}-1.0.{number}"));
    let manifest =
        format!("[package]\nname = \"{NAME}\"\nversion = \"1.0.{number}\"\nedition = \"2024\"\n");
    write(&folder.join("Cargo.toml"), &manifest);
    let text = format!("pub const TEXT: &str = {:?};\n", nonce.as_str());
    write(&folder.join("src/lib.rs"), &text);
    let checksums = format!("{{\"files\":{{}},\"package\":\"{}\"}}", checksum(number));
    write(&folder.join(".cargo-checksum.json"), &checksums);
}

/// Adds a version and returns the text of Cargo.lock that names it.
pub fn next_version(workspace: &Workspace, lock: &Path, nonce: &Nonce) -> String {
    let text = read(lock);
    let number = |number: usize| format!("version = \"1.0.{number}\"");
    let before = (0..100).find(|before| text.contains(&number(*before)));
    let before = before.unwrap();
    version(workspace, before + 1, nonce);
    let text = text.replace(&number(before), &number(before + 1));
    text.replace(&checksum(before), &checksum(before + 1))
}

pub fn lock_file(workspace: &Workspace) -> PathBuf {
    workspace.checkout.root.join("Cargo.lock")
}

fn checksum(number: usize) -> String {
    format!("{number:064x}")
}
