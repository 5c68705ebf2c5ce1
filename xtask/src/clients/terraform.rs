//! The terraform CLI on one root: init, plan, apply, outputs; read through its JSON, never its text.

mod apply;
pub mod change;
mod diagnostics;
pub mod environment;
mod events;
mod init;
pub mod inputs;
mod new_image;
pub mod outputs;
pub mod provider;
mod providers;
pub mod reads;
mod saved_plan;
pub mod tags;
pub mod takes_own;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::private_folder::PrivateFolder;
use super::process::{Finished, Program, Source};
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use change::PlannedChange;
use diagnostics::Diagnostics;
pub use diagnostics::StalePlan;
use events::Announced;
use provider::Provider;
pub use saved_plan::{Basis, SavedPlan};
use tags::Tags;

/// How long an interrupted apply may take for its graceful stop: the provider waits for AWS.
const APPLY_GRACE: Duration = Duration::from_secs(600);
/// The oldest version with S3 lock files beyond the experiment.
const OLDEST: (u32, u32) = (1, 11);

#[derive(Debug, Clone)]
pub struct Terraform {
    /// A path, or a name to be found on PATH.
    pub program: PathBuf,
    /// The root module.
    pub root: PathBuf,
    /// TF_DATA_DIR: each environment has its own, and the sandbox another one.
    pub data_dir: PathBuf,
    /// The backend's settings that differ from those in the root.
    pub backend_config: Option<PathBuf>,
    /// What the children see beside our own environment.
    pub env: Vec<(String, OsString)>,
    /// What they must not see.
    pub env_remove: Vec<String>,
    /// Of the state; `default` unless the environment has one of its own.
    pub workspace: String,
    /// `-var` of every plan.
    pub vars: Vec<(String, String)>,
    /// How long an apply waits for somebody else's state lock.
    pub lock_timeout: Duration,
}

/// What an apply says while it works.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    Line(&'a str),
    /// One change is done.
    Applied(&'a str),
}

/// How much a plan has to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thoroughness {
    /// Is all that exists compared with the state? It need not be where the state is just as our own
    /// apply has left it.
    pub refresh: bool,
    pub reading: Reading,
}

/// What is read of a plan. Its events name what changes; its values, which cost another start of the
/// provider, tell a new image from another change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// They decide whether somebody is asked.
    Values,
    /// Nobody is asked, and the tag alone differs from what is applied: new revisions are new images.
    NewImages,
    /// Nobody is asked, and the tag is as it is applied: no image is new.
    SameImages,
}

impl Thoroughness {
    pub const FULL: Thoroughness = Thoroughness {
        refresh: true,
        reading: Reading::Values,
    };
}

impl Terraform {
    /// The version of a Terraform, if it is new enough.
    pub async fn version(program: &Path, interrupt: &Interrupt) -> Result<String, Problem> {
        let version = Program::new(program).args(["version", "-json"]);
        // The user's arguments and providers are for other verbs; a wrong one fails this one, too.
        let program = std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| name.starts_with("TF_"))
            .fold(version, |program, name| program.env_remove(&name));
        let text =
            program
                .read(interrupt)
                .await
                .map_err(|error| match error.downcast::<Problem>() {
                    Ok(problem) => problem,
                    Err(error) => Problem::failed(
                        format!("{error:#}"),
                        super::process::install_hint("terraform"),
                    ),
                })?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let version = answer["terraform_version"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut parts = version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or_default());
        let found = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        if found < OLDEST {
            return Err(Problem::failed(
                format!(
                    "terraform is {version}, and the state's lock file needs {}.{} or newer",
                    OLDEST.0, OLDEST.1
                ),
                super::process::install_hint("terraform"),
            ));
        }
        Ok(version)
    }

    /// Plans and saves. Without a state lock: a plan changes nothing, an apply of it on a state that
    /// moved meanwhile is refused by Terraform as stale, and a plan that is killed leaves no lock.
    pub async fn plan(
        &self,
        tags: &Tags,
        takes_own: bool,
        how: Thoroughness,
        provider: Option<&Provider>,
        interrupt: &Interrupt,
        mut on_line: impl FnMut(&str),
    ) -> anyhow::Result<SavedPlan> {
        // A plan holds the values of variables and of the state.
        let folder = PrivateFolder::make()?;
        let file = folder.path().join(saved_plan::FILE);
        let program = self
            .program_with("plan", provider)
            .args(["-json", "-input=false", "-lock=false"])
            .arg(format!("-refresh={}", how.refresh))
            .args(self.variables())
            .args(tags.arguments(takes_own))
            .arg(format!("-out={}", file.display()));
        let mut announced = Announced::default();
        self.run_json("planning", program, interrupt, |message| {
            announced.read(message);
            on_line(text_of(message));
        })
        .await?;
        let change = match how.reading {
            Reading::Values => None,
            Reading::NewImages => announced.new_images(),
            Reading::SameImages => announced.other_than_images(),
        };
        if let Some(change) = change {
            return Ok(SavedPlan::new(folder, change, tags.clone()));
        }
        let text = self.show(&file, provider, interrupt).await?;
        let change = PlannedChange::read(&text).context("reading the saved plan")?;
        Ok(SavedPlan::new(folder, change, tags.clone()))
    }

    /// A saved plan as JSON.
    pub async fn show(
        &self,
        file: &Path,
        provider: Option<&Provider>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<String> {
        let show = self.program_with("show", provider);
        let show = show.args(["-json", "-no-color"]).arg(file);
        show.read(interrupt).await.context("reading the saved plan")
    }

    /// The text of the state, from whatever backend; empty where there is none.
    pub async fn pull_state(&self, interrupt: &Interrupt) -> anyhow::Result<Vec<u8>> {
        let pull = self.program("state").arg("pull").read(interrupt).await;
        Ok(pull.context("reading the state")?.into_bytes())
    }

    /// The outputs of the last apply, as Terraform prints them: `{name: {value: …}}`.
    pub async fn outputs(&self, interrupt: &Interrupt) -> anyhow::Result<Value> {
        let text = self
            .program("output")
            .args(["-json", "-no-color"])
            .read(interrupt)
            .await
            .context("reading the outputs")?;
        serde_json::from_str(&text).context("reading the outputs")
    }

    /// A plain apply of a root with local state, for the sandbox's foundation.
    pub async fn apply_directly(&self, state: &Path, interrupt: &Interrupt) -> anyhow::Result<()> {
        let program = self
            .program("apply")
            .args(["-json", "-input=false", "-auto-approve"])
            .arg(format!("-state={}", state.display()))
            .args(self.variables())
            .grace(APPLY_GRACE);
        self.run_json("applying", program, interrupt, |_| {})
            .await?;
        Ok(())
    }

    fn variables(&self) -> Vec<String> {
        let own = self.vars.iter();
        own.map(|(name, value)| format!("-var={name}={value}"))
            .collect()
    }

    fn program_with(&self, verb: &str, provider: Option<&Provider>) -> Program {
        let program = self.program(verb);
        match provider.map(Provider::variable) {
            Some((name, value)) => program.env(name, value),
            None => program,
        }
    }

    fn program(&self, verb: &str) -> Program {
        let program = Program::that_outlives_us(&self.program)
            .arg(format!("-chdir={}", self.root.display()))
            .arg(verb)
            .env("TF_DATA_DIR", &self.data_dir)
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .envs(&self.env);
        let program = without_missing_cli_config(program);
        let removed = self.env_remove.iter();
        let program = removed.fold(program, |program, name| program.env_remove(name));
        // Also against a workspace that somebody has selected in the data directory.
        program.env(environment::WORKSPACE, &self.workspace)
    }

    /// `doing` is what an error or an interrupt came in the middle of.
    async fn run_json(
        &self,
        doing: &str,
        program: Program,
        interrupt: &Interrupt,
        mut on_message: impl FnMut(&Value),
    ) -> anyhow::Result<Finished> {
        let shown = program.shown().to_owned();
        let mut diagnostics = Diagnostics::default();
        let finished = program
            .run(interrupt, |source, line| {
                match serde_json::from_str::<Value>(line) {
                    Ok(message) if source == Source::Stdout => {
                        diagnostics.read(&message);
                        on_message(&message);
                    }
                    _ => diagnostics.other(line),
                }
            })
            .await
            .with_context(|| format!("{doing} {}", self.root.display()))?;
        if finished.interrupted {
            return Err(Problem::interrupted(format!(
                "interrupted while {doing} {}: Terraform was asked once to stop and ended by itself",
                self.root.display()
            ))
            .into());
        }
        if finished.status.success() {
            return Ok(finished);
        }
        let unlock = format!(
            "TF_DATA_DIR={} terraform -chdir={} force-unlock",
            self.data_dir.display(),
            self.root.display()
        );
        if diagnostics.asks_for_init() {
            self.forget_init();
        }
        let error = diagnostics.into_error(&shown, &unlock);
        Err(error.context(format!("{doing} {}", self.root.display())))
    }
}

/// A message's text for people.
fn text_of(message: &Value) -> &str {
    message["@message"].as_str().unwrap_or_default()
}

/// A TF_CLI_CONFIG_FILE that is not there makes Terraform warn on every call and go on without it.
fn without_missing_cli_config(program: Program) -> Program {
    match std::env::var_os("TF_CLI_CONFIG_FILE") {
        Some(file) if !Path::new(&file).exists() => program.env_remove("TF_CLI_CONFIG_FILE"),
        _ => program,
    }
}
