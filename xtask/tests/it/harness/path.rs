//! PATH as the tests have it: this machine's own, and a Terraform where there is none.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::checkout::repository;

/// Where there is no Terraform, it has the pinned one, fetched by the binary under test as for a user.
pub fn path() -> OsString {
    static PATH: LazyLock<OsString> = LazyLock::new(|| {
        let path = std::env::var_os("PATH").unwrap();
        if find("terraform", &path).is_some() {
            return path;
        }
        let fetched = fetch_terraform();
        let folders = std::env::split_paths(&path).chain([fetched.parent().unwrap().to_owned()]);
        std::env::join_paths(folders).unwrap()
    });
    PATH.clone()
}

/// The real program behind a name on that PATH.
pub fn which(name: &str) -> PathBuf {
    find(name, &path()).unwrap_or_else(|| panic!("the end-to-end tests need `{name}` on PATH"))
}

fn find(name: &str, path: &OsString) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn fetch_terraform() -> PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["tools", "install"])
        .current_dir(repository())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "no Terraform: {said}");
    let said = String::from_utf8(output.stdout).unwrap();
    PathBuf::from(said.split(" (").next().unwrap())
}
