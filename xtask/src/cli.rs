//! The commands and the flags that all of them have, on one page. `args` has what each one takes.

mod args;
mod launch;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use args::*;
pub use launch::{LaunchOptions, OnInterrupt, OnTimeout};

/// Build, deploy, run and watch background tasks on AWS ECS
///
/// One command does the whole loop: `try TASK`. The others are its parts, or look after what is
/// around it. With --sandbox all of them work on a local AWS, without an account. `doctor` says
/// what is missing on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Examples:
  cargo xtask doctor --sandbox
  cargo xtask try my-new-task-name --sandbox

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
    /// Let Terraform start the AWS provider itself, each time that it needs it
    #[arg(long, global = true)]
    pub no_reattach: bool,
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
    /// Try a task on ECS: build, push, apply, check, launch, logs, exit code
    ///
    /// Runs the task as it is in the working tree, uncommitted changes included, and exits with
    /// its exit code. stdout has the task's log, stderr all else. What is done already is skipped.
    /// Refused while auto-deploy could overwrite what is tried, or while somebody else has the
    /// environment.
    #[command(
        after_help = "Examples:\n  cargo xtask try my-new-task-name --sandbox\n  cargo xtask try import-claims -- my-bucket in/claims.csv"
    )]
    Try(Try),

    /// Build the image of HEAD and push it to ECR
    ///
    /// The tag is the full git SHA. An image that is in ECR already is left as it is. A working tree
    /// with uncommitted changes is refused, unless --allow-dirty. stdout has one line: the image's
    /// reference with its digest.
    #[command(
        after_help = "Examples:\n  cargo xtask build-and-publish\n  cargo xtask build-and-publish --allow-dirty --sandbox"
    )]
    BuildAndPublish(BuildAndPublish),

    /// Build the image of HEAD and write it to a file
    ///
    /// For a job that has no rights in AWS: nothing is asked of it. The commit must be all that there
    /// is, for the image is to bear its SHA. stdout has one line, the image's digest, with which
    /// another job can publish the file.
    #[command(
        after_help = "Examples:\n  cargo xtask build --output image.tar\n  cargo xtask build --output image.tar --json"
    )]
    Build(Build),

    /// Push an image that `build` wrote to a file
    ///
    /// It must be the image of HEAD, and the one with this digest. Nothing of what it is made of runs.
    /// --attest records that CI built it, which protected environments ask for. stdout has one line:
    /// the image's reference with its digest.
    #[command(
        after_help = "Examples:\n  cargo xtask publish image.tar --digest sha256:0000000000000000000000000000000000000000000000000000000000000000\n  cargo xtask publish image.tar --attest --digest sha256:0000000000000000000000000000000000000000000000000000000000000000"
    )]
    Publish(Publish),

    /// Apply HEAD's Terraform and image in TEST
    ///
    /// The image must be in ECR (`build-and-publish` puts it there) and auto-deploy must be paused;
    /// otherwise nothing is done. Shows the plan first, and asks when it changes more than the
    /// images of task definitions.
    #[command(
        after_help = "Examples:\n  cargo xtask deploy-test\n  cargo xtask deploy-test --dry-run"
    )]
    DeployTest(Deploy),

    /// Apply HEAD's Terraform and image in an environment
    ///
    /// Does the same as deploy-test, in the environment that --env names. A protected one must be
    /// named twice, and takes only commits of main whose image CI built.
    #[command(
        after_help = "Examples:\n  cargo xtask deploy --env stage --dry-run\n  cargo xtask deploy --env prod --confirm prod"
    )]
    Deploy(Deploy),

    /// Reserve an environment, and pause its auto-deploy
    ///
    /// Nobody else can deploy there or try anything until `release`, or until the time is over. Run
    /// it again to change the time or the reason.
    #[command(
        after_help = "Examples:\n  cargo xtask hold --for 2h --reason 'the new importer'\n  cargo xtask hold --break --reason 'its holder is away'"
    )]
    Hold(Hold),

    /// Show one environment on one screen: what is deployed, who holds it, what runs
    ///
    /// Also whether auto-deploy is paused, when each schedule fires next, and how the last runs
    /// ended. Only asks; what cannot be read says so in its place.
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
    /// Builds and deploys nothing, so that it needs no pause of auto-deploy. stdout has the task's
    /// log; the exit code is the task's own.
    #[command(
        after_help = "Examples:\n  cargo xtask run nightly-report --sandbox\n  cargo xtask run diagnose --detach -e LEVEL=debug -- --sleep 60\n  cargo xtask run nightly-report --count 50"
    )]
    Run(Run),

    /// Show the log of a task's last run, or of a task by its ID
    ///
    /// Shows what is there and ends, also while the task still runs; --follow goes on until it has
    /// stopped. The lines of all its containers are on stdout.
    #[command(
        after_help = "Examples:\n  cargo xtask logs nightly-report\n  cargo xtask logs nightly-report --next"
    )]
    Logs(Logs),

    /// Stop a running task
    ///
    /// ECS sends it SIGTERM, and SIGKILL when it still runs after the stopTimeout of its
    /// definition. `status` and the output of `run` have the IDs.
    #[command(
        after_help = "Examples:\n  cargo xtask stop 0f9de17a6b1b4d5c8f7d2e3a4b5c6d7e\n  cargo xtask stop 0f9de17a6b1b4d5c8f7d2e3a4b5c6d7e --reason 'wrong bucket'"
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

    /// Set up another repository: write the settings and the alias of cargo xtask
    ///
    /// Asks what it cannot find out, unless a flag says it; --env names the first environment. On
    /// request it writes the Terraform template and the workflows, too. Lines are added to Cargo.toml,
    /// .cargo/config.toml and .gitignore; settings, folders and files that exist stay as they are.
    /// Everything is written, or nothing. stdout has the files' names.
    #[command(
        after_help = "Examples:\n  cargo run --package xtask -- init\n  cargo run --package xtask -- init --app shop --aws-account-id 123456789012 --region eu-central-1 --terraform --workflows"
    )]
    Init(Init),

    /// Show every task: its entrypoint, what starts it, its secrets, and what does not fit
    ///
    /// Reads the working tree alone, unless --live asks AWS, too. --check prints only what does not fit and exits with 126 when
    /// anything does: an entrypoint without definition, a command that is no entrypoint, a schedule or
    /// trigger of no task, a size that Fargate does not have, a schedule that EventBridge would refuse.
    #[command(
        after_help = "Examples:\n  cargo xtask tasks\n  cargo xtask tasks --check\n  cargo xtask tasks --live --env stage"
    )]
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

    /// Check that everything is there that the loop needs, with a fix for what is not
    ///
    /// Looks at tools, credentials, the repository, the cluster, the state bucket, GitHub and the
    /// disk, all at once, within two seconds. Changes nothing; exits with 126 when something is missing.
    #[command(
        after_help = "Examples:\n  cargo xtask doctor\n  cargo xtask doctor --sandbox --json"
    )]
    Doctor,

    /// List the last loops: when, what, how long, how they ended
    ///
    /// Every try, run, build, publish and deploy leaves a record under target/xtask/runs; the
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

    /// Fetch the pinned Terraform into target/
    ///
    /// Cargo.toml has its version and hashes, in [workspace.metadata.xtask.tools]. The sandbox
    /// fetches it by itself where no Terraform is on PATH; for a real account it is never fetched
    /// unasked. XTASK_TOOLS_MIRROR names a URL or a folder that has the archives.
    #[command(
        after_help = "Examples:\n  cargo xtask tools install\n  XTASK_TOOLS_MIRROR=/mnt/tools cargo xtask tools install"
    )]
    Tools {
        #[command(subcommand)]
        action: Tools,
    },

    /// Start, stop and look at the local AWS
    ///
    /// Every command with --sandbox starts it when it does not run. Each checkout has its own, with
    /// a stand-in for GitHub. It keeps everything in memory: what stops it empties it.
    #[command(after_help = "Examples:\n  cargo xtask sandbox status\n  cargo xtask sandbox reset")]
    Sandbox {
        #[command(subcommand)]
        action: Sandbox,
    },
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _, Parser as _};

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_paragraph_and_two_examples_that_it_takes() {
        check(&Cli::command(), "cargo xtask");
    }

    fn check(command: &Command, name: &str) {
        let line = command.get_about().unwrap().to_string();
        let help = command.get_long_about().unwrap().to_string();
        assert!(help.len() > line.len() + 40, "{name} has no paragraph");
        let after = command.get_after_help().unwrap().to_string();
        let examples = after.strip_prefix("Examples:\n").unwrap();
        let examples = examples.lines().take_while(|line| !line.is_empty());
        let examples: Vec<&str> = examples.map(str::trim).collect();
        assert!(examples.len() >= 2, "{name} has too few examples");
        for example in examples {
            // Where `init` is run, there is no alias yet.
            let example = &example.replace("cargo run --package xtask --", "cargo xtask");
            assert!(example.contains(name), "not of {name}: {example}");
            let words = words(example);
            assert!(
                Cli::try_parse_from(&words).is_ok(),
                "{name} refuses {words:?}"
            );
        }
        for inner in command
            .get_subcommands()
            .filter(|inner| !inner.is_hide_set())
        {
            check(inner, &format!("{name} {}", inner.get_name()));
        }
    }

    /// As a shell would hand them over: what is not `cargo xtask` itself is cut off.
    fn words(example: &str) -> Vec<String> {
        let start = example.find("cargo xtask ").unwrap() + "cargo ".len();
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in example[start..].chars() {
            match c {
                '\'' => quoted = !quoted,
                ')' | '|' if !quoted => break,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }
}
