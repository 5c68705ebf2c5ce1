//! Cargo.toml ⊕ environment ⊕ flags → [`Settings`]: resolved once, all mistakes reported at once.
//!
//! The file's part is `[workspace.metadata.xtask]`. Every key has an environment variable,
//! `XTASK_` and the key in capitals, that overrides it; an environment's keys are overridden for
//! the environment in use.

mod reader;
pub mod tools;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::failure::{Problem, all_clear};
use crate::names::aws::{AppName, RepositoryName, parse_account, parse_region};
use crate::names::github::{GitHubRepository, WorkflowFile};
use crate::names::{EnvironmentName, Platform, did_you_mean};
use crate::sandbox::engine::Wanted;
use reader::Reader;
use tools::TerraformPin;

/// Everything a team can set, for the one environment in use.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Names everything in AWS: families, clusters, log groups.
    pub app: AppName,
    /// The cargo package whose binary goes into the image.
    pub package: String,
    /// The package's binary that goes into the image, where it has several.
    pub binary: Option<String>,
    /// The Dockerfile, relative to the root; see [`crate::layout::dockerfile`].
    pub dockerfile: Option<PathBuf>,
    /// The docker builder's context, relative to the root; see [`Settings::recipe`].
    docker_context: Option<PathBuf>,
    pub ecr_repository: RepositoryName,
    pub builder: Builder,
    /// Variables that a compile sees although they may be keys.
    pub build_environment: Vec<String>,
    /// Another repository of the same registry whose layers a push may link instead of uploading.
    pub mount_from: Option<RepositoryName>,
    pub platform: Platform,
    /// The Terraform file with `locals.tasks`, relative to the root.
    pub tasks_file: PathBuf,
    /// The pyproject.toml whose scripts are the entrypoints, relative to the root; None in a Rust project.
    pub pyproject: Option<PathBuf>,
    /// The folder of the sources, relative to the root; see [`crate::layout::project_dir`].
    project_dir: Option<PathBuf>,
    /// Entrypoints that are meant to have no task definition.
    pub no_tasks: Vec<String>,
    pub github_repository: GitHubRepository,
    /// The branch that auto-deploy deploys.
    pub main_branch: String,
    /// How far apart the two looks at auto-deploy before an apply are.
    pub pause_settle: Duration,
    /// How long an apply waits for somebody else's lock on the state.
    pub state_lock_timeout: Duration,
    /// Is the AWS provider started once for a plan and its apply, or by Terraform each time?
    pub reattach_provider: bool,
    /// A try changes its own task alone, also without `--only`.
    pub try_only: bool,
    /// What runs the sandbox's containers.
    pub engine: Wanted,
    /// The Terraform that is fetched where none is installed.
    pub terraform_pin: Option<TerraformPin>,
    /// How long a claim lasts that a process renews while it runs.
    pub hold_lease: Duration,
    /// All environments' names, in alphabetical order.
    pub environments: Vec<String>,
    /// All environments' workflow files, each once.
    pub workflows: Vec<String>,
    pub environment: Environment,
}

/// What makes an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// This tool: layers around a static binary, pushed without Docker.
    Daemonless,
    /// `docker build` of the Dockerfile, and `docker push`.
    Docker,
}

/// How an image comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipe {
    /// Cargo compiles a static binary, and layers are assembled around it.
    Assembled,
    /// Cargo compiles a static binary, and a Dockerfile makes an image of it.
    Staged,
    /// A Dockerfile does all of it, in this context, relative to the root.
    Context(PathBuf),
}

/// One environment's settings.
#[derive(Debug, Clone)]
pub struct Environment {
    pub name: EnvironmentName,
    /// Twelve digits; nothing is ever changed in another account.
    pub aws_account_id: String,
    pub region: String,
    pub profile: Option<String>,
    /// The Terraform root, relative to the workspace's root.
    pub terraform_root: PathBuf,
    /// The workspace of that root which is this environment's.
    pub terraform_workspace: String,
    /// A protected environment (prod) is not for trying things.
    pub protected: bool,
    /// The workflow files that deploy here by themselves.
    pub auto_deploy_workflows: Vec<WorkflowFile>,
    /// The workflow files that deploy here when somebody starts them.
    pub deploy_workflows: Vec<WorkflowFile>,
    /// Beside this one, the environments whose CI is believed that it built an image.
    pub believes: Vec<EnvironmentName>,
}

impl Environment {
    fn workflows(&self) -> impl Iterator<Item = String> {
        let files = self.auto_deploy_workflows.iter();
        files.chain(&self.deploy_workflows).map(ToString::to_string)
    }
}

/// What flags override.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub env: Option<String>,
    pub profile: Option<String>,
    pub region: Option<String>,
    pub engine: Option<String>,
    /// `reattach_provider`, turned off.
    pub no_reattach: bool,
}

impl Settings {
    /// The name of an environment's things: `<app>-<environment>`.
    pub fn service(&self) -> String {
        format!("{}-{}", self.app, self.environment.name)
    }

    /// The bucket of the Terraform state and of the holds, as infra/foundation names it.
    pub fn state_bucket(&self) -> String {
        format!(
            "{}-terraform-state-{}",
            self.app, self.environment.aws_account_id
        )
    }

    pub fn terraform_root(&self) -> PathBuf {
        self.root.join(&self.environment.terraform_root)
    }

    /// The project's folder as far as settings tell, relative to the root; cargo knows it otherwise.
    pub fn project_folder(&self) -> Option<PathBuf> {
        let python = self.pyproject.as_deref().and_then(Path::parent);
        self.project_dir.clone().or(python.map(Path::to_owned))
    }

    /// How the image comes about. A Python project's is what its Dockerfile makes, whatever the builder.
    pub fn recipe(&self) -> Recipe {
        let python = || self.pyproject.as_ref().and_then(|_| self.project_folder());
        match (self.builder, self.docker_context.clone(), python()) {
            (_, Some(context), Some(_)) | (_, None, Some(context)) => Recipe::Context(context),
            (Builder::Docker, Some(context), None) => Recipe::Context(context),
            (Builder::Docker, None, None) => Recipe::Staged,
            (Builder::Daemonless, _, None) => Recipe::Assembled,
        }
    }

    /// Where everything lives that this tool makes and may be deleted at any time.
    pub fn work_dir(&self) -> PathBuf {
        self.root.join("target").join("xtask")
    }
}

/// Finds the workspace from `start` upwards and resolves its settings.
pub fn load(
    start: &Path,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Settings> {
    let (root, file) = find_workspace(start)?;
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("reading the settings from {}", file.display()))?;
    resolve(&root, &file, &text, overrides, env)
}

fn find_workspace(start: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    for folder in start.ancestors() {
        let file = folder.join("Cargo.toml");
        if let Ok(text) = std::fs::read_to_string(&file)
            && text.contains("[workspace.metadata.xtask")
        {
            return Ok((folder.to_owned(), file));
        }
    }
    Err(Problem::failed(
        format!(
            "no Cargo.toml with [workspace.metadata.xtask] in {} or above it",
            start.display()
        ),
        "run cargo xtask inside the repository",
    )
    .into())
}

/// The pure part of [`load`].
pub fn resolve(
    root: &Path,
    file: &Path,
    text: &str,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Settings> {
    let document: toml::Table = toml::from_str(text)
        .with_context(|| format!("parsing the settings in {}", file.display()))?;
    let table = ["workspace", "metadata", "xtask"]
        .iter()
        .try_fold(&document, |table, key| table.get(*key)?.as_table())
        .cloned()
        .unwrap_or_default();

    let mut reader = Reader::new(file, "workspace.metadata.xtask", table, env);
    let app = reader.parsed("app", AppName::parse);
    let package = reader
        .optional_text("package", None)
        .or_else(|| app.as_ref().map(ToString::to_string));
    let binary = reader.optional_text("binary", None);
    let dockerfile = reader.optional_text("dockerfile", None);
    let docker_context = reader.optional_text("docker_context", None);
    let ecr_repository = reader.parsed("ecr_repository", RepositoryName::parse);
    let pyproject = reader.optional_text("pyproject", None);
    // A Python project's image is what its Dockerfile makes; nothing here could assemble it.
    let default_builder = match &pyproject {
        Some(_) => Builder::Docker,
        None => Builder::Daemonless,
    };
    let builder = reader
        .optional_parsed("builder", parse_builder)
        .unwrap_or(default_builder);
    let build_environment = reader.list("build_environment");
    let mount_from = reader.optional_parsed("mount_from", RepositoryName::parse);
    let platform = reader
        .parsed("platform", Platform::parse)
        .unwrap_or(Platform::LinuxAmd64);
    let tasks_file = reader.optional_text("tasks_file", None);
    let project_dir = reader.optional_text("project_dir", None);
    let no_tasks = reader.list("no_tasks");
    let github_repository = reader.parsed("github_repository", GitHubRepository::parse);
    let main_branch = reader
        .optional_text("main_branch", None)
        .unwrap_or_else(|| "main".into());
    let pause_settle = reader.seconds("pause_settle_seconds", 5);
    let state_lock_timeout = reader.seconds("state_lock_timeout_seconds", 60);
    let reattach_provider = reader.boolean("reattach_provider", true) && !overrides.no_reattach;
    let hold_lease = reader.seconds("hold_lease_seconds", 900);
    let try_only = reader.boolean("try_only", false);
    let wanted = reader.text("default_environment", overrides.env.as_deref());
    let sandbox = reader.table("sandbox");
    let tool_tables = reader.tables("tools");
    let mut tables = reader.tables("environments");
    let environments: Vec<String> = tables.keys().cloned().collect();
    let mut problems = reader.finish();
    let (engine, found) = read_engine(file, sandbox, overrides, env);
    problems.extend(found);
    let (terraform_pin, found) = tools::read(file, tool_tables);
    problems.extend(found);
    let mut workflows = Vec::new();

    let environment = match tables.remove(&wanted) {
        Some(table) => {
            let (environment, found) = read_environment(file, &wanted, table, overrides, env);
            problems.extend(found);
            workflows.extend(environment.iter().flat_map(Environment::workflows));
            environment
        }
        None => {
            let known: Vec<&str> = environments.iter().map(String::as_str).collect();
            problems.push(Problem::usage(
                format!("there is no environment `{wanted}` in {}", file.display()),
                did_you_mean(&wanted, &known),
            ));
            None
        }
    };
    // Mistakes in the other environments are shown now, not on the day that somebody needs them.
    for (name, table) in tables {
        let no_overrides = Overrides::default();
        let (other, found) = read_environment(file, &name, table, &no_overrides, &|_| None);
        workflows.extend(other.iter().flat_map(Environment::workflows));
        problems.extend(found);
    }
    all_clear(problems)?;
    workflows.sort();
    workflows.dedup();
    // What is missing here was a problem above.
    let read = "the settings could not be read";
    let app = app.context(read)?;
    let environment = environment.context(read)?;
    Ok(Settings {
        root: root.to_owned(),
        binary,
        dockerfile: dockerfile.map(PathBuf::from),
        docker_context: docker_context.map(PathBuf::from),
        tasks_file: tasks_file
            .unwrap_or_else(|| "infra/ecs-tasks/template/tasks.tf".into())
            .into(),
        pyproject: pyproject.map(PathBuf::from),
        project_dir: project_dir.map(PathBuf::from),
        no_tasks,
        package: package.context(read)?,
        app,
        ecr_repository: ecr_repository.context(read)?,
        builder,
        build_environment,
        mount_from,
        platform,
        github_repository: github_repository.context(read)?,
        main_branch,
        pause_settle,
        state_lock_timeout,
        reattach_provider,
        try_only,
        engine,
        terraform_pin,
        hold_lease,
        environments,
        workflows,
        environment,
    })
}

/// `[workspace.metadata.xtask.sandbox]`, whose one key is overridden by XTASK_SANDBOX_ENGINE.
fn read_engine(
    file: &Path,
    table: toml::Table,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Wanted, Vec<Problem>) {
    const VARIABLE: &str = "XTASK_SANDBOX_ENGINE";
    let env = |key: &str| env(&key.replace("XTASK_", "XTASK_SANDBOX_"));
    let mut reader = Reader::new(file, "workspace.metadata.xtask.sandbox", table, &env);
    let text = reader.optional_text("engine", overrides.engine.as_deref());
    let mut problems = reader.finish();
    let engine = text.map_or(Ok(Wanted::Auto), |text| Wanted::parse(&text));
    let engine = engine.unwrap_or_else(|message| {
        problems.push(Problem::usage(
            message,
            format!(
                "change --engine, {VARIABLE} or `engine` of [workspace.metadata.xtask.sandbox]"
            ),
        ));
        Wanted::Auto
    });
    (engine, problems)
}

fn read_environment(
    file: &Path,
    name: &str,
    table: toml::Table,
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Option<Environment>, Vec<Problem>) {
    let path = format!("workspace.metadata.xtask.environments.{name}");
    let mut reader = Reader::new(file, &path, table, env);
    let aws_account_id = reader
        .parsed("aws_account_id", parse_account)
        .unwrap_or_default();
    let region = reader
        .parsed_or("region", overrides.region.as_deref(), parse_region)
        .unwrap_or_default();
    let profile = reader.optional_text("profile", overrides.profile.as_deref());
    let terraform_root = reader.text("terraform_root", None);
    let terraform_workspace = reader.optional_text("terraform_workspace", None);
    let protected = reader.boolean("protected", false);
    let auto_deploy_workflows = reader.parsed_list("auto_deploy_workflows", WorkflowFile::parse);
    let deploy_workflows = reader.parsed_list("deploy_workflows", WorkflowFile::parse);
    let believes = reader.parsed_list("believes", EnvironmentName::parse);
    let mut problems = reader.finish();
    match EnvironmentName::parse(name) {
        Ok(name) => {
            let environment = Environment {
                name,
                aws_account_id,
                region,
                profile,
                terraform_root: terraform_root.into(),
                terraform_workspace: terraform_workspace.unwrap_or_else(|| "default".into()),
                protected,
                auto_deploy_workflows,
                deploy_workflows,
                believes,
            };
            (Some(environment), problems)
        }
        Err(message) => {
            problems.push(Problem::usage(
                message,
                format!("rename [{path}] in {}", file.display()),
            ));
            (None, problems)
        }
    }
}

fn parse_builder(text: &str) -> Result<Builder, String> {
    match text {
        "daemonless" => Ok(Builder::Daemonless),
        "docker" => Ok(Builder::Docker),
        _ => Err(format!("`{text}` is not a builder: daemonless or docker")),
    }
}

#[cfg(test)]
mod tests;
