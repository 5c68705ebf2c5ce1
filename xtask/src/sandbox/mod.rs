//! The local AWS: MiniStack with our extension, set up by itself at its first use.
//!
//! It is another address, not another code path. Everything it keeps is under `target/xtask/sandbox`;
//! it holds its state in memory, so that stopping it forgets everything.

pub mod address;
mod foundation;
mod python;
mod server;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::clients::{docker, terraform::Terraform};
use crate::failure::all_clear;
use crate::interrupt::Interrupt;
use crate::settings::Settings;
use crate::ui::{Reporter, Step};
use address::Address;
use server::Server;

/// The sandbox of one checkout.
pub struct Sandbox<'a> {
    settings: &'a Settings,
    folder: PathBuf,
}

/// What `sandbox status` tells.
pub struct Status {
    pub address: Address,
    pub pid: u32,
    pub log: PathBuf,
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
        if let Some(server) = self.ready()? {
            return Ok(server.address());
        }
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("making {}", self.folder.display()))?;
        let _lock = lock(&self.folder.join("lock"))?;
        if let Some(server) = self.ready()? {
            return Ok(server.address());
        }
        let timer = reporter.started(Step::Sandbox, "starting the local AWS");
        self.require_tools(interrupt).await?;
        // One that is half set up, or of another version of our extension, is started anew: it holds
        // its state in memory, so that there is nothing to mend.
        let python = python::environment(&self.folder, reporter, interrupt).await?;
        let server = self.start(&python, reporter)?;
        reporter.detail(
            Step::Sandbox,
            "creating the state bucket, the ECR repository and the cluster",
        );
        let address = server.address();
        foundation::apply(self.settings, &self.folder, &address, interrupt).await?;
        server.mark_ready()?;
        reporter.finished(
            &timer,
            format!("a local AWS listens on {}", address.endpoint),
        );
        Ok(address)
    }

    /// Stops it; its containers go with it. Returns false when none ran.
    pub fn down(&self) -> anyhow::Result<bool> {
        if !self.folder.exists() {
            return Ok(false);
        }
        let _lock = lock(&self.folder.join("lock"))?;
        match Server::find(&self.folder)? {
            Some(server) => server.stop().map(|()| true),
            None => Ok(false),
        }
    }

    /// What is running, if anything is.
    pub fn status(&self) -> anyhow::Result<Option<Status>> {
        Ok(self.healthy()?.map(|server| Status {
            address: server.address(),
            pid: server.pid(),
            log: server.log_file(),
        }))
    }

    fn healthy(&self) -> anyhow::Result<Option<Server>> {
        Ok(Server::find(&self.folder)?.filter(Server::is_healthy))
    }

    /// Healthy, of this version of our extension, and set up to the end.
    fn ready(&self) -> anyhow::Result<Option<Server>> {
        Ok(self.healthy()?.filter(Server::is_ready))
    }

    fn start(&self, python: &Path, reporter: &Reporter) -> anyhow::Result<Server> {
        if let Some(old) = Server::find(&self.folder)? {
            old.stop()?;
        }
        reporter.detail(Step::Sandbox, "starting MiniStack");
        Server::start(&self.folder, python, self.settings)
    }

    async fn require_tools(&self, interrupt: &Interrupt) -> anyhow::Result<()> {
        let (docker, terraform) = tokio::join!(
            docker::server_version(interrupt),
            Terraform::version(interrupt)
        );
        let problems = [docker.err(), terraform.err(), python::missing().err()];
        all_clear(problems.into_iter().flatten().collect())
    }
}

/// Waits for the other process that sets the sandbox up; released when dropped.
fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    file.lock()
        .with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}
