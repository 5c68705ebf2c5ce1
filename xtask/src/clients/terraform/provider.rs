//! One process of the AWS provider for a plan and its apply: started once, checked as Terraform checks
//! its own, and with a schema of the types in use. README.md in the folder beside says why that is safe.

mod forward;
mod in_use;
mod lock;
mod package;
mod schema;
mod schemas;
pub mod serve;
mod unusual;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::Terraform;
use lock::Locked;
use package::Package;
use serve::{ARGUMENT, DONE, LastWords, Order, Ready, VARIABLE};

/// How long a provider may take until it listens: it needs 0.2 s, and seconds on a busy machine.
const START: Duration = Duration::from_secs(30);
/// How long to wait for what it said last, which comes with its end.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long it may take to end, which is a signal.
const END: Duration = Duration::from_secs(2);
/// Versions of Terraform and of the provider whose equality the tests of this repository prove.
const PROVED: [(&str, &str); 1] = [("1.11.", "5.100.0")];

/// A provider that serves Terraform for as long as this value lives.
#[derive(Debug)]
pub struct Provider {
    reattach: String,
    /// Are its plans known to be those of a provider that Terraform starts?
    pub is_proved: bool,
    /// Where that is written down once it is known.
    proof: PathBuf,
    channel: UnixStream,
    process: Child,
}

impl Provider {
    /// What makes Terraform use it.
    pub fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.reattach)
    }

    /// Its plans were the same.
    pub fn prove(&mut self) -> anyhow::Result<()> {
        self.is_proved = true;
        crate::clients::own_files::write(&self.proof, b"")
    }

    /// The last words of a provider that has ended in the middle of something; empty while it lives.
    pub fn last_words(&mut self) -> String {
        let mut line = Vec::new();
        let _ = self.channel.set_nonblocking(false);
        let _ = self.channel.set_read_timeout(Some(LAST_WORDS));
        // One that lives says nothing: then this is an error, and there are no words.
        let _ = self.channel.read_to_end(&mut line);
        serde_json::from_slice(&line).map_or_else(|_| String::new(), |LastWords(words)| words)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It fails only when the process is gone already.
        let _ = self.channel.write_all(DONE.as_bytes());
        let end = Instant::now() + END;
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Terraform {
    /// Starts the provider for this root. The error says why Terraform has to do that itself, which it
    /// does. `state` is the text of the state, `version` is Terraform's own, and `memory` is a folder
    /// for what is worth knowing longer.
    pub async fn start_provider(
        &self,
        state: &[u8],
        version: &str,
        memory: &Path,
    ) -> anyhow::Result<Provider> {
        let sources = self.sources()?;
        let texts = || {
            sources.iter().map(|source| {
                let name = source.path.to_str().unwrap_or_default();
                (name, source.text.as_str())
            })
        };
        let variables = self.variables_seen();
        let names = variables.iter().filter_map(|(name, _)| name.to_str());
        if let Some(why) = unusual::reason(names, &cli_config(&variables), texts()) {
            anyhow::bail!(why);
        }
        let locked = texts()
            .find(|(name, _)| Path::new(name) == self.root.join(".terraform.lock.hcl"))
            .and_then(|(_, text)| lock::read(text));
        let locked =
            locked.context("the lock file has no hash of the AWS provider's package, `h1:`")?;
        let package = check(package::folder(&self.data_dir, &locked), &locked, memory).await?;
        let mut in_use = BTreeSet::new();
        in_use::add(state, &mut in_use);
        for (_, text) in texts() {
            in_use::add(text.as_bytes(), &mut in_use);
        }
        let order = Order {
            binary: package.binary.clone(),
            schema: memory.join(format!("schema-{}", package.sha256)),
            in_use,
        };
        let (channel, process) = self.spawn(&order).context("starting the provider")?;
        let mut provider = Provider {
            reattach: String::new(),
            is_proved: false,
            proof: memory.join(proof(version, &package)),
            channel,
            process,
        };
        provider.wait_until_ready().await?;
        provider.is_proved = is_known(version, &locked) || provider.proof.exists();
        Ok(provider)
    }

    /// Everything that Terraform sees, as it passes it on to its providers.
    fn variables_seen(&self) -> Vec<(OsString, OsString)> {
        let removed = |name: &OsString| self.env_remove.iter().any(|it| it.as_str() == name);
        let mut seen: Vec<_> = std::env::vars_os()
            .filter(|(name, _)| !removed(name))
            .collect();
        for (name, value) in &self.env {
            seen.retain(|(known, _)| known != name.as_str());
            seen.push((name.into(), value.clone()));
        }
        seen
    }

    fn spawn(&self, order: &Order) -> anyhow::Result<(UnixStream, Child)> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let process = Command::new(ourselves()?)
            .arg(ARGUMENT)
            .env_clear()
            .envs(self.variables_seen())
            // Where Terraform would start it: paths in the configuration may be relative.
            .current_dir(&self.root)
            // Ctrl-C is for Terraform, which needs it until it has stopped.
            .process_group(0)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        ours.write_all(format!("{}\n", serde_json::to_string(order)?).as_bytes())?;
        Ok((ours, process))
    }
}

impl Provider {
    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let channel = self.channel.try_clone()?;
        channel.set_nonblocking(true)?;
        let mut answer = BufReader::new(tokio::net::UnixStream::from_std(channel)?);
        let mut line = String::new();
        let read = tokio::time::timeout(START, answer.read_line(&mut line));
        read.await
            .context("the provider did not start in time")?
            .context("waiting for the provider")?;
        match serde_json::from_str(&line).context("the provider's process has ended")? {
            Ready::Serving { reattach } => {
                self.reattach = reattach;
                Ok(())
            }
            Ready::Failed(why) => anyhow::bail!(why),
        }
    }
}

/// Off the one thread, which has a build to watch.
async fn check(folder: PathBuf, locked: &Locked, memory: &Path) -> anyhow::Result<Package> {
    let (locked, memory) = (locked.clone(), memory.join("package.json"));
    tokio::task::spawn_blocking(move || package::check(&folder, &locked, &memory)).await?
}

/// This very program, also when another one has been built in its place.
fn ourselves() -> std::io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe()
}

/// Terraform's own settings, as text.
fn cli_config(variables: &[(OsString, OsString)]) -> String {
    let variable = |wanted: &str| {
        let found = variables.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| PathBuf::from(value))
    };
    let mut files: Vec<PathBuf> = Vec::new();
    match variable("TF_CLI_CONFIG_FILE").filter(|file| file.exists()) {
        Some(file) => files.push(file),
        None => files.extend(variable("HOME").map(|home| home.join(".terraformrc"))),
    }
    let folder = variable("HOME").map(|home| home.join(".terraform.d"));
    let folder = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let more = folder
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    files.extend(more.filter(|path| path.extension().is_some_and(|end| end == "tfrc")));
    let texts = files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok());
    texts.collect()
}

fn is_known(version: &str, locked: &Locked) -> bool {
    PROVED
        .iter()
        .any(|(terraform, provider)| version.starts_with(terraform) && *provider == locked.version)
}

/// The file that says that a provider's plans were the same, for one version of Terraform.
fn proof(version: &str, package: &Package) -> String {
    format!("same-plans-{version}-{}", package.sha256)
}
