//! Which compiler makes a static Linux binary here, and how it is called.

use std::path::Path;

use anyhow::Context as _;

use crate::clients::process::Program;
use crate::names::Platform;
use crate::session::Session;

/// How a static Linux binary is made here.
#[derive(Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// Linux on the image's own architecture: the host's target, statically linked.
    Native(String),
    /// Anywhere else: zig is the C compiler and linker that any machine can install.
    Zig(String),
}

impl Toolchain {
    pub fn choose(platform: Platform, host: &str) -> Self {
        let native = host.starts_with(platform.rust_arch()) && host.contains("-linux-");
        if native {
            Toolchain::Native(host.to_owned())
        } else {
            Toolchain::Zig(format!("{}-unknown-linux-musl", platform.rust_arch()))
        }
    }

    pub fn triple(&self) -> &str {
        match self {
            Toolchain::Native(triple) | Toolchain::Zig(triple) => triple,
        }
    }
}

/// What `rustc -vV` says: its version, commit and host.
pub async fn compiler(session: &Session) -> anyhow::Result<String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    Program::new(rustc)
        .arg("-vV")
        .current_dir(&session.settings.root)
        .read(&session.interrupt)
        .await
}

pub fn host_of(answer: &str) -> anyhow::Result<String> {
    let host = answer.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// Static, and without this machine's paths in panic messages: the same sources give the same image.
/// The workspace's own paths are relative already; naming its folder here would make cargo compile
/// every dependency anew in each checkout.
pub fn rustflags(cargo_home: &Path) -> String {
    [
        "-Ctarget-feature=+crt-static".to_owned(),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
    ]
    .join("\u{1f}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_follows_platform_and_host() {
        for (platform, host, expected) in [
            (
                Platform::LinuxAmd64,
                "x86_64-unknown-linux-gnu",
                Toolchain::Native("x86_64-unknown-linux-gnu".into()),
            ),
            (
                Platform::LinuxAmd64,
                "x86_64-unknown-linux-musl",
                Toolchain::Native("x86_64-unknown-linux-musl".into()),
            ),
            (
                Platform::LinuxArm64,
                "x86_64-unknown-linux-gnu",
                Toolchain::Zig("aarch64-unknown-linux-musl".into()),
            ),
            (
                Platform::LinuxAmd64,
                "aarch64-apple-darwin",
                Toolchain::Zig("x86_64-unknown-linux-musl".into()),
            ),
            (
                Platform::LinuxArm64,
                "aarch64-apple-darwin",
                Toolchain::Zig("aarch64-unknown-linux-musl".into()),
            ),
        ] {
            assert_eq!(Toolchain::choose(platform, host), expected);
        }
    }
}
