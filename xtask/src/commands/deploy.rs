//! `cargo xtask deploy-test` and `deploy --env NAME`: the image of HEAD into an environment.

use crate::cli::Deploy;
use crate::plan::{Goal, Request};
use crate::session::Session;
use crate::steps::apply_terraform::{apply_terraform, confirm, plan_terraform};
use crate::steps::preflight::preflight;
use crate::steps::push_image::publish;
use crate::steps::require_paused::require_paused;

pub async fn run(args: &Deploy, session: &Session) -> anyhow::Result<u8> {
    let request = Request {
        task: None,
        goal: Goal::Deploy,
        allow_dirty: args.allow_dirty,
    };
    let looked = std::time::Instant::now();
    let plan = preflight(session, &request).await?;
    if args.dry_run {
        session.reporter.text(plan);
        return Ok(0);
    }
    // Preflight has refused an image that is not in ECR, so that this finds it and builds nothing.
    let image = publish(session, &plan).await?;
    let change = plan_terraform(session, &plan.tag).await?;
    confirm(session, &change, args.yes)?;
    let paused = require_paused(session, Some(looked)).await?;
    let deployed = apply_terraform(session, change, image, &paused).await?;
    session.reporter.result(deployed.outputs.service_docker_tag);
    Ok(0)
}
