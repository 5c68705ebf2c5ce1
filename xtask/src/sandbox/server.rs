//! The MiniStack process: started as a daemon, found again by the file it leaves, stopped.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sha2::{Digest as _, Sha256};

use super::address::{ACCOUNT, Address};
use super::engine::Engine;
use super::keys::{self, Keys};
use super::record::{self, Record};
use super::{environment, python};
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::settings::Settings;

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How many ports are looked at for one that is free.
const PORTS_TRIED: usize = 20;
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// Run by the Python of the environment. A session of its own, so that closing the terminal does not
/// end the sandbox; nothing of ours stays open in it, such as a lock of whoever called us.
const START: &str = "\
import contextlib, os, runpy
for name in os.listdir('/dev/fd'):
    if int(name) > 2:
        with contextlib.suppress(OSError):
            os.close(int(name))
os.setsid()
runpy.run_module('sandbox_extension', run_name='__main__')
";

/// A process that was started, running or not.
pub struct Server {
    /// Where it was looked for, which is not where its files are when they were moved.
    folder: PathBuf,
    record: Record,
    has_files: bool,
}

impl Server {
    /// The process that the folder's record names, if there is a record.
    pub fn find(folder: &Path) -> Option<Server> {
        record::find(folder).map(|found| Server {
            folder: folder.to_owned(),
            record: found.record,
            has_files: found.has_files,
        })
    }

    pub async fn start(
        folder: &Path,
        python: &Path,
        engine: Engine,
        settings: &Settings,
        port: u16,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Server> {
        Keys::forget(folder);
        let mut child = spawn(folder, python, engine, settings, port)?;
        let folder = record::real(folder);
        let mut record = Record {
            pid: child.id(),
            port,
            engine,
            region: settings.environment.region.clone(),
            extension: extension_hash()?,
            ready: false,
            inode: record::inode(&folder),
            folder: folder.clone(),
            keys: Keys::default(),
        };
        record.save()?;
        // One that is not waited for to the end is stopped by the next call.
        let keys = wait_for_keys(&folder, port, &mut child);
        record.keys = interrupt.or("starting MiniStack", keys).await?;
        record.save()?;
        record.keys.write_profile(&folder)?;
        Ok(Server {
            folder,
            record,
            has_files: true,
        })
    }

    /// Stops the sandboxes of checkouts that are gone, which nobody else would find again.
    pub fn stop_orphans() {
        for record in record::orphans() {
            let orphan = Server {
                folder: record.folder.clone(),
                record,
                has_files: false,
            };
            // What cannot be stopped is found again the next time.
            let _ = orphan.stop();
        }
    }

    pub fn address(&self) -> Address {
        let record = &self.record;
        Address::at_port(record.port, record.engine, &record.region, &record.keys)
    }

    pub fn engine(&self) -> Engine {
        self.record.engine
    }

    pub fn region(&self) -> &str {
        &self.record.region
    }

    pub fn port(&self) -> u16 {
        self.record.port
    }

    /// False when somebody removed or moved its folder: it cannot work without.
    pub fn has_files(&self) -> bool {
        self.has_files
    }

    pub fn pid(&self) -> u32 {
        self.record.pid
    }

    pub fn log_file(&self) -> PathBuf {
        log_file(&self.folder)
    }

    /// Alive, and it is this sandbox that answers on the port.
    pub fn is_healthy(&self) -> bool {
        self.process()
            .is_some_and(|pid| test_kill_process(pid).is_ok())
            && self.record.keys.are_of(self.record.port)
    }

    /// Set up to the end, by this version of our extension.
    pub fn is_ready(&self) -> bool {
        self.record.ready
            && self.has_files
            && extension_hash().is_ok_and(|hash| hash == self.record.extension)
    }

    pub fn mark_ready(mut self) -> anyhow::Result<()> {
        self.record.ready = true;
        self.record.save()
    }

    /// SIGTERM: MiniStack removes its containers and ends. SIGKILL when it does not.
    pub fn stop(self) -> anyhow::Result<()> {
        let proved = self.process().filter(|_| self.is_healthy());
        // One that does not answer, such as one that is just starting, still holds its folder.
        if let Some(pid) = proved.or_else(|| holder(&self.folder)) {
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
        self.record.forget(&self.folder);
        Keys::forget(&self.folder);
        let _ = std::fs::remove_file(keys::profile(&self.folder));
        Ok(())
    }

    fn process(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.record.pid).ok()?)
    }
}

fn spawn(
    folder: &Path,
    python: &Path,
    engine: Engine,
    settings: &Settings,
    port: u16,
) -> anyhow::Result<Child> {
    let log_file = log_file(folder);
    let log = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&log_file)
        .with_context(|| format!("opening {}", log_file.display()))?;
    let mut command = Command::new(python);
    for name in environment::foreign() {
        command.env_remove(name);
    }
    // With the account of the sandbox, also where the first command here is for another one.
    let mut of_sandbox = settings.clone();
    of_sandbox.environment = Address::environment(&settings.environment);
    command
        .args(["-c", START])
        .env("PYTHONPATH", python::extension_folder())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("GATEWAY_PORT", port.to_string())
        .env("SANDBOX_STATE_DIR", folder)
        .env("SANDBOX_ENGINE", engine.as_str())
        .env("SANDBOX_WORKFLOWS", settings.workflows.join(","))
        .env("SANDBOX_CONTROL_BUCKETS", of_sandbox.state_bucket())
        .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
        .env("MINISTACK_REGION", &settings.environment.region)
        .env("TMPDIR", make_tmp(folder)?)
        // Python looks for modules there first: the folder that we are called from may hold some.
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("opening the log twice")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting MiniStack with {}", python.display()))
}

/// The process that has the sandbox's folder locked; a copy of the folder is locked by nobody.
fn holder(folder: &Path) -> Option<Pid> {
    let lock = File::open(folder.join("ministack.lock")).ok()?;
    if !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let pid = std::io::read_to_string(lock).ok()?;
    Pid::from_raw(pid.trim().parse().ok()?)
}

/// It makes up its secrets first, and answers last.
async fn wait_for_keys(folder: &Path, port: u16, child: &mut Child) -> anyhow::Result<Keys> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(keys) = Keys::read(folder).ok().filter(|keys| keys.are_of(port)) {
            return Ok(keys);
        }
        let ended = child.try_wait().context("waiting for MiniStack")?;
        // Ctrl-C reaches it, too, until it has a session of its own.
        if ended.is_some_and(|status| status.signal() == Some(Signal::INT.as_raw())) {
            return Err(Problem::interrupted("interrupted while starting MiniStack").into());
        }
        if ended.is_some() || Instant::now() > deadline {
            return Err(did_not_start(folder, ended).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn did_not_start(folder: &Path, ended: Option<ExitStatus>) -> Problem {
    let log_file = log_file(folder);
    let log = std::fs::read_to_string(&log_file).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(15).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    let what = ended.map_or("does not answer".to_owned(), |status| {
        format!("ended with {status}")
    });
    Problem::failed(
        format!("MiniStack {what}:\n{}", tail.join("\n")),
        format!("its whole log is {}", log_file.display()),
    )
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("ministack.log")
}

/// A folder for MiniStack's own temporary files, so that two sandboxes never meet in /tmp.
fn make_tmp(folder: &Path) -> anyhow::Result<PathBuf> {
    let tmp = folder.join("tmp");
    std::fs::create_dir_all(&tmp).with_context(|| format!("making {}", tmp.display()))?;
    Ok(tmp)
}

/// The port of the last time if nobody has taken it: images and Terraform's data name the port.
pub fn free_port(wanted: Option<u16>) -> anyhow::Result<u16> {
    let any = (0..PORTS_TRIED).map(|_| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        std::io::Result::Ok(listener.local_addr()?.port())
    });
    for port in wanted.map(Ok).into_iter().chain(any) {
        let port = port.context("looking for a free port")?;
        if is_free(port) {
            return Ok(port);
        }
    }
    anyhow::bail!("looking for a free port: none of {PORTS_TRIED} is free on this machine")
}

/// Both addresses of localhost are ours, or somebody else may listen on the other one. A machine may
/// have no second one. The bridge's gateway is wanted as well where it is an address of this machine,
/// as on Linux, where the unspecified address is taken as soon as any other one is.
fn is_free(port: u16) -> bool {
    let taken = |error: std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && !TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_err_and(taken)
        && (cfg!(not(target_os = "linux"))
            || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok())
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::*;

    #[test]
    fn a_port_that_somebody_has_on_any_address_is_not_free() {
        // The last one is in the place of the bridge's gateway.
        let addresses = [
            Ipv4Addr::LOCALHOST.into(),
            Ipv6Addr::LOCALHOST.into(),
            Ipv4Addr::new(127, 0, 0, 2).into(),
        ];
        for address in addresses.map(|address: IpAddr| SocketAddr::new(address, 0)) {
            // A machine may have no ::1, and a Mac has no 127.0.0.2.
            let Ok(taken) = TcpListener::bind(address) else {
                continue;
            };
            let port = taken.local_addr().unwrap().port();
            assert_ne!(free_port(Some(port)).unwrap(), port);
            drop(taken);
            assert_eq!(free_port(Some(port)).unwrap(), port);
        }
    }
}
