//! `cargo xtask build-and-publish`: git HEAD → image → ECR.

use serde_json::json;

use crate::cli::BuildAndPublish;
use crate::plan::{Goal, Request};
use crate::session::Session;
use crate::steps::preflight::preflight;
use crate::steps::push_image::{PushedImage, publish};

pub async fn run(args: &BuildAndPublish, session: &Session) -> anyhow::Result<u8> {
    let request = Request {
        task: None,
        goal: Goal::Publish,
        allow_dirty: args.allow_dirty,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    };
    let plan = preflight(session, &request).await?;
    if args.dry_run {
        session.reporter.text(plan);
        return Ok(0);
    }
    let image = publish(session, &plan).await?;
    answer(session, &image);
    Ok(0)
}

/// What is in ECR now.
pub fn answer(session: &Session, image: &PushedImage) {
    let reference = format!("{}@{}", image.reference(), image.digest);
    session.reporter.answer(
        &json!({
            "image": reference,
            "tag": image.tag.as_str(),
            "digest": image.digest.as_str(),
        }),
        &reference,
    );
}
