//! `cargo xtask build-and-publish`: git HEAD → image → ECR.

use crate::cli::BuildAndPublish;
use crate::plan::{Goal, Request};
use crate::session::Session;
use crate::steps::{preflight::preflight, push_image::publish};

pub async fn run(args: &BuildAndPublish, session: &Session) -> anyhow::Result<u8> {
    let request = Request {
        task: None,
        goal: Goal::Publish,
        allow_dirty: args.allow_dirty,
    };
    let plan = preflight(session, &request).await?;
    if args.dry_run {
        session.reporter.text(plan);
        return Ok(0);
    }
    let image = publish(session, &plan).await?;
    session
        .reporter
        .result(format!("{}@{}", image.reference(), image.digest));
    Ok(0)
}
