//! What every command works with: the settings in use, and where the outside systems are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::OnceCell;

use crate::cli::Global;
use crate::clients::attestations::{self, Attestations};
use crate::clients::aws::Aws;
use crate::clients::git::{Git, github_repository};
use crate::clients::github::{GitHub, find_token};
use crate::clients::hold::Holds;
use crate::clients::state::{self, StateObject};
use crate::clients::tasks_file::task_names;
use crate::clients::terraform::Terraform;
use crate::clients::terraform::environment::misleading;
use crate::clients::terraform::inputs::Inputs;
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::names::started_by;
use crate::plan::unknown_task;
use crate::record::run_id;
use crate::sandbox::Sandbox;
use crate::sandbox::address::Address;
use crate::settings::{self, Overrides, Settings};
use crate::tools;
use crate::ui::event::{Place, Subject};
use crate::ui::{Reporter, Step};

/// The commands that leave a record.
const RECORDED: [&str; 7] = [
    "try",
    "run",
    "build",
    "publish",
    "build-and-publish",
    "deploy",
    "deploy-test",
];

/// What was asked for on the command line, and where it is reported.
pub struct Invocation {
    pub subject: Subject,
    pub options: Global,
    pub reporter: Reporter,
}

pub struct Session {
    pub settings: Settings,
    /// Some when `--sandbox` was given: the same code, another address.
    pub sandbox: Option<Address>,
    pub reporter: Reporter,
    pub interrupt: Interrupt,
    /// What `--confirm` names.
    pub confirm: Option<String>,
    /// Files that got another time from us, and from nobody who saved them.
    pub touched: Touched,
    /// Made at the first use, then shared: a command that never asks AWS loads no certificates.
    aws: OnceCell<Aws>,
    /// A process of its own, asked once.
    terraform_version: OnceCell<String>,
}

/// The times that files got from us, for whoever watches for saves.
#[derive(Debug, Clone, Default)]
pub struct Touched(Arc<Mutex<BTreeMap<PathBuf, SystemTime>>>);

impl Touched {
    pub fn add(&self, file: PathBuf, time: SystemTime) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(file, time);
    }

    /// Is this the time that we gave the file?
    pub fn is_ours(&self, file: &Path, time: Option<SystemTime>) -> bool {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        time.is_some() && files.get(file).copied() == time
    }
}

impl Session {
    /// Resolves the settings and, with `--sandbox`, finds or starts the local AWS.
    pub async fn open(invocation: &Invocation) -> anyhow::Result<Session> {
        let mut session = Session::open_without_sandbox(invocation)?;
        if invocation.options.sandbox {
            let sandbox = Sandbox::of(&session.settings);
            let address = match sandbox.running() {
                Some(address) => address,
                None => {
                    require_task(&session.settings, &invocation.subject)?;
                    sandbox.up(&session.reporter, &session.interrupt).await?
                }
            };
            session.use_sandbox(address);
        } else if session.settings.environment.profile.is_some() {
            session.reporter.detail(
                Step::Check,
                format!("environment {}", session.settings.environment.name),
            );
        }
        Ok(session)
    }

    /// The same code, another address.
    pub fn use_sandbox(&mut self, address: Address) {
        self.settings.environment = Address::environment(&self.settings.environment);
        self.reporter.sandbox_is_up(address.engine);
        self.sandbox = Some(address);
    }

    /// For the commands that manage the sandbox itself.
    pub fn open_without_sandbox(invocation: &Invocation) -> anyhow::Result<Session> {
        let global = &invocation.options;
        let overrides = Overrides {
            env: global.env.clone(),
            profile: global.profile.clone(),
            region: global.region.clone(),
            engine: global.engine.clone(),
            no_reattach: global.no_reattach,
        };
        let start = std::env::current_dir()?;
        let settings = settings::load(&start, &overrides, &env_var)?;
        let reporter = invocation.reporter.clone();
        let runs = settings.work_dir().join("runs");
        let record = RECORDED
            .contains(&invocation.subject.command.as_str())
            .then(|| (runs.as_path(), run_id(SystemTime::now())));
        let place = place(&settings, global.sandbox);
        reporter.begun(invocation.subject.clone(), place, record);
        Ok(Session {
            settings,
            sandbox: None,
            reporter,
            interrupt: Interrupt::install()?,
            confirm: global.confirm.clone(),
            touched: Touched::default(),
            aws: OnceCell::new(),
            terraform_version: OnceCell::new(),
        })
    }

    /// The AWS clients of the whole command, with one pool of connections.
    pub async fn aws(&self) -> &Aws {
        self.aws
            .get_or_init(|| Aws::connect(&self.settings.environment, self.sandbox.as_ref()))
            .await
    }

    /// The record of who holds the environment.
    pub async fn holds(&self) -> Holds {
        let environment = &self.settings.environment;
        self.aws().await.holds(
            self.settings.state_bucket(),
            environment.name.as_str(),
            self.state_key(),
        )
    }

    fn state_key(&self) -> String {
        let environment = &self.settings.environment;
        state::key(environment.name.as_str(), &environment.terraform_workspace)
    }

    /// The object with the environment's Terraform state.
    pub async fn state(&self) -> StateObject {
        self.aws().await.state(state::Place {
            bucket: self.settings.state_bucket(),
            key: self.state_key(),
        })
    }

    /// What CI says of the images that it built.
    pub async fn attestations(&self) -> Attestations {
        let settings = &self.settings;
        let environment = &settings.environment;
        let believed = environment.believes.iter().cloned();
        self.aws().await.attestations(attestations::Place {
            bucket: settings.state_bucket(),
            repository: settings.ecr_repository.clone(),
            environment: environment.name.clone(),
            believed: believed.collect(),
        })
    }

    pub fn git(&self) -> anyhow::Result<Git> {
        Git::open(&self.settings.root)
    }

    /// The environment's Terraform root. The sandbox has another data directory, backend file and
    /// endpoint, so that its state and the real one can never meet.
    pub fn terraform(&self) -> Terraform {
        let environment = &self.settings.environment;
        let root = self.settings.terraform_root();
        let vars = [
            ("aws_account_id", environment.aws_account_id.as_str()),
            ("platform", self.settings.platform.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let program = tools::terraform(&self.settings);
        match &self.sandbox {
            Some(address) => Terraform {
                program,
                data_dir: self
                    .settings
                    .work_dir()
                    .join("sandbox")
                    .join(format!("terraform-{}", environment.name)),
                backend_config: Some(PathBuf::from("sandbox.tfbackend")),
                env: address.terraform_env(),
                env_remove: address.terraform_env_removed(),
                workspace: environment.terraform_workspace.clone(),
                root,
                vars,
                lock_timeout: self.settings.state_lock_timeout,
            },
            None => Terraform {
                program,
                data_dir: self
                    .settings
                    .work_dir()
                    .join(format!("terraform-{}", environment.name)),
                backend_config: None,
                env: environment
                    .profile
                    .iter()
                    .map(|profile| ("AWS_PROFILE".to_owned(), profile.into()))
                    .collect(),
                env_remove: Vec::new(),
                workspace: environment.terraform_workspace.clone(),
                root,
                vars,
                lock_timeout: self.settings.state_lock_timeout,
            },
        }
    }

    /// What in the user's environment would make Terraform plan something else. The sandbox passes none
    /// of it on.
    pub fn misleading_terraform(&self) -> Vec<Problem> {
        if self.sandbox.is_some() {
            return Vec::new();
        }
        let variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let variables = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        misleading(variables, &self.settings.environment.terraform_workspace)
    }

    /// What decides a Terraform plan beside the image; None when nobody can tell.
    pub async fn plan_inputs(&self) -> Option<Inputs> {
        let region = &self.settings.environment.region;
        let version = self.terraform_version().await.ok()?;
        self.terraform().inputs(region, &version)
    }

    /// Terraform's version, if it is new enough.
    pub async fn terraform_version(&self) -> Result<String, Problem> {
        let program = tools::terraform(&self.settings);
        let ask = || Terraform::version(&program, &self.interrupt);
        self.terraform_version.get_or_try_init(ask).await.cloned()
    }

    /// GitHub, or its stand-in. A fork's workflows deploy nothing of ours, so that its clone is refused.
    pub fn github(&self) -> anyhow::Result<GitHub> {
        let repository = &self.settings.github_repository;
        if let Some(address) = &self.sandbox {
            return Ok(GitHub::new(
                &address.github_api,
                address.github_token.clone(),
                repository,
                &self.interrupt,
            ));
        }
        let origin = self.git().ok().and_then(|git| git.origin_url());
        if let Some(origin) = origin.as_deref().and_then(github_repository)
            && !origin.eq_ignore_ascii_case(repository)
        {
            return Err(Problem::refused(
                format!("origin is {origin}, but auto-deploy is a matter of {repository}"),
                "work in a clone of that repository, or change github_repository in Cargo.toml",
            )
            .into());
        }
        let api = env_var("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
        let token = find_token(&env_var)?;
        Ok(GitHub::new(&api, token, repository, &self.interrupt))
    }

    /// Who does this, for AWS's eyes: `--author`, else git's user.
    pub fn author(&self, flag: Option<&str>) -> String {
        let from_git = || self.git().ok().and_then(|git| git.user_name());
        started_by(
            &flag
                .map(str::to_owned)
                .or_else(from_git)
                .unwrap_or_default(),
        )
    }

    /// The same session for what has to be done after an interrupt; a second one ends it.
    pub fn unhurried(&self) -> Session {
        let settings = self.settings.clone();
        Session {
            interrupt: Interrupt::never(),
            ..self.with_settings(settings)
        }
    }

    /// The same session in another checkout of the same repository.
    pub fn with_settings(&self, settings: Settings) -> Session {
        Session {
            settings,
            sandbox: self.sandbox.clone(),
            reporter: self.reporter.clone(),
            interrupt: self.interrupt.clone(),
            confirm: self.confirm.clone(),
            touched: self.touched.clone(),
            aws: OnceCell::new(),
            terraform_version: OnceCell::new(),
        }
    }

    /// What a user types after `cargo xtask …` to stay where they are.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        if self.settings.environment.name.as_str() != "test" {
            flags.push_str(&format!(" --env {}", self.settings.environment.name));
        }
        if self.sandbox.is_some() {
            flags.push_str(" --sandbox");
        }
        flags
    }
}

/// Where the command works, for the JSON and the record.
/// Nothing is installed for a task that is not there. In a sandbox that is not there yet, no other
/// task can be than those that are written down.
fn require_task(settings: &Settings, subject: &Subject) -> anyhow::Result<()> {
    let Some(task) = subject.task.as_ref().filter(|_| subject.command != "local") else {
        return Ok(());
    };
    // A file that cannot be read is the preflight's to name.
    let known = task_names(&settings.root.join(&settings.tasks_file)).unwrap_or_default();
    match unknown_task(settings, task, &Ok(known)) {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

fn place(settings: &Settings, sandbox: bool) -> Place {
    let environment = if sandbox {
        Address::environment(&settings.environment)
    } else {
        settings.environment.clone()
    };
    Place {
        environment: environment.name.to_string(),
        aws_account_id: environment.aws_account_id,
        region: environment.region,
        sandbox,
        engine: None,
        github_repository: settings.github_repository.to_string(),
        auto_deploy_workflows: environment
            .auto_deploy_workflows
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

pub fn env_var(key: &str) -> Option<String> {
    std::env::var(key).ok()
}
