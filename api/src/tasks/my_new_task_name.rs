//! The template: copy this file, rename the task, and name the file in `tasks.rs`.

use anyhow::Result;
use tracing::info;

use crate::background_task::background_task;

/// Says hello: the template to copy for a task of your own.
#[background_task("my-new-task-name")]
async fn main() -> Result<()> {
    info!("Hello from your new background task!");
    Ok(())
}
