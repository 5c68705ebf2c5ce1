//! The pinned Terraform: fetched from a mirror, refused by its hash, and never half there.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Checkout, Ended, base};

/// A checkout that pins an archive of our own, and the folder that has it.
struct Pinned {
    checkout: Checkout,
    mirror: PathBuf,
    archive: String,
}

impl Pinned {
    fn named(name: &str) -> Pinned {
        let checkout = Checkout::named(name);
        let mirror = base().join(format!("{name}-mirror"));
        let _ = std::fs::remove_dir_all(&mirror);
        std::fs::create_dir_all(&mirror).unwrap();
        let platform = platform();
        let archive = format!("terraform_9.9.9_{platform}.zip");
        // Two megabytes that do not compress, so that a disk of one is full.
        let script = "import hashlib, os, sys, zipfile\n\
            with zipfile.ZipFile(sys.argv[1], 'w') as archive:\n\
            \x20   archive.writestr('terraform', b'#!/bin/sh\\nexit 0\\n#' + os.urandom(2_000_000))\n\
            print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())";
        let made = Command::new("python3")
            .args(["-c", script])
            .arg(mirror.join(&archive))
            .output()
            .unwrap();
        let hash = String::from_utf8(made.stdout).unwrap();
        let manifest = checkout.read("Cargo.toml");
        let (before, after) = manifest
            .split_once("[workspace.metadata.xtask.tools.terraform]")
            .unwrap();
        let (_, after) = after
            .split_once("[workspace.metadata.xtask.environments")
            .unwrap();
        let pin = format!(
            "[workspace.metadata.xtask.tools.terraform]\nversion = \"9.9.9\"\n\
             sha256 = {{ {platform} = \"{}\" }}\n\n[workspace.metadata.xtask.environments",
            hash.trim()
        );
        checkout.write("Cargo.toml", &format!("{before}{pin}{after}"));
        Pinned {
            checkout,
            mirror,
            archive,
        }
    }

    fn tools(&self) -> PathBuf {
        self.checkout.root.join("target/xtask/tools")
    }

    fn install_from(&self, mirror: &str) -> Ended {
        self.checkout
            .xtask(["tools", "install"])
            .env("XTASK_TOOLS_MIRROR", mirror)
            .run()
    }

    fn install(&self) -> Ended {
        self.install_from(self.mirror.to_str().unwrap())
    }

    /// Whatever failed before, nothing half is left and the next call succeeds.
    fn expect_clean_start(&self) {
        let ended = self.install().expect_code(0).expect_stdout("(installed)");
        let program = PathBuf::from(ended.stdout.split(" (").next().unwrap());
        assert!(program.starts_with(self.tools()), "{}", program.display());
        let left: Vec<_> = std::fs::read_dir(program.parent().unwrap())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        assert_eq!(left, ["terraform"]);
        self.install()
            .expect_code(0)
            .expect_stdout("(was there already)");
    }
}

#[test]
fn a_wrong_hash_is_refused_before_anything_is_unpacked() {
    let pinned = Pinned::named("tools-hash");
    let other = base().join("tools-hash-other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join(&pinned.archive), "another file").unwrap();
    pinned
        .install_from(other.to_str().unwrap())
        .expect_code(125)
        .expect_stderr("Terraform 9.9.9 could not be fetched")
        .expect_stderr("has the SHA-256")
        .expect_stderr("hint: the file was thrown away");
    pinned.expect_clean_start();
}

#[test]
fn a_download_that_is_cut_off() {
    let pinned = Pinned::named("tools-cut");
    let server = "import http.server, sys\n\
        class Short(http.server.BaseHTTPRequestHandler):\n\
        \x20   def do_GET(self):\n\
        \x20       self.send_response(200)\n\
        \x20       self.send_header('Content-Length', '5000000')\n\
        \x20       self.end_headers()\n\
        \x20       self.wfile.write(bytes(100_000))\n\
        \x20   def log_message(self, *_): pass\n\
        server = http.server.HTTPServer(('127.0.0.1', 0), Short)\n\
        print(server.server_port, flush=True)\n\
        server.handle_request()";
    let mut child = Command::new("python3")
        .args(["-c", server])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    pinned
        .install_from(&format!("http://127.0.0.1:{}", line.trim()))
        .expect_code(125)
        .expect_stderr("100000")
        .expect_stderr("5000000 bytes")
        .expect_stderr("hint: run the command again");
    child.wait().unwrap();
    pinned.expect_clean_start();
}

#[test]
fn no_network_says_what_to_put_where() {
    let pinned = Pinned::named("tools-offline");
    pinned
        .install_from("http://127.0.0.1:1")
        .expect_code(125)
        .expect_stderr(&format!("http://127.0.0.1:1/{}", pinned.archive))
        .expect_stderr("SHA-256")
        .expect_stderr(&format!("put it at {}", pinned.tools().display()));
    // Doing what it says is enough.
    std::fs::create_dir_all(pinned.tools()).unwrap();
    std::fs::copy(
        pinned.mirror.join(&pinned.archive),
        pinned.tools().join(&pinned.archive),
    )
    .unwrap();
    pinned
        .install_from("http://127.0.0.1:1")
        .expect_code(0)
        .expect_stdout("(installed)");
}

#[cfg(target_os = "linux")]
#[test]
fn a_target_that_cannot_be_written() {
    let pinned = Pinned::named("tools-read-only");
    std::fs::create_dir_all(pinned.tools().parent().unwrap()).unwrap();
    // The one place where not even root makes a folder.
    symlink("/sys/kernel", pinned.tools()).unwrap();
    pinned
        .install()
        .expect_code(125)
        .expect_stderr("hint: make target/ writable");
    std::fs::remove_file(pinned.tools()).unwrap();
    pinned.expect_clean_start();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let pinned = Pinned::named("tools-full");
    std::fs::create_dir_all(pinned.tools()).unwrap();
    // A disk of one megabyte that nobody else sees.
    let script = r#"mount -t tmpfs -o size=1m tmpfs "$1" && cd "$2" && exec "$3" tools install"#;
    let namespace: &[&str] = if unshare_works() {
        &["unshare", "-Urm"]
    } else {
        &["sudo", "-n", "-E", "unshare", "-m"]
    };
    let output = Command::new(namespace[0])
        .args(&namespace[1..])
        .args(["sh", "-c", script, "sh"])
        .arg(pinned.tools())
        .arg(&pinned.checkout.root)
        .arg(env!("CARGO_BIN_EXE_xtask"))
        .env("XTASK_TOOLS_MIRROR", &pinned.mirror)
        .output()
        .unwrap();
    Ended::of(output)
        .expect_code(125)
        .expect_stderr("No space left on device")
        .expect_stderr("hint: free some space");
    pinned.expect_clean_start();
}

fn unshare_works() -> bool {
    Command::new("unshare")
        .args(["-Urm", "true"])
        .status()
        .is_ok_and(|status| status.success())
}

fn platform() -> String {
    let system = if Path::new("/System/Library").exists() {
        "darwin"
    } else {
        "linux"
    };
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    format!("{system}_{architecture}")
}
