//! One thin file per command; each returns the process's exit code.

mod auto_deploy;
mod build;
mod build_and_publish;
mod completions;
mod deploy;
mod doctor;
mod history;
mod hold;
mod init;
mod local;
mod logs;
mod new_task;
mod publish;
mod record;
mod release;
mod report;
mod run;
mod sandbox;
mod status;
mod stop;
mod tasks;
mod trigger;
mod try_isolated;
mod try_task;
mod watch;

use crate::cli::{self, Cli, Command, Global, Tools};
use crate::session::{Invocation, Session};
use crate::tools;
use crate::ui::event::Subject;
use crate::ui::{Json, Options, Reporter};

pub async fn run(cli: Cli, subject: Subject, reporter: &Reporter) -> anyhow::Result<u8> {
    let mut global = Invocation {
        subject,
        options: cli.global,
        reporter: reporter.clone(),
    };
    match cli.command {
        Command::Sandbox { action } => {
            sandbox::run(action, &Session::open_without_sandbox(&global)?).await
        }
        Command::Tools {
            action: Tools::Install,
        } => {
            let session = Session::open_without_sandbox(&global)?;
            tools::install(&session.settings, &session.reporter, &session.interrupt).await
        }
        Command::BuildAndPublish(args) => {
            build_and_publish::run(&args, &Session::open(&global).await?).await
        }
        Command::Build(args) => {
            // Nothing of AWS is asked.
            build::run(&args, &Session::open_without_sandbox(&global)?).await
        }
        Command::Publish(args) => publish::run(&args, &Session::open(&global).await?).await,
        Command::DeployTest(args) => {
            global.options.env = Some("test".to_owned());
            deploy::run(&args, &Session::open(&global).await?).await
        }
        Command::Deploy(args) => deploy::run(&args, &Session::open(&global).await?).await,
        Command::Try(args) => try_task::run(&args, &Session::open(&global).await?).await,
        Command::Hold(args) => hold::run(&args, &Session::open(&global).await?).await,
        Command::Status => status::run(&Session::open(&global).await?).await,
        Command::Release(args) => release::run(&args, &Session::open(&global).await?).await,
        Command::Run(args) => run::run(&args, &Session::open(&global).await?).await,
        Command::Logs(args) => logs::run(&args, &Session::open(&global).await?).await,
        Command::Record(args) => record::run(&args, &Session::open(&global).await?).await,
        Command::Stop(args) => stop::run(&args, &Session::open(&global).await?).await,
        Command::NewTask(args) => new_task::run(&args, &Session::open_without_sandbox(&global)?),
        Command::Local(args) => {
            // Without AWS nothing of it is started.
            let session = if args.needs_aws() {
                Session::open(&global).await?
            } else {
                Session::open_without_sandbox(&global)?
            };
            local::run(&args, &session).await
        }
        Command::Trigger { action } => trigger::run(&action, &Session::open(&global).await?).await,
        Command::Tasks(args) => {
            // Without --live it is offline, and starts nothing.
            let session = if args.live {
                Session::open(&global).await?
            } else {
                Session::open_without_sandbox(&global)?
            };
            tasks::run(&args, &session).await
        }
        Command::Init(args) => init::run(&args, &global),
        Command::Doctor => doctor::run(&global).await,
        Command::History(args) => history::run(&args, &Session::open_without_sandbox(&global)?),
        Command::Report(args) => report::run(&args, &Session::open_without_sandbox(&global)?),
        Command::Completions { shell } => Ok(completions::script(shell, &global)),
        Command::Complete { words } => Ok(completions::complete(&words, &global)),
        Command::AutoDeploy { action } => {
            auto_deploy::run(action, &Session::open(&global).await?).await
        }
    }
}

/// How the outputs are to be used.
pub fn ui_options(global: &Global) -> Options {
    Options {
        raw_logs: global.raw,
        verbose: global.verbose,
        json: match global.json {
            None => Json::No,
            Some(cli::Json::Document) => Json::Document,
            Some(cli::Json::Events) => Json::Events,
        },
        color: match global.color {
            cli::Color::Auto => None,
            cli::Color::Always => Some(true),
            cli::Color::Never => Some(false),
        },
    }
}
