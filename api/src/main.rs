//! One image, many entrypoints: `api <task> [arguments]` runs a background task, `api` alone serves
//! the HTTP API.

mod background_task;
mod command_line;
mod log;
mod runner;
mod s3;
mod server;
mod stop;
mod tasks;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(command_line::run(std::env::args_os().skip(1).collect()))
}
