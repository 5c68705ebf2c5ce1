//! The docker CLI: build and push. `docker` is a long child; its words are progress, not results.

pub mod ignore;
pub mod saved;

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use serde_json::{Value, json};

use super::build_environment::withhold;
use super::ecr::Login;
use super::own_files;
use super::private_folder::PrivateFolder;
use super::process::{Finished, Program};
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::names::Platform;

/// A login that only our own children see: `docker login` would write the password into the
/// user's configuration and would overwrite a login of theirs.
pub struct Session {
    config: PrivateFolder,
}

impl Session {
    /// A throw-away DOCKER_CONFIG (0700) with the registry's password and the user's own context,
    /// so that Docker Desktop, colima and DOCKER_HOST work as they do by hand.
    pub fn login(registry: &str, login: &Login) -> anyhow::Result<Self> {
        let config = PrivateFolder::make()?;
        let auth = base64::engine::general_purpose::STANDARD
            .encode(format!("{}:{}", login.username, login.password));
        let mut content = json!({ "auths": { registry: { "auth": auth } } });
        if let Some(users) = users_config() {
            if let Some(context) = read_context(&users) {
                content["currentContext"] = context;
            }
            let contexts = users.join("contexts");
            if contexts.is_dir() {
                std::os::unix::fs::symlink(&contexts, config.path().join("contexts"))
                    .context("passing on docker's contexts")?;
            }
        }
        let file = config.path().join("config.json");
        own_files::write(&file, content.to_string().as_bytes())?;
        Ok(Session { config })
    }

    pub async fn push(
        &self,
        reference: &str,
        interrupt: &Interrupt,
        mut on_line: impl FnMut(&str),
    ) -> anyhow::Result<Finished> {
        let program = Program::new("docker")
            .args(["push", reference])
            .env("DOCKER_CONFIG", self.config.path());
        program.run(interrupt, |_, line| on_line(line)).await
    }

    /// Makes an image of the registry one of the local Docker.
    pub async fn pull(&self, reference: &str, interrupt: &Interrupt) -> anyhow::Result<()> {
        let program = Program::new("docker")
            .args(["pull", "--quiet", reference])
            .env("DOCKER_CONFIG", self.config.path());
        program.read(interrupt).await.map(drop)
    }
}

/// An image to build from a context that was staged.
pub struct Build<'a> {
    pub context: &'a Path,
    pub dockerfile: &'a Path,
    pub reference: &'a str,
    pub platform: Platform,
    /// Gives the same files another digest.
    pub label: Option<&'a str>,
    /// Which of the variables that are withheld it sees all the same.
    pub passed: &'a [String],
}

/// With the classic builder or BuildKit, whichever is there.
pub async fn build(
    build: &Build<'_>,
    interrupt: &Interrupt,
    mut on_line: impl FnMut(&str),
) -> anyhow::Result<()> {
    let program = withhold(Program::new("docker"), build.passed)
        .args(["build", "--platform", build.platform.as_str()])
        .args(["--tag", build.reference])
        .args(build.label.map(|label| format!("--label={label}=true")))
        // An index with provenance would make the digest that runs another one than the one pushed.
        .env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")
        .arg("--file")
        .arg(build.dockerfile)
        .arg(build.context);
    let shown = program.shown().to_owned();
    program
        .run(interrupt, |_, line| on_line(line))
        .await?
        .success(&shown)
}

/// Writes an image of the local Docker to a file, as `docker save` does.
pub async fn save(reference: &str, file: &Path, interrupt: &Interrupt) -> anyhow::Result<()> {
    let program = Program::new("docker").args(["save", "--output"]).arg(file);
    program.arg(reference).read(interrupt).await.map(drop)
}

/// Is there an Engine that answers? Its version.
pub async fn server_version(interrupt: &Interrupt) -> Result<String, Problem> {
    let program = Program::new("docker").args(["version", "--format", "{{.Server.Version}}"]);
    match program.read(interrupt).await {
        Ok(version) => Ok(version.trim().to_owned()),
        Err(error) => match error.downcast::<Problem>() {
            Ok(problem) => Err(problem),
            Err(error) => Err(Problem::failed(
                format!("no Docker Engine answers: {error:#}"),
                "start Docker Desktop or the docker service; your user must be allowed to use it (group `docker`)",
            )),
        },
    }
}

fn users_config() -> Option<std::path::PathBuf> {
    let set = std::env::var_os("DOCKER_CONFIG").map(std::path::PathBuf::from);
    set.or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
}

fn read_context(folder: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(folder.join("config.json")).ok()?;
    let config: Value = serde_json::from_str(&text).ok()?;
    config.get("currentContext").cloned()
}
