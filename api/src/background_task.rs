//! What a background task is: an async function that `#[background_task("name")]` registered.
//!
//! This is all that the author of a task needs to know. How a task is run, logged and stopped is
//! `runner`'s business.

use std::ffi::OsString;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, Command};
use linkme::distributed_slice;

use crate::stop::Stop;

pub use api_macros::background_task;

/// Every registered task, in no particular order: the linker puts the list together.
#[distributed_slice]
pub static TASKS: [Task];

/// A registered task. Only the attribute makes one.
pub struct Task {
    pub name: &'static str,
    /// The first paragraph of the function's doc comment.
    pub doc: &'static str,
    /// The source file, for the test that finds files without a task.
    #[cfg_attr(not(test), allow(dead_code, reason = "only a test reads it"))]
    pub file: &'static str,
    pub prepare: fn(&Task, Vec<OsString>) -> Result<Start, clap::Error>,
}

/// A task with its arguments, ready to run.
pub type Start = Box<dyn FnOnce(Context) -> Pin<Box<dyn Future<Output = Result<Exit>>>>>;

/// What the wrapper hands to a task besides its arguments.
#[derive(Clone)]
pub struct Context {
    stop: Arc<Stop>,
}

impl Context {
    pub(crate) fn new(stop: Arc<Stop>) -> Self {
        Self { stop }
    }

    /// Returns when the task is asked to stop: ECS sends SIGTERM and, after `stopTimeout`, kills.
    ///
    /// A task that returns `Ok(())` after it saw this is reported as stopped, not as a success.
    pub async fn cancelled(&self) {
        self.stop.requested().await;
    }

    /// Whether the task was asked to stop: `cancelled` for a loop that does not wait.
    pub fn is_cancelled(&self) -> bool {
        self.stop.is_requested()
    }
}

/// How a task ends when it ends without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The function returned: a success, or a stop when it saw that one was requested.
    Done,
    /// The task chose its own exit code.
    Code(u8),
}

impl From<()> for Exit {
    fn from((): ()) -> Self {
        Self::Done
    }
}

/// The arguments of a task that takes none.
#[derive(Args)]
pub struct NoArguments {}

/// Parses a task's arguments. The attribute's expansion calls this.
pub fn prepare<A, Run, Running>(
    task: &Task,
    words: Vec<OsString>,
    run: Run,
) -> Result<Start, clap::Error>
where
    A: Args + 'static,
    Run: FnOnce(A, Context) -> Running + 'static,
    Running: Future<Output = Result<Exit>> + 'static,
{
    let command = Command::new(task.name)
        .bin_name(format!("api {}", task.name))
        .about(task.doc)
        .no_binary_name(true);
    let matches = A::augment_args(command)
        .about(task.doc)
        .try_get_matches_from(words)?;
    let arguments = A::from_arg_matches(&matches)?;
    Ok(Box::new(|context| Box::pin(run(arguments, context))))
}
