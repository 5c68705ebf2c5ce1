//! cargo xtask: parse, run, exit code. A library, so that another repository's three-line crate can
//! depend on it by git; all it offers is [`main`].

mod adopt;
mod catalog;
mod cli;
mod clients;
mod commands;
mod failure;
mod hold;
mod interrupt;
mod layout;
mod names;
mod outcome;
mod plan;
mod record;
mod rounds;
mod sandbox;
mod session;
mod settings;
mod steps;
mod tools;
mod ui;
mod verdict;
mod wiring;

use std::process::ExitCode;

use crate::clients::terraform::provider::serve;
use crate::names::TaskName;
use crate::ui::event::Subject;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

/// The whole tool: reads the process's arguments, and returns its exit code.
pub fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|it| it == serve::ARGUMENT)
    {
        return serve::main();
    }
    let parsed = cli::Cli::command()
        .try_get_matches()
        .and_then(|matches| Ok((cli::Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        // Help is one as well.
        Err(error) => return ui::show_usage(&error),
    };
    // One thread: the steps wait for other processes, and nothing here computes for long.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            ui::last_words(&format!("error: starting the runtime: {error}"));
            return ExitCode::from(failure::Kind::Failed.exit_code());
        }
    };
    let reporter = ui::Reporter::new(commands::ui_options(&cli.global));
    let outcome = runtime.block_on(commands::run(cli, subject(&matches), &reporter));
    ExitCode::from(reporter.end(outcome))
}

/// `try` of a task, `sandbox up` of none.
fn subject(mut matches: &ArgMatches) -> Subject {
    let mut names = Vec::new();
    while let Some((name, inner)) = matches.subcommand() {
        names.push(name);
        matches = inner;
    }
    let task = matches.try_get_one::<TaskName>("task").ok().flatten();
    Subject {
        command: names.join(" "),
        task: task.map(ToString::to_string),
    }
}
