//! The options of everything that launches a task. No logic.

use clap::{Args, ValueEnum};

use crate::names::TaskName;

#[derive(Debug, Args)]
pub struct LaunchOptions {
    /// The task, as tasks.tf names it
    #[arg(value_parser = TaskName::parse)]
    pub task: TaskName,
    /// Arguments of the task
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
    /// Who launches it; git's user.name otherwise
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// A variable for this run alone (no secrets: ECS shows it to everybody)
    #[arg(long = "env-var", short, value_name = "KEY=VALUE", value_parser = key_value)]
    pub environment: Vec<(String, String)>,
    /// CPU units of this run, 1024 to a vCPU
    #[arg(long, value_name = "UNITS")]
    pub cpu: Option<u32>,
    /// Memory of this run in MiB
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
    /// Start another task, although the same run (task, image, arguments, author) is on its way
    ///
    /// Without it, a run that is still on its way is attached to, from whichever machine it was
    /// started.
    #[arg(long)]
    pub again: bool,
    /// Wait no longer than this for the end (90s, 10m, 2h); as long as it runs otherwise
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub timeout: Option<std::time::Duration>,
    /// What becomes of the task when --timeout is over; the exit code is 124
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub on_timeout: OnTimeout,
    /// What becomes of the task at Ctrl-C or SIGTERM [default: ask on a terminal, stop elsewhere]
    ///
    /// A second Ctrl-C leaves at once; the task then goes on, or finishes its stop.
    #[arg(long, value_name = "WHAT")]
    pub on_interrupt: Option<OnInterrupt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnTimeout {
    /// Stop the task and wait for its end
    Stop,
    /// Leave it running
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnInterrupt {
    /// Stop the task and wait for its end; exits with 130
    Stop,
    /// Leave it running and say how to find it; exits with 122
    Detach,
    /// Ask, on a terminal: stop, detach or keep waiting
    Ask,
}

pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
