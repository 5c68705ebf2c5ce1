//! `diagnose`: what can go wrong with a task on ECS, on demand. It proves that logs, exit codes and
//! stop reasons arrive where they should.

use std::ffi::OsString;
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use std::{env, ptr};

use anyhow::{Context as _, Result};
use clap::Args;
use tracing::{info, warn};

use crate::background_task::{Context, Exit, background_task};
use crate::log;

/// What to do, in the order of this list.
#[derive(Args)]
struct Arguments {
    /// Log the value of this environment variable
    #[arg(long, value_name = "NAME")]
    print_env: Vec<String>,

    /// Print this text as it is, control characters included, and a newline
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    print: Option<OsString>,

    /// Log this many numbered lines
    #[arg(long, value_name = "N", default_value_t = 0)]
    lines: u64,

    /// Fill each of those lines up to this many bytes
    #[arg(long, value_name = "N", default_value_t = 0)]
    line_bytes: usize,

    /// Fill this much memory, and hold it until the end
    #[arg(long, value_name = "N", default_value_t = 0)]
    alloc_mb: usize,

    /// Sleep this many seconds, or until the stop
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    sleep: Option<Duration>,

    /// Sleep on when asked to stop
    #[arg(long)]
    ignore_sigterm: bool,

    /// Panic
    #[arg(long)]
    panic: bool,

    /// Touch memory that is not there
    #[arg(long, conflicts_with = "panic")]
    segfault: bool,

    /// Exit with this code
    #[arg(long, value_name = "N", default_value_t = 0)]
    exit_code: u8,
}

/// Does what can go wrong on ECS: exit codes, many lines, long lines, memory, panics, signals.
#[background_task("diagnose")]
async fn main(arguments: Arguments, context: Context) -> Result<Exit> {
    for name in &arguments.print_env {
        match env::var_os(name) {
            Some(value) => info!(name, value = %value.display(), "environment variable"),
            None => warn!(name, "environment variable is not set"),
        }
    }
    if let Some(text) = &arguments.print {
        log::write(&[text.as_bytes(), b"\n"]);
    }
    print_lines(arguments.lines, arguments.line_bytes);
    let memory = allocate(arguments.alloc_mb)?;
    let stopped = sleep(&arguments, &context).await;
    drop(black_box(memory));
    if stopped {
        info!("cleaning up");
        return Ok(Exit::Done);
    }
    if arguments.panic {
        panic_as_asked();
    }
    if arguments.segfault {
        segfault();
    }
    match arguments.exit_code {
        0 => Ok(Exit::Done),
        code => Ok(Exit::Code(code)),
    }
}

fn seconds(text: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

fn print_lines(count: u64, line_bytes: usize) {
    let _buffered = log::buffered();
    for number in 1..=count {
        let message = format!("line {number} of {count}");
        let padding = line_bytes.saturating_sub(log::line_bytes(&message, "padding"));
        if padding == 0 {
            info!("{message}");
        } else {
            info!(padding = "x".repeat(padding), "{message}");
        }
    }
}

/// Memory counts only when it is touched: every byte is written.
fn allocate(megabytes: usize) -> Result<Vec<u8>> {
    let bytes = megabytes
        .checked_mul(1 << 20)
        .context("more memory than addresses")?;
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(bytes)
        .with_context(|| format!("allocating {megabytes} MB"))?;
    memory.resize(bytes, 1);
    if megabytes > 0 {
        info!(megabytes, "memory allocated");
    }
    Ok(memory)
}

/// Whether the stop ended it.
async fn sleep(arguments: &Arguments, context: &Context) -> bool {
    let Some(duration) = arguments.sleep else {
        return false;
    };
    let slept = tokio::time::sleep(duration);
    if arguments.ignore_sigterm {
        slept.await;
        return false;
    }
    tokio::select! {
        () = slept => false,
        () = context.cancelled() => true,
    }
}

#[allow(clippy::panic, reason = "the user asked for one")]
fn panic_as_asked() -> ! {
    panic!("this panic was asked for");
}

/// A real fault: raising the signal has no effect on the process 1 of a container.
#[allow(unsafe_code, reason = "a fault is what the user asked for")]
fn segfault() {
    // SAFETY: none; the first page is never mapped, so that the kernel answers with SIGSEGV.
    unsafe { ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
}
