//! Runs a task: the log lines around it, the panic, the stop and the exit code.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime;
use tracing::{error, info, warn};

use crate::background_task::{Context, Exit, Start};
use crate::log;
use crate::stop::Stop;

const EXIT_ERROR: u8 = 1;
/// What a Rust program that panics exits with.
const EXIT_PANIC: u8 = 101;

/// Runs the task to its end and returns the exit code.
pub fn run(name: &str, start: Start) -> u8 {
    log::init(name);
    panic::set_hook(Box::new(report_panic));
    let started = Instant::now();
    info!("task started");

    let give_up = move |code| {
        finish(&Outcome::Stopped { code }, started.elapsed());
        // Somebody at a terminal asked twice; the task does not return.
        std::process::exit(code.into());
    };
    let outcome = match prepare(give_up) {
        Ok((runtime, stop)) => {
            let context = Context::new(Arc::clone(&stop));
            let task = AssertUnwindSafe(|| runtime.block_on(start(context)));
            let ended = panic::catch_unwind(task);
            // Work that the task left behind on other threads does not hold up its end.
            runtime.shutdown_background();
            judge(ended, stop.noticed())
        }
        Err(error) => judge(Ok(Err(error)), None),
    };
    finish(&outcome, started.elapsed());
    outcome.exit_code()
}

fn prepare(give_up: impl FnOnce(u8) + Send + 'static) -> Result<(runtime::Runtime, Arc<Stop>)> {
    let stop = Stop::watch(give_up).context("installing the signal handlers")?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    Ok((runtime.context("starting the async runtime")?, stop))
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Success,
    Stopped { code: u8 },
    Error { error: String, code: u8 },
    Panic { error: String, location: String },
}

impl Outcome {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Stopped { code } | Self::Error { code, .. } => *code,
            Self::Panic { .. } => EXIT_PANIC,
        }
    }
}

/// What the end of the function means; `stopped` is the exit code of a stop that the task noticed.
fn judge(ended: Result<Result<Exit>, Box<dyn Any + Send>>, stopped: Option<u8>) -> Outcome {
    match (ended, stopped) {
        (Err(payload), _) => {
            let location = LAST_PANIC
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            Outcome::Panic {
                error: panic_message(&*payload),
                location,
            }
        }
        (Ok(Err(error)), _) => Outcome::Error {
            error: format!("{error:#}"),
            code: EXIT_ERROR,
        },
        (Ok(Ok(Exit::Done)), Some(code)) => Outcome::Stopped { code },
        (Ok(Ok(Exit::Done | Exit::Code(0))), _) => Outcome::Success,
        (Ok(Ok(Exit::Code(code))), _) => Outcome::Error {
            error: format!("the task chose exit code {code}"),
            code,
        },
    }
}

fn finish(outcome: &Outcome, duration: Duration) {
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let exit_code = outcome.exit_code();
    match outcome {
        Outcome::Success => info!(outcome = "success", duration_ms, exit_code, "task finished"),
        Outcome::Stopped { .. } => {
            warn!(outcome = "stopped", duration_ms, exit_code, "task finished");
        }
        Outcome::Error { error, .. } => {
            error!(
                outcome = "error",
                duration_ms, exit_code, error, "task finished"
            );
        }
        Outcome::Panic { error, location } => {
            error!(
                outcome = "panic",
                duration_ms, exit_code, error, location, "task finished"
            );
        }
    }
}

/// Where the last panic was: its payload, which `catch_unwind` returns, does not tell.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Logs a panic where it happens: one in a spawned task or thread may never reach `judge`.
fn report_panic(info: &panic::PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    error!(error = panic_message(info.payload()), location, "panic");
    *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = location;
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests;
