//! cargo xtask: parse, run, exit code.

mod catalog;
mod cli;
mod clients;
mod commands;
mod failure;
mod interrupt;
mod names;
mod outcome;
mod plan;
mod record;
mod sandbox;
mod session;
mod settings;
mod steps;
mod ui;
mod verdict;
mod wiring;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

#[expect(clippy::print_stderr, reason = "there is no reporter yet")]
fn main() -> ExitCode {
    let matches = cli::Cli::command().get_matches();
    let cli = cli::Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // One thread: the steps wait for other processes, and nothing here computes for long.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: starting the runtime: {error}");
            return ExitCode::from(failure::Kind::Failed.exit_code());
        }
    };
    let reporter = ui::Reporter::new(commands::ui_options(&cli.global));
    let outcome = runtime.block_on(commands::run(cli, command_name(&matches), &reporter));
    ExitCode::from(reporter.end(outcome))
}

/// `try`, `sandbox up`.
fn command_name(matches: &ArgMatches) -> String {
    match matches.subcommand() {
        Some((name, matches)) => format!("{name} {}", command_name(matches))
            .trim_end()
            .to_owned(),
        None => String::new(),
    }
}
