//! The secrets of a running sandbox. It makes them up itself (`sandbox_extension/keys.py`), in a file
//! that only its owner reads; here they are read, and the sandbox has to prove that it knows them.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use aws_sigv4::sign::v4::calculate_signature;
use serde::{Deserialize, Serialize};

use crate::clients::own_files;

/// Empty before the sandbox has made them up.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    pub control_id: String,
    pub control_secret: String,
    /// Of containers under test: for data alone.
    pub tasks_id: String,
    pub tasks_secret: String,
    registry_password: String,
    pub github_token: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    pub fn read(folder: &Path) -> anyhow::Result<Keys> {
        let file = file(folder);
        let text = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))
    }

    /// The next start makes up others.
    pub fn forget(folder: &Path) {
        let _ = std::fs::remove_file(file(folder));
    }

    /// Does the sandbox with these secrets listen there? Whoever else does learns nothing from being
    /// asked.
    pub fn are_of(&self, port: u16) -> bool {
        if self.control_secret.is_empty() {
            return false;
        }
        let random = || RandomState::new().hash_one(port);
        let question = format!("{:016x}{:016x}", random(), random());
        let expected = calculate_signature(
            self.control_secret.as_bytes(),
            format!("sandbox proof {question}").as_bytes(),
        );
        get(port, &format!("/_sandbox/proof?{question}"))
            .is_ok_and(|answer| answer.contains(&expected))
    }

    /// A file for the AWS CLI; it stays beside the sandbox and ends with it.
    pub fn write_profile(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let file = profile(folder);
        let text = format!(
            "[sandbox]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            self.control_id, self.control_secret
        );
        own_files::write(&file, text.as_bytes())?;
        Ok(file)
    }

    #[cfg(test)]
    pub fn of_nobody() -> Keys {
        let text = || "test".to_owned();
        Keys {
            control_id: text(),
            control_secret: text(),
            tasks_id: text(),
            tasks_secret: text(),
            registry_password: text(),
            github_token: text(),
        }
    }
}

/// Where a person's own AWS CLI finds the keys.
pub fn profile(folder: &Path) -> PathBuf {
    folder.join("aws-credentials")
}

fn file(folder: &Path) -> PathBuf {
    folder.join("keys.json")
}

/// A GET on our own machine.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    // On a busy machine it may be slow, and one that is taken for dead is thrown away with all it holds.
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    // Whoever else listens there may answer without end.
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
