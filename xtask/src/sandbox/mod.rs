//! The local AWS: MiniStack with our extension, set up by itself at its first use.
//!
//! It is another address, not another code path. Everything it keeps is under `target/xtask/sandbox`;
//! it holds its state in memory, so that stopping it forgets everything.

pub mod address;
pub mod engine;
mod environment;
mod foundation;
pub mod keys;
pub mod python;
mod record;
mod server;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::clients::own_files;
use crate::failure::all_clear;
use crate::interrupt::Interrupt;
use crate::settings::Settings;
use crate::steps::preflight::as_problem;
use crate::tools;
use crate::ui::{Reporter, Step};
use address::Address;
use engine::Engine;
use server::{Server, free_port};

/// The sandbox of one checkout.
pub struct Sandbox<'a> {
    settings: &'a Settings,
    folder: PathBuf,
}

/// What `sandbox status` tells.
pub struct Status {
    pub address: Address,
    pub engine: Engine,
    pub pid: u32,
    pub log: PathBuf,
    /// With the keys, for a person's own AWS CLI.
    pub credentials: PathBuf,
    /// False when `cargo clean` took its files away.
    pub has_files: bool,
}

impl<'a> Sandbox<'a> {
    pub fn of(settings: &'a Settings) -> Self {
        Sandbox {
            settings,
            folder: settings.work_dir().join("sandbox"),
        }
    }

    /// Finds the running sandbox, or brings one up. Two callers at once get the same one.
    pub async fn up(&self, reporter: &Reporter, interrupt: &Interrupt) -> anyhow::Result<Address> {
        if let Some(address) = self.running() {
            return Ok(address);
        }
        own_files::make_folder(&self.folder)
            .with_context(|| format!("making {}", self.folder.display()))?;
        let _lock = lock(&self.folder.join("lock"))?;
        let timer = reporter.started(Step::Sandbox, "starting the local AWS");
        let engine = self.require_tools(reporter, interrupt).await?;
        if let Some(server) = self.ready() {
            return Ok(server.address());
        }
        // One that is half set up, or of another version of our extension, is started anew: it holds
        // its state in memory, so that there is nothing to mend.
        let python = python::environment(&self.folder, reporter, interrupt).await?;
        let server = self.start(&python, engine, reporter, interrupt).await?;
        reporter.detail(
            Step::Sandbox,
            "creating the state bucket, the ECR repository and the cluster",
        );
        let address = server.address();
        foundation::apply(self.settings, &self.folder, &address, interrupt).await?;
        server.mark_ready()?;
        reporter.finished(
            &timer,
            format!(
                "a local AWS listens on {}; its tasks run {}",
                address.endpoint,
                engine.where_tasks_run()
            ),
        );
        Ok(address)
    }

    /// Where it is, if nothing has to be done for it.
    pub fn running(&self) -> Option<Address> {
        let server = self.ready().filter(|_| self.has_terraform())?;
        Some(server.address())
    }

    /// Stops it; its containers go with it. Returns false when none ran.
    pub fn down(&self) -> anyhow::Result<bool> {
        // `cargo clean` leaves nothing to lock, and a process that goes on.
        let _lock = match self.folder.exists() {
            true => Some(lock(&self.folder.join("lock"))?),
            false => None,
        };
        match Server::find(&self.folder) {
            Some(server) => server.stop().map(|()| true),
            None => Ok(false),
        }
    }

    /// What is running, if anything is.
    pub fn status(&self) -> Option<Status> {
        self.healthy().map(|server| Status {
            address: server.address(),
            engine: server.engine(),
            pid: server.pid(),
            log: server.log_file(),
            credentials: keys::profile(&self.folder),
            has_files: server.has_files(),
        })
    }

    fn healthy(&self) -> Option<Server> {
        Server::find(&self.folder).filter(Server::is_healthy)
    }

    /// Healthy, of this version of our extension, set up to the end, with the wanted engine and in
    /// the environment's region.
    fn ready(&self) -> Option<Server> {
        let wanted = self.settings.engine;
        let region = self.settings.environment.region.as_str();
        self.healthy().filter(|server| {
            server.is_ready() && wanted.accepts(server.engine()) && server.region() == region
        })
    }

    /// A look at the file system alone: whether it is new enough is asked by those who run it.
    fn has_terraform(&self) -> bool {
        let program = tools::terraform(self.settings);
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        program.is_absolute()
            || std::env::split_paths(&on_path).any(|folder| folder.join(&program).is_file())
    }

    async fn start(
        &self,
        python: &Path,
        engine: Engine,
        reporter: &Reporter,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Server> {
        let old = Server::find(&self.folder);
        let last_port = old.as_ref().map(Server::port);
        if let Some(old) = old {
            if let Some(why) = self.why_anew(&old) {
                reporter.warning(
                    Step::Sandbox,
                    format!("{why}: it is started anew, and forgets everything"),
                );
            }
            old.stop()?;
        }
        Server::stop_orphans();
        reporter.detail(Step::Sandbox, "starting MiniStack");
        let port = free_port(last_port)?;
        Server::start(&self.folder, python, engine, self.settings, port, interrupt).await
    }

    /// What a user would not expect of a sandbox that runs.
    fn why_anew(&self, old: &Server) -> Option<String> {
        if !old.is_healthy() {
            return None;
        }
        if !old.has_files() {
            return Some("the sandbox's files were removed while it ran".to_owned());
        }
        let accepted = self.settings.engine.accepts(old.engine());
        (!accepted).then(|| format!("the sandbox runs with engine {}", old.engine()))
    }

    /// What a sandbox needs from this machine; a Terraform that is missing is fetched.
    async fn require_tools(
        &self,
        reporter: &Reporter,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Engine> {
        let (engine, terraform) = tokio::join!(
            engine::choose(self.settings.engine, interrupt),
            tools::terraform_is_there(self.settings, interrupt)
        );
        let python = python::missing();
        // The download needs a Python, so that its own error says all there is to say.
        let fetched = match (&terraform, &python) {
            (Err(_), Ok(())) if self.settings.terraform_pin.is_some() => {
                tools::install_terraform(self.settings, Step::Sandbox, reporter, interrupt)
                    .await
                    .map_err(|error| as_problem(&error))
                    .map(drop)
            }
            _ => terraform,
        };
        let problems = [engine.as_ref().err().cloned(), fetched.err(), python.err()];
        all_clear(problems.into_iter().flatten().collect())?;
        engine.map_err(Into::into)
    }
}

/// Waits for the other process that sets the sandbox up; released when dropped.
fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    file.lock()
        .with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}
