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

use std::process::ExitCode;

use clap::Parser as _;

#[expect(clippy::print_stderr, reason = "the last words of the process")]
fn main() -> ExitCode {
    let cli = cli::Cli::parse();
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
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprint!("{}", failure::render(&error));
            ExitCode::from(failure::exit_code(&error))
        }
    }
}
