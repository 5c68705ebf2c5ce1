//! The MiniStack process: started as a daemon, found again by the file it leaves, stopped.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::address::{ACCOUNT, Address};
use super::engine::Engine;
use super::python;
use crate::failure::Problem;
use crate::settings::Settings;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// A process that was started, running or not.
pub struct Server {
    folder: PathBuf,
    record: Record,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    pid: u32,
    port: u16,
    #[serde(default)]
    engine: Engine,
    /// The region that everything in it is in.
    #[serde(default)]
    region: String,
    /// The hash of our extension as it was when the process started.
    extension: String,
    /// True once the foundation is in place.
    ready: bool,
}

impl Server {
    /// The process that the folder's record names, if there is a record.
    pub fn find(folder: &Path) -> anyhow::Result<Option<Server>> {
        let file = record_file(folder);
        let Ok(text) = std::fs::read_to_string(&file) else {
            return Ok(None);
        };
        // A record that is cut off belongs to a start that was killed: there is nothing to find.
        let Ok(record) = serde_json::from_str(&text) else {
            return Ok(None);
        };
        Ok(Some(Server {
            folder: folder.to_owned(),
            record,
        }))
    }

    pub fn start(
        folder: &Path,
        python: &Path,
        engine: Engine,
        settings: &Settings,
    ) -> anyhow::Result<Server> {
        let log_file = folder.join("ministack.log");
        let log = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&log_file)
            .with_context(|| format!("opening {}", log_file.display()))?;
        let port = free_port(Server::find(folder)?.map(|old| old.record.port))?;
        // A session of its own, so that closing the terminal does not end the sandbox.
        let start = "import os, runpy; os.setsid(); runpy.run_module('sandbox_extension', run_name='__main__')";
        let mut child = Command::new(python)
            .args(["-c", start])
            .env("PYTHONPATH", python::extension_folder())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("GATEWAY_PORT", port.to_string())
            .env("SANDBOX_STATE_DIR", folder)
            .env("SANDBOX_ENGINE", engine.as_str())
            .env("SANDBOX_WORKFLOWS", workflows(settings))
            .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
            .env("MINISTACK_REGION", &settings.environment.region)
            .env("TMPDIR", make_tmp(folder)?)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("opening the log twice")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting MiniStack with {}", python.display()))?;
        let record = Record {
            pid: child.id(),
            port,
            engine,
            region: settings.environment.region.clone(),
            extension: extension_hash()?,
            ready: false,
        };
        let server = Server {
            folder: folder.to_owned(),
            record,
        };
        server.save()?;
        let deadline = Instant::now() + START_TIMEOUT;
        while !server.is_healthy() {
            let ended = child.try_wait().context("waiting for MiniStack")?;
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(&log_file).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(15).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                let what = ended.map_or("does not answer".to_owned(), |status| {
                    format!("ended with {status}")
                });
                return Err(Problem::failed(
                    format!("MiniStack {what}:\n{}", tail.join("\n")),
                    format!("its whole log is {}", log_file.display()),
                )
                .into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    pub fn address(&self) -> Address {
        let Record { port, engine, .. } = self.record;
        Address::at_port(port, engine, &self.record.region)
    }

    pub fn engine(&self) -> Engine {
        self.record.engine
    }

    pub fn region(&self) -> &str {
        &self.record.region
    }

    pub fn pid(&self) -> u32 {
        self.record.pid
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.join("ministack.log")
    }

    /// Alive, and it is MiniStack that answers on the port.
    pub fn is_healthy(&self) -> bool {
        self.process()
            .is_some_and(|pid| test_kill_process(pid).is_ok())
            && get(self.record.port, "/_ministack/health")
                .is_ok_and(|answer| answer.contains("200"))
    }

    /// Set up to the end, by this version of our extension.
    pub fn is_ready(&self) -> bool {
        self.record.ready && extension_hash().is_ok_and(|hash| hash == self.record.extension)
    }

    pub fn mark_ready(mut self) -> anyhow::Result<()> {
        self.record.ready = true;
        self.save()
    }

    /// SIGTERM: MiniStack removes its containers and ends. SIGKILL when it does not.
    pub fn stop(self) -> anyhow::Result<()> {
        if let Some(pid) = self.process().filter(|_| self.is_healthy()) {
            let _ = kill_process(pid, Signal::TERM);
            let deadline = Instant::now() + STOP_TIMEOUT;
            while test_kill_process(pid).is_ok() {
                if Instant::now() > deadline {
                    let _ = kill_process(pid, Signal::KILL);
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let file = record_file(&self.folder);
        std::fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))
    }

    fn process(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.record.pid).ok()?)
    }

    /// Written beside and moved into place: a reader never sees half a record.
    fn save(&self) -> anyhow::Result<()> {
        let file = record_file(&self.folder);
        let beside = file.with_extension("new");
        let text = serde_json::to_string(&self.record)?;
        std::fs::write(&beside, text).with_context(|| format!("writing {}", beside.display()))?;
        std::fs::rename(&beside, &file).with_context(|| format!("writing {}", file.display()))
    }
}

fn record_file(folder: &Path) -> PathBuf {
    folder.join("server.json")
}

/// A folder for MiniStack's own temporary files, so that two sandboxes never meet in /tmp.
fn make_tmp(folder: &Path) -> anyhow::Result<PathBuf> {
    let tmp = folder.join("tmp");
    std::fs::create_dir_all(&tmp).with_context(|| format!("making {}", tmp.display()))?;
    Ok(tmp)
}

fn workflows(settings: &Settings) -> String {
    settings.workflows.join(",")
}

/// The port of the last time if nobody has taken it: images and Terraform's data name the port.
fn free_port(wanted: Option<u16>) -> anyhow::Result<u16> {
    let wanted = wanted.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    if let Some(port) = wanted {
        return Ok(port);
    }
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener
        .local_addr()
        .context("looking for a free port")?
        .port())
}

fn extension_hash() -> anyhow::Result<String> {
    let folder = python::extension_folder();
    let mut files = vec![folder.join("requirements.txt")];
    let mut folders = vec![folder.join("sandbox_extension")];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "py") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// A GET on our own machine, for the health check: the status line and what follows.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    // On a busy machine it may be slow, and one that is taken for dead is thrown away with all it holds.
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )?;
    let mut head = [0; 64];
    let read = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(&head[..read])
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}
