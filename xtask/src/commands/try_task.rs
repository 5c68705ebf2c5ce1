//! `cargo xtask try TASK`: the whole loop.

use std::time::Instant;

use crate::cli::Try;
use crate::commands::run::{wait, wishes};
use crate::commands::watch;
use crate::plan::{Goal, Request};
use crate::session::Session;
use crate::steps::apply_terraform::{apply_terraform, confirm, plan_terraform};
use crate::steps::follow_task::follow_task;
use crate::steps::launch_task::launch_task;
use crate::steps::preflight::preflight;
use crate::steps::push_image::publish;
use crate::steps::require_paused::require_paused;
use crate::verdict::verdict;

pub async fn run(args: &Try, session: &Session) -> anyhow::Result<u8> {
    if args.watch {
        watch::run(args, session).await
    } else {
        once(args, session).await
    }
}

pub async fn once(args: &Try, session: &Session) -> anyhow::Result<u8> {
    let task = &args.launch.task;
    let request = Request {
        task: Some(task.to_string()),
        goal: Goal::Try,
        allow_dirty: true,
    };
    let looked = Instant::now();
    let plan = preflight(session, &request).await?;
    if args.dry_run {
        session.reporter.text(plan);
        return Ok(0);
    }
    // The tag is known before the build, so that Terraform plans beside it.
    let (image, change) =
        tokio::try_join!(publish(session, &plan), plan_terraform(session, &plan.tag))?;
    confirm(session, &change, args.yes)?;
    let paused = require_paused(session, Some(looked)).await?;
    let deployed = apply_terraform(session, change, image, &paused).await?;
    let paused = require_paused(session, None).await?;
    let running = launch_task(
        session,
        &deployed.outputs,
        task,
        &wishes(&args.launch, session),
        Some(&paused),
    )
    .await?;
    let wait = wait(&args.launch);
    let end = follow_task(session, &running, wait, Some(&deployed.image.digest)).await?;
    let verdict = verdict(&end);
    session.reporter.verdict(&verdict);
    Ok(verdict.exit_code)
}
