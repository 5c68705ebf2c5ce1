//! The terraform CLI on one root: init, plan, apply, outputs; read through its JSON, never its text.

pub mod change;
mod diagnostics;
pub mod inputs;
mod new_image;
pub mod outputs;
mod providers;
mod saved_plan;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::private_folder::PrivateFolder;
use super::process::{Finished, Program, Source};
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use change::PlannedChange;
use diagnostics::Diagnostics;
pub use diagnostics::StalePlan;
use outputs::Outputs;
pub use saved_plan::{Basis, SavedPlan};

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
    pub env_remove: Vec<&'static str>,
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

impl Terraform {
    /// The version of a Terraform, if it is new enough.
    pub async fn version(program: &Path, interrupt: &Interrupt) -> Result<String, Problem> {
        let program = without_missing_cli_config(Program::new(program).args(["version", "-json"]));
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

    /// Runs `terraform init` unless the last one saw the same configuration. Returns whether it ran.
    pub async fn init(
        &self,
        interrupt: &Interrupt,
        on_line: impl FnMut(&str),
    ) -> anyhow::Result<bool> {
        let stamp_file = self.data_dir.join("xtask-init-stamp");
        let stamp = self.init_stamp()?;
        if std::fs::read_to_string(&stamp_file).is_ok_and(|last| last == stamp) {
            return Ok(false);
        }
        std::fs::create_dir_all(&self.data_dir)
            .with_context(|| format!("making {}", self.data_dir.display()))?;
        let mut program = self.program("init").args([
            "-input=false",
            "-no-color",
            "-lockfile=readonly",
            "-reconfigure",
        ]);
        if let Some(config) = &self.backend_config {
            program = program.arg(format!("-backend-config={}", config.display()));
        }
        if let Some(mirror) = providers::find_mirror(&self.root) {
            program = program.arg(format!("-plugin-dir={}", mirror.display()));
        }
        let shown = program.shown().to_owned();
        let mut on_line = on_line;
        let finished = program.run(interrupt, |_, line| on_line(line)).await?;
        finished
            .success(&shown)
            .with_context(|| format!("initialising Terraform in {}", self.root.display()))?;
        std::fs::write(&stamp_file, stamp)
            .with_context(|| format!("writing {}", stamp_file.display()))?;
        Ok(true)
    }

    /// Plans and saves. Without a state lock: a plan changes nothing, an apply of it on a state that
    /// moved meanwhile is refused by Terraform as stale, and a plan that is killed leaves no lock.
    pub async fn plan(
        &self,
        tag: Option<&str>,
        interrupt: &Interrupt,
        mut on_line: impl FnMut(&str),
    ) -> anyhow::Result<SavedPlan> {
        // A plan holds the values of variables and of the state.
        let folder = PrivateFolder::make()?;
        let file = folder.path().join("saved.tfplan");
        let mut program = self
            .program("plan")
            .args(["-json", "-input=false", "-lock=false"]);
        for (name, value) in &self.vars {
            program = program.arg(format!("-var={name}={value}"));
        }
        if let Some(tag) = tag {
            program = program.arg(format!("-var=service_docker_tag={tag}"));
        }
        self.run_json(
            "planning",
            program.arg(format!("-out={}", file.display())),
            interrupt,
            |message| on_line(text_of(message)),
        )
        .await?;
        let show = self.program("show").args(["-json", "-no-color"]).arg(&file);
        let text = show
            .read(interrupt)
            .await
            .context("reading the saved plan")?;
        let change = PlannedChange::read(&text).context("reading the saved plan")?;
        Ok(SavedPlan::new(folder, change))
    }

    /// Applies a saved plan. An interrupt reaches Terraform as one SIGINT; it then finishes what it
    /// has begun, writes the state and gives the lock back.
    pub async fn apply(
        &self,
        plan: SavedPlan,
        interrupt: &Interrupt,
        mut on_progress: impl FnMut(Said<'_>),
    ) -> anyhow::Result<Outputs> {
        if plan.change.is_empty() {
            return plan
                .change
                .outputs
                .context("the plan changes nothing and has no outputs");
        }
        let program = self
            .program("apply")
            .args(["-json", "-input=false"])
            .arg(format!("-lock-timeout={}s", self.lock_timeout.as_secs()))
            .grace(APPLY_GRACE)
            .arg(plan.file()?);
        let mut outputs = None;
        self.run_json("applying", program, interrupt, |message| {
            if message["type"] == "outputs" {
                outputs = Some(message["outputs"].clone());
            } else if message["type"] == "apply_complete" {
                on_progress(Said::Applied(text_of(message)));
            } else {
                on_progress(Said::Line(text_of(message)));
            }
        })
        .await?;
        Outputs::read(&outputs.context("the apply printed no outputs")?)
    }

    /// The outputs of the last apply.
    pub async fn outputs(&self, interrupt: &Interrupt) -> anyhow::Result<Outputs> {
        self.init(interrupt, |_| {}).await?;
        let text = self
            .program("output")
            .args(["-json", "-no-color"])
            .read(interrupt)
            .await
            .context("reading the outputs")?;
        let value: Value = serde_json::from_str(&text).context("reading the outputs")?;
        if value.as_object().is_some_and(serde_json::Map::is_empty) {
            return Err(Problem::failed(
                format!("nothing is deployed from {} yet", self.root.display()),
                "deploy first: `cargo xtask try TASK` does that too, with the same --env or --sandbox",
            )
            .into());
        }
        Outputs::read(&value)
    }

    /// A plain apply of a root with local state, for the sandbox's foundation.
    pub async fn apply_directly(&self, state: &Path, interrupt: &Interrupt) -> anyhow::Result<()> {
        let mut program = self
            .program("apply")
            .args(["-json", "-input=false", "-auto-approve"])
            .arg(format!("-state={}", state.display()))
            .grace(APPLY_GRACE);
        for (name, value) in &self.vars {
            program = program.arg(format!("-var={name}={value}"));
        }
        self.run_json("applying", program, interrupt, |_| {})
            .await?;
        Ok(())
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
        self.env_remove
            .iter()
            .fold(program, |program, name| program.env_remove(name))
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
        let error = diagnostics.into_error(&shown, &unlock);
        Err(error.context(format!("{doing} {}", self.root.display())))
    }

    /// What `init` depends on: the configuration of the root and of everything beside it that it may
    /// call, the lock file, the backend's settings.
    fn init_stamp(&self) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        let mut files = Vec::new();
        // Local modules stay under the folder that holds the environments, the template and modules.
        let infra = self
            .root
            .ancestors()
            .find(|folder| folder.ends_with("infra"))
            .unwrap_or(&self.root);
        collect_files(infra, &mut files)?;
        files.sort();
        for file in files {
            hash.update(file.to_string_lossy().as_bytes());
            hash.update(
                std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?,
            );
        }
        hash.update(format!("{:?}", self.backend_config));
        Ok(hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

/// A message's text for people.
fn text_of(message: &Value) -> &str {
    message["@message"].as_str().unwrap_or_default()
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && name != ".terraform" {
            collect_files(&path, files)?;
        } else if [".tf", ".tfbackend", ".terraform.lock.hcl"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// A TF_CLI_CONFIG_FILE that is not there makes Terraform warn on every call and go on without it.
fn without_missing_cli_config(program: Program) -> Program {
    match std::env::var_os("TF_CLI_CONFIG_FILE") {
        Some(file) if !Path::new(&file).exists() => program.env_remove("TF_CLI_CONFIG_FILE"),
        _ => program,
    }
}
