//! Python programs for the tests alone, installed by hash, and microburst among them: it stands before
//! the sandbox and answers some requests as a busy AWS does.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Shared;
use super::checkout::{base, repository};
use super::http::request;
use super::keys;

/// A Python with what fixtures/python/requirements.txt pins; made once for these pins.
pub fn python() -> PathBuf {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
        let pins = repository().join("xtask/tests/it/fixtures/python/requirements.txt");
        let mut hash = DefaultHasher::new();
        std::fs::read(&pins).unwrap().hash(&mut hash);
        let folder = base().join(format!("python-{:016x}", hash.finish()));
        let complete = folder.join("complete");
        if !complete.exists() {
            let _ = std::fs::remove_dir_all(&folder);
            let made = Command::new("python3")
                .arg(repository().join("xtask/src/sandbox/make_environment.py"))
                .args([&folder, &pins])
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
            std::fs::write(complete, "").unwrap();
        }
        folder.join("bin/python")
    });
    PYTHON.clone()
}

/// Runs those tests of our Python package that are about this program, or about none, with the Python
/// environment that the sandbox made.
pub fn extension_passes_its_tests(about: &str) {
    let (shared, _together) = Shared::together();
    let entries = std::fs::read_dir(shared.checkout.root.join("target/xtask/sandbox")).unwrap();
    let venv = entries
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("complete").exists())
        .expect("the sandbox made a Python environment");
    let output = Command::new(venv.join("bin/python"))
        .args(["-m", "unittest"])
        .current_dir(repository().join("xtask/src/sandbox/ministack"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SANDBOX_TESTS_ABOUT", about)
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

/// A microburst of our own; it ends with this value.
pub struct Microburst {
    process: Child,
    pub port: u16,
}

impl Microburst {
    /// Before what listens on this port of this machine. Without rules everything passes.
    pub fn before(upstream: u16) -> Microburst {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        // It names the upstream in Host, which the signature covers.
        let keys = keys::of(&format!("http://127.0.0.1:{upstream}")).unwrap();
        let process = Command::new(python())
            .env("AWS_ACCESS_KEY_ID", keys.control_id)
            .env("AWS_SECRET_ACCESS_KEY", keys.control_secret)
            .env_remove("AWS_SESSION_TOKEN")
            .args(["-m", "microburst", "--resign"])
            .args(["--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .arg("--upstream")
            .arg(format!("http://127.0.0.1:{upstream}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let microburst = Microburst { process, port };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "microburst does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        microburst
    }

    /// These and no others, from now on.
    pub fn rules(&self, rules: &Value) {
        let json = [("Content-Type", "application/json")];
        let answer = request(
            &self.endpoint(),
            "POST",
            "/_microburst/rules",
            &json,
            &rules.to_string(),
        );
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }

    /// How often any rule has fired.
    pub fn fired(&self) -> u64 {
        let answer = request(&self.endpoint(), "GET", "/_microburst/stats", &[], "");
        let stats: Value = serde_json::from_str(&answer.body).unwrap();
        stats["requests"]["faulted"]
            .as_u64()
            .unwrap_or_else(|| panic!("{stats}"))
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Microburst {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
