//! What each command takes: its flags and positional arguments. No logic.

use clap::{Args, Subcommand, ValueEnum};

use super::launch::{LaunchOptions, key_value};
use crate::catalog::new_task::OnS3;
use crate::names::{Digest, TaskName};

#[derive(Debug, Args)]
pub struct BuildAndPublish {
    /// Publish uncommitted changes under a tag that says so
    #[arg(long)]
    pub allow_dirty: bool,
    /// Show what would be done, and stop
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Build {
    /// Where the image is written to, as an OCI image layout in a tar
    #[arg(long, value_name = "FILE")]
    pub output: std::path::PathBuf,
}

#[derive(Debug, Args)]
pub struct Publish {
    /// What `build` wrote
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
    /// What `build` printed: another image is refused
    #[arg(long, value_name = "DIGEST", value_parser = Digest::parse)]
    pub digest: Digest,
    /// Record that CI built it; the role of CI alone may
    #[arg(long)]
    pub attest: bool,
}

#[derive(Debug, Args)]
pub struct Deploy {
    /// Do not ask about a plan that changes more than images
    #[arg(long)]
    pub yes: bool,
    /// Who deploys; git's user.name otherwise
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Deploy uncommitted changes that were published with --allow-dirty
    #[arg(long)]
    pub allow_dirty: bool,
    /// Show what would be done, and stop
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Names everything in AWS: a task definition's family is <app>-<environment>-<task>
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
    /// The cargo package whose binary goes into the image; found when there is one alone
    #[arg(long, value_name = "NAME", conflicts_with = "pyproject")]
    pub package: Option<String>,
    /// The pyproject.toml whose scripts are the entrypoints; found when there is one alone
    #[arg(long, value_name = "FILE")]
    pub pyproject: Option<String>,
    /// The AWS account of the environment, twelve digits
    #[arg(long, value_name = "ID")]
    pub aws_account_id: Option<String>,
    /// owner/name on GitHub; found by the remote `origin`
    #[arg(long, value_name = "OWNER/NAME")]
    pub github_repository: Option<String>,
    /// A workflow that deploys main to the environment by itself; repeatable
    #[arg(long = "auto-deploy-workflow", value_name = "FILE")]
    pub auto_deploy_workflows: Vec<String>,
    /// Write the Terraform template, where its folders do not exist
    #[arg(long)]
    pub terraform: bool,
    /// Write the workflows that deploy, where they do not exist
    #[arg(long)]
    pub workflows: bool,
    /// A checkout of the repository that xtask comes from, for a copy of its xtask folder alone
    #[arg(long, value_name = "FOLDER")]
    pub from: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub struct Try {
    #[command(flatten)]
    pub launch: LaunchOptions,
    /// Reserve the environment and pause its auto-deploy for this run, then put main back
    #[arg(long, conflicts_with = "isolated")]
    pub hold: bool,
    /// Leave what is deployed alone: this image in a task definition of its own
    #[arg(long)]
    pub isolated: bool,
    /// This task alone gets the image; all others keep the one that is deployed
    #[arg(long, conflicts_with = "isolated")]
    pub only: bool,
    /// Do not ask about a plan that changes more than images
    #[arg(long)]
    pub yes: bool,
    /// Run `terraform plan` even when nothing has changed since the last apply
    #[arg(long)]
    pub refresh: bool,
    /// Show what would be done, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Run the loop again whenever a file that it depends on is saved
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct History {
    /// How many, newest first
    #[arg(long, value_name = "NUMBER", default_value = "20")]
    pub limit: usize,
}

#[derive(Debug, Args)]
pub struct Report {
    /// A record's name, or its beginning; the last loop otherwise
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Open the page in the browser
    #[arg(long)]
    pub open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub struct Hold {
    /// For how long (30m, 2h, 1d)
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "2h")]
    pub length: std::time::Duration,
    /// What for, in the words that others read
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who holds it; git's user.name otherwise
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Take it from whoever has it; the record says so
    #[arg(long = "break")]
    pub break_it: bool,
    /// Wait for a deploy that is under way to end
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Args)]
pub struct Release {
    /// What to deploy again
    #[arg(long, value_name = "WHAT", value_enum, default_value = "main")]
    pub restore: Restore,
    /// Who holds it; git's user.name otherwise
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Release what somebody else holds
    #[arg(long = "break")]
    pub break_it: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Restore {
    /// Main's Terraform with main's image
    Main,
    /// What was deployed when the hold began
    Previous,
    /// Nothing: what is deployed stays
    None,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub launch: LaunchOptions,
    /// Print the task's ID and leave it running
    #[arg(long)]
    pub detach: bool,
    /// Start this many at once and follow them all; each line has its task before it
    ///
    /// The exit code is 0 when all exited 0, and otherwise that of the first one that did not, in the
    /// order of their start. As many that were left or cut off in the last hour are gone on with,
    /// unless --again. An interrupt stops all, unless --on-interrupt detach.
    #[arg(long, value_name = "N", conflicts_with = "detach", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// A task's name, or the ID or ARN of one run
    #[arg(value_name = "TASK|ID")]
    pub target: String,
    /// Go on until the task has stopped
    #[arg(long, short)]
    pub follow: bool,
    /// Only lines of the last … (10m, 2h, 1d)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub since: Option<std::time::Duration>,
    /// Wait for the task's next run, whoever or whatever starts it, and follow it
    #[arg(long, conflicts_with = "since")]
    pub next: bool,
}

#[derive(Debug, Args)]
pub struct NewTask {
    /// Lower-case words joined by `-`
    pub name: String,
    /// Start it at these times: cron(…), rate(…) or at(…)
    #[arg(
        long,
        value_name = "EXPR",
        requires = "timezone",
        conflicts_with = "on_s3"
    )]
    pub schedule: Option<String>,
    /// The time zone that the expression is read in, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", requires = "schedule")]
    pub timezone: Option<String>,
    /// Start it for each new object: a bucket (or its name in Terraform) and which keys
    #[arg(long, value_name = "BUCKET/PREFIX[*SUFFIX]", value_parser = OnS3::parse)]
    pub on_s3: Option<OnS3>,
    /// A variable of its environment
    #[arg(long = "env-var", short, value_name = "KEY=VALUE", value_parser = key_value)]
    pub environment: Vec<(String, String)>,
    /// A secret: a variable, and the SSM parameter that it comes from
    #[arg(long = "secret", value_name = "KEY=/PATH", value_parser = key_value)]
    pub secrets: Vec<(String, String)>,
    /// CPU units, 1024 to a vCPU
    #[arg(long, value_name = "UNITS")]
    pub cpu: Option<u32>,
    /// Memory in MiB; the least that goes with --cpu otherwise
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Local {
    /// The task, or any entrypoint
    #[arg(value_parser = TaskName::parse)]
    pub task: TaskName,
    /// Arguments of the task
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
    /// In the image, built and pushed when it is not yet
    #[arg(long)]
    pub container: bool,
    /// A shell in the image instead of the task, with the task's environment
    #[arg(long)]
    pub shell: bool,
    /// Resolve the secrets that the deployed definition names
    #[arg(long)]
    pub secrets: bool,
    /// Pass your AWS credentials on (with --sandbox: its)
    #[arg(long)]
    pub aws: bool,
    /// Variables from a file, KEY=VALUE a line
    #[arg(long, value_name = "PATH")]
    pub env_file: Option<std::path::PathBuf>,
    /// A variable of its environment
    #[arg(long = "env-var", short, value_name = "KEY=VALUE", value_parser = key_value)]
    pub environment: Vec<(String, String)>,
}

impl Local {
    /// Whether anything of it is asked of AWS, or of the sandbox.
    pub fn needs_aws(&self) -> bool {
        self.container || self.shell || self.secrets || self.aws
    }
}

#[derive(Debug, Subcommand)]
pub enum Trigger {
    /// Make a one-off twin of the task's schedule, with its role and target, that fires within two minutes
    ///
    /// The twin fires once and goes away; the real schedule stays as it is. The task that it starts is
    /// followed like any other, and the exit code is its own.
    #[command(
        after_help = "Examples:\n  cargo xtask trigger schedule nightly-report --sandbox\n  cargo xtask trigger schedule diagnose --name api-test-diagnose-on-workdays"
    )]
    Schedule(TriggerSchedule),
    /// Upload a file under a key that the task's rule takes, and delete it afterwards
    ///
    /// The upload is a real one: every rule that takes the key fires. The task that it starts is
    /// followed like any other, and the exit code is its own.
    #[command(
        after_help = "Examples:\n  cargo xtask trigger s3 import-claims --file claims.csv --sandbox\n  cargo xtask trigger s3 import-claims --file claims.csv --key incoming/claims.csv"
    )]
    S3(TriggerS3),
}

#[derive(Debug, Args)]
pub struct TriggerSchedule {
    /// The task, as tasks.tf names it
    #[arg(value_parser = TaskName::parse)]
    pub task: TaskName,
    /// Which schedule, when several start the task
    #[arg(long)]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct TriggerS3 {
    /// The task, as tasks.tf names it
    #[arg(value_parser = TaskName::parse)]
    pub task: TaskName,
    /// What to upload
    #[arg(long, value_name = "PATH")]
    pub file: std::path::PathBuf,
    /// Upload it under this key; one that the rule takes otherwise
    #[arg(long)]
    pub key: Option<String>,
    /// Which rule, when several start the task
    #[arg(long)]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Tasks {
    /// Print only what does not fit, and exit with 126 when anything does
    #[arg(long)]
    pub check: bool,
    /// Ask the environment, too: each task's last run, and secrets that do not exist there
    #[arg(long)]
    pub live: bool,
}

#[derive(Debug, Args)]
pub struct Record {
    /// The task whose definition, last run and log are asked for
    #[arg(value_parser = TaskName::parse)]
    pub task: TaskName,
    /// The folder for the files
    #[arg(long, value_name = "FOLDER")]
    pub out: std::path::PathBuf,
}

#[derive(Debug, Args)]
pub struct Stop {
    /// The ID or ARN of a run
    pub id: String,
    /// What others will read as the reason
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum AutoDeploy {
    /// Say whether the environment's workflows are enabled, and which runs are live
    ///
    /// Only asks GitHub, and needs a token that may read the repository's Actions.
    #[command(
        after_help = "Examples:\n  cargo xtask auto-deploy status\n  cargo xtask auto-deploy status --env stage"
    )]
    Status,
    /// Disable the workflows
    ///
    /// For everybody, until somebody resumes them. Runs that are live go on. `hold` does this too, and
    /// says who has done it and why.
    #[command(
        after_help = "Examples:\n  cargo xtask auto-deploy pause\n  cargo xtask auto-deploy pause --sandbox"
    )]
    Pause,
    /// Enable the workflows
    ///
    /// The next push to main deploys again, and overwrites what is deployed. `release` is for what
    /// `hold` has paused.
    #[command(
        after_help = "Examples:\n  cargo xtask auto-deploy resume\n  cargo xtask auto-deploy resume --sandbox"
    )]
    Resume,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Tools {
    /// Fetch Terraform, unless it was fetched before
    ///
    /// From then on every command uses it, also where another one is on PATH. A file with another
    /// hash than the pinned one is thrown away. stdout has its path.
    #[command(
        after_help = "Examples:\n  cargo xtask tools install\n  cargo xtask tools install --verbose"
    )]
    Install,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Sandbox {
    /// Start it, if it is not running
    ///
    /// The first start in a checkout installs MiniStack under target/; later ones take some seconds.
    /// stdout has its address.
    #[command(
        after_help = "Examples:\n  cargo xtask sandbox up\n  cargo xtask sandbox up --engine process"
    )]
    Up,
    /// Stop it; it forgets everything
    ///
    /// Tasks that still run in it are stopped, too.
    #[command(
        after_help = "Examples:\n  cargo xtask sandbox down\n  cargo xtask sandbox down --json"
    )]
    Down,
    /// Say whether it runs, and where
    ///
    /// Its address, what runs its tasks (Docker or processes), its log file, and the line that gives
    /// your own AWS CLI its keys.
    #[command(
        after_help = "Examples:\n  cargo xtask sandbox status\n  cargo xtask sandbox status --json"
    )]
    Status,
    /// Start it anew, empty
    ///
    /// The same as `sandbox down` and `sandbox up`. The next `try` builds and applies from the beginning.
    #[command(
        after_help = "Examples:\n  cargo xtask sandbox reset\n  cargo xtask sandbox reset --engine docker"
    )]
    Reset,
}
