//! The whole command line on one page. No logic.

mod launch;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::catalog::new_task::OnS3;
use crate::names::TaskName;
use launch::key_value;
pub use launch::{LaunchOptions, OnInterrupt, OnTimeout};

/// Build, deploy, run and watch background tasks on AWS ECS.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0-255  of `try` and `run`: the task's own
  2      wrong usage
  120    the task exited 0, but it ran another image than the one that was pushed
  121    the task stopped without an exit code: it never started
  122    detached: the task goes on running
  124    --timeout was over, and the task was stopped or left running
  125    the tool failed before the task ran, or lost sight of it
  126    refused: nothing was changed
  130    interrupted: nothing was started, or the task was stopped";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Environment from Cargo.toml; its default_environment otherwise
    #[arg(long, global = true, value_name = "NAME")]
    pub env: Option<String>,
    /// Use the local AWS instead of a real account
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// The name of a protected environment once more, for what changes it
    #[arg(long, global = true, value_name = "NAME")]
    pub confirm: Option<String>,
    /// AWS profile
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// AWS region
    #[arg(long, global = true, value_name = "NAME")]
    pub region: Option<String>,
    /// What runs the sandbox's tasks: auto, docker or process (without Docker)
    #[arg(long, global = true, value_name = "NAME")]
    pub engine: Option<String>,
    /// Show the log lines of tasks as they came
    #[arg(long, global = true)]
    pub raw: bool,
    /// Show the commands that are run, and what they print
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Write JSON to stdout and nothing else: one document at the end, or every event on a line
    #[arg(long, global = true, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "document")]
    pub json: Option<Json>,
    /// When to use colours; `auto` heeds NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Json {
    Document,
    Events,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the image of HEAD and push it to ECR
    ///
    /// The tag is the full git SHA. An image that is in ECR already is left as it is. stdout has one
    /// line: the image's reference with its digest.
    #[command(
        after_help = "Examples:\n  cargo xtask build-and-publish\n  cargo xtask build-and-publish --allow-dirty --sandbox"
    )]
    BuildAndPublish(BuildAndPublish),

    /// Apply HEAD's Terraform and image in TEST
    ///
    /// Refused unless auto-deploy is paused and the image is in ECR. Goes ahead unasked when only
    /// the images of task definitions change.
    #[command(
        after_help = "Examples:\n  cargo xtask deploy-test\n  cargo xtask deploy-test --dry-run"
    )]
    DeployTest(Deploy),

    /// Apply HEAD's Terraform and image in an environment
    ///
    /// The same as deploy-test, for the environment that --env names.
    #[command(
        after_help = "Examples:\n  cargo xtask deploy --env test\n  cargo xtask deploy --env stage --yes"
    )]
    Deploy(Deploy),

    /// The whole loop: build, push, apply, check, launch, logs, exit code
    ///
    /// Runs a task on ECS as it is in the working tree, uncommitted changes included, and exits with
    /// its exit code. stdout has the task's log.
    #[command(
        after_help = "Examples:\n  cargo xtask try my-new-task-name --sandbox\n  cargo xtask try import-claims -- my-bucket in/claims.csv"
    )]
    Try(Try),

    /// Reserve an environment, and pause its auto-deploy
    ///
    /// Nobody else can deploy there or try anything until `release`, or until the time is over.
    /// Again: a new time and reason for the hold that is there.
    #[command(
        after_help = "Examples:\n  cargo xtask hold --for 2h --reason 'the new importer'\n  cargo xtask hold --break --reason 'kim is on holiday'"
    )]
    Hold(Hold),

    /// Show one environment on one screen: what is deployed, who holds it, what runs
    #[command(
        after_help = "Examples:\n  cargo xtask status\n  cargo xtask status --env stage --json"
    )]
    Status,

    /// Put back what a hold changed, and let others in
    ///
    /// Deploys main again, from a worktree of its own, enables the workflows that the hold has
    /// disabled, and removes the hold last. Interrupted, a second release finishes the job.
    #[command(
        after_help = "Examples:\n  cargo xtask release\n  cargo xtask release --restore previous"
    )]
    Release(Release),

    /// Launch a task as it is deployed, and follow it
    ///
    /// Builds and deploys nothing. stdout has the task's log.
    #[command(
        after_help = "Examples:\n  cargo xtask run nightly-report --sandbox\n  cargo xtask run diagnose --detach -e LEVEL=debug -- --sleep 60"
    )]
    Run(Run),

    /// Show the log of a task's last run, or of a task by its ID
    ///
    /// Without --follow it shows what is there and ends.
    #[command(
        after_help = "Examples:\n  cargo xtask logs nightly-report\n  cargo xtask logs nightly-report --next"
    )]
    Logs(Logs),

    /// Stop a running task
    ///
    /// SIGTERM first, SIGKILL after the definition's stopTimeout.
    #[command(
        after_help = "Examples:\n  cargo xtask stop 0f9de17a6b1b4d5c8f7d\n  cargo xtask stop 0f9de17a6b1b4d5c8f7d --reason 'wrong bucket'"
    )]
    Stop(Stop),

    /// Write a new task: its entrypoint, its definition, its schedule or S3 trigger
    ///
    /// Everything is checked first: a name that is taken or that AWS would refuse, a size that Fargate
    /// does not have, an expression that EventBridge would refuse. Then all files are written, or none.
    /// Comments and formatting of the files that change are kept. stdout has the files' names.
    #[command(
        after_help = "Examples:\n  cargo xtask new-task send-letters --cpu 512 --secret SMTP_PASSWORD=/api/test/smtp\n  cargo xtask new-task nightly-cleanup --schedule 'cron(30 3 * * ? *)' --timezone Europe/Berlin\n  cargo xtask new-task read-letters --on-s3 'claims/letters/*.pdf'"
    )]
    NewTask(NewTask),

    /// Show every task: its entrypoint, what starts it, its secrets, and what does not fit
    ///
    /// Reads the working tree alone. --check prints only what does not fit and exits with 126 when
    /// anything does: an entrypoint without definition, a command that is no entrypoint, a schedule or
    /// trigger of no task, a size that Fargate does not have, a schedule that EventBridge would refuse.
    #[command(after_help = "Examples:\n  cargo xtask tasks\n  cargo xtask tasks --check")]
    Tasks(Tasks),

    /// Run a task's entrypoint without ECS: natively, or in the image
    ///
    /// It gets the variables of its definition in the working tree. Secrets only with --secrets, and
    /// your own AWS credentials only with --aws. stdout has the task's log; the exit code is its own.
    #[command(
        after_help = "Examples:\n  cargo xtask local my-new-task-name\n  cargo xtask local import-claims --aws -- my-bucket in/claims.csv\n  cargo xtask local diagnose --secrets --container --sandbox"
    )]
    Local(Local),

    /// Fire a task's real schedule or S3 trigger now, and follow the task that it starts
    ///
    /// What is tried is the wiring: the role, its permissions, the rule, its pattern, the target. When
    /// nothing starts, the broken link is named, from what AWS itself says of it.
    #[command(
        after_help = "Examples:\n  cargo xtask trigger schedule nightly-report --sandbox\n  cargo xtask trigger s3 import-claims --file claims.csv"
    )]
    Trigger {
        #[command(subcommand)]
        action: Trigger,
    },

    /// Keep AWS's answers to the loop's questions as files, for test fixtures
    ///
    /// Only asks. Account IDs, keys, addresses, the values of variables and the text of log lines are
    /// masked; look through the files before you share them. stdout names them.
    #[command(
        after_help = "Examples:\n  cargo xtask record nightly-report --out answers\n  cargo xtask record diagnose --out answers --sandbox"
    )]
    Record(Record),

    /// Look at, pause or resume the workflows that deploy main by themselves
    ///
    /// A paused workflow is disabled on GitHub, for everybody, until somebody resumes it. Commands
    /// that deploy refuse while one is enabled or one of its runs is live.
    #[command(
        after_help = "Examples:\n  cargo xtask auto-deploy status\n  cargo xtask auto-deploy pause --sandbox"
    )]
    AutoDeploy {
        #[command(subcommand)]
        action: AutoDeploy,
    },

    /// Say whether everything is there that the loop needs, with a fix for what is not
    ///
    /// Looks at tools, credentials, the repository, the cluster, the state bucket, GitHub and the
    /// disk, all at once, within two seconds. Changes nothing; exits with 126 when something is missing.
    #[command(
        after_help = "Examples:\n  cargo xtask doctor\n  cargo xtask doctor --sandbox --json"
    )]
    Doctor,

    /// List the last loops: when, what, how long, how they ended
    ///
    /// Every try, run, deploy and build-and-publish leaves a record under target/xtask/runs; the
    /// newest 50 are kept.
    #[command(
        after_help = "Examples:\n  cargo xtask history\n  cargo xtask history --limit 5 --json"
    )]
    History(History),

    /// Make a page of one loop: timeline, the task's way through ECS, log, verdict
    ///
    /// One HTML file that needs no network and no server. stdout has its path.
    #[command(
        after_help = "Examples:\n  cargo xtask report --open\n  cargo xtask report 20260102-030405-1a2b3c"
    )]
    Report(Report),

    /// Print the completion script for a shell
    ///
    /// Completes commands, options, and the names of tasks, environments and records. The script
    /// asks the binary that was built last; a key press builds nothing.
    #[command(
        after_help = "Examples:\n  source <(cargo xtask completions bash)\n  cargo xtask completions fish | source"
    )]
    Completions { shell: Shell },

    /// The words that fit, for the completion scripts
    #[command(hide = true)]
    Complete {
        #[arg(last = true)]
        words: Vec<String>,
    },

    /// Fetch the pinned tools that are not installed, into target/
    ///
    /// Terraform alone: version and hashes are in Cargo.toml, [workspace.metadata.xtask.tools]. The
    /// sandbox does it by itself where no Terraform is on PATH; for a real account it is done here, and
    /// never unasked. XTASK_TOOLS_MIRROR names a URL or a folder that has the archives.
    #[command(
        after_help = "Examples:\n  cargo xtask tools install\n  XTASK_TOOLS_MIRROR=/mnt/tools cargo xtask tools install"
    )]
    Tools {
        #[command(subcommand)]
        action: Tools,
    },

    /// Manage the local AWS
    ///
    /// Every command with --sandbox starts it when it does not run. Each checkout has its own, with
    /// a stand-in for GitHub; nothing in it is kept when it stops.
    #[command(after_help = "Examples:\n  cargo xtask sandbox status\n  cargo xtask sandbox reset")]
    Sandbox {
        #[command(subcommand)]
        action: Sandbox,
    },
}

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
pub struct Try {
    #[command(flatten)]
    pub launch: LaunchOptions,
    /// Reserve the environment and pause its auto-deploy for this run, then put main back
    #[arg(long, conflicts_with = "isolated")]
    pub hold: bool,
    /// Leave what is deployed alone: this image in a task definition of its own
    #[arg(long)]
    pub isolated: bool,
    /// Do not ask about a plan that changes more than images
    #[arg(long)]
    pub yes: bool,
    /// Plan in full, even if two reads prove that what is applied is what would be
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
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
    /// A variable
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
    Schedule(TriggerSchedule),
    /// Upload a file under a key that the task's rule takes, and delete it afterwards
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
    Status,
    /// Disable the workflows
    Pause,
    /// Enable the workflows
    Resume,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Tools {
    /// Fetch what is missing
    Install,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Sandbox {
    /// Start it, if it is not running
    Up,
    /// Stop it; it forgets everything
    Down,
    /// Say whether it runs, and where
    Status,
    /// Start it anew, empty
    Reset,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
