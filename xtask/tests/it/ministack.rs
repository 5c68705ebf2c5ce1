//! Our Python package's own tests, with the Python environment that the sandbox made.

use std::process::Command;

use crate::harness::{Shared, repository};

#[test]
fn the_ministack_extension_passes_its_own_tests() {
    let python = {
        let (shared, _together) = Shared::together();
        let folder = shared.checkout.root.join("target/xtask/sandbox");
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.path());
        let venv = entries
            .into_iter()
            .find(|path| path.join("complete").exists())
            .expect("the sandbox made a Python environment");
        venv.join("bin/python")
    };
    let output = Command::new(python)
        .args(["-m", "unittest"])
        .current_dir(repository().join("xtask/src/sandbox/ministack"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    // unittest succeeds on no tests, too.
    assert!(
        text.contains("\nOK") && !text.contains("Ran 0 tests"),
        "{text}"
    );
}
