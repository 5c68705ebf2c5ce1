//! Cargo, as its user would call it from a shell.

pub mod dep_info;
pub mod metadata;

use std::ffi::OsString;

use super::process::Program;

/// The cargo that runs us, or the one on PATH.
pub fn cargo() -> Program {
    without_us(Program::new(program()))
}

fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

/// Takes away what `cargo run` tells us about our own crate.
///
/// Build scripts watch these variables. With ours in the environment, each change between
/// `cargo xtask` and a plain `cargo build` would compile ring, and all that stands on it, again.
/// <https://doc.rust-lang.org/cargo/reference/environment-variables.html>
pub fn without_us(program: Program) -> Program {
    std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| is_ours(name))
        .fold(program, |program, name| program.env_remove(&name))
}

/// Is it a variable that cargo sets for the crate that it runs or compiles?
pub fn is_ours(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || matches!(
            name,
            "CARGO_MANIFEST_DIR"
                | "CARGO_MANIFEST_PATH"
                | "CARGO_CRATE_NAME"
                | "CARGO_BIN_NAME"
                | "CARGO_PRIMARY_PACKAGE"
                | "CARGO_TARGET_TMPDIR"
                | "OUT_DIR"
        )
}
