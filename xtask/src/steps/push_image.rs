//! An image in the local Docker → the same image in ECR, with the digest that ECR knows it by.

use anyhow::Context as _;

use crate::clients::docker;
use crate::clients::ecr::Repository;
use crate::failure::Problem;
use crate::names::{Digest, ImageTag};
use crate::plan::Plan;
use crate::session::Session;
use crate::steps::build_image::{BuiltImage, build_image};
use crate::ui::Step;

/// An image that is in ECR.
#[derive(Debug, Clone)]
pub struct PushedImage {
    pub repository: Repository,
    pub tag: ImageTag,
    pub digest: Digest,
}

impl PushedImage {
    pub fn reference(&self) -> String {
        self.repository.reference(&self.tag)
    }
}

/// Builds and pushes what the plan says; what is in ECR already is left as it is.
pub async fn publish(session: &Session, plan: &Plan) -> anyhow::Result<PushedImage> {
    if let Some(digest) = &plan.published {
        let why = format!("{} is in ECR as {}", plan.tag.short(), digest.short());
        session.reporter.skipped(Step::Build, &why);
        return Ok(PushedImage {
            repository: plan.repository.clone(),
            tag: plan.tag.clone(),
            digest: digest.clone(),
        });
    }
    let built = build_image(session, plan).await?;
    push_image(session, plan, built).await
}

async fn push_image(
    session: &Session,
    plan: &Plan,
    built: BuiltImage,
) -> anyhow::Result<PushedImage> {
    let registry = plan.repository.registry();
    let timer = session
        .reporter
        .started(Step::Push, format!("to {registry}"));
    let ecr = session.aws().await.ecr();
    let login = ecr.login().await?;
    let docker = docker::Session::login(registry, &login)?;
    session
        .reporter
        .command(&format!("docker push {}", built.reference));
    let finished = docker
        .push(&built.reference, &session.interrupt, |_| {})
        .await?;
    let shown = format!("docker push {}", built.reference);
    // Somebody else may have published the same commit in the meantime; an immutable tag is then
    // refused, and theirs is as good as ours.
    let refused_as_immutable = finished.tail.iter().any(|line| line.contains("immutable"));
    if !refused_as_immutable || finished.interrupted {
        finished
            .success(&shown)
            .with_context(|| format!("pushing {}", built.reference))?;
    }
    let digest = ecr
        .digest(&plan.repository.name, &built.tag)
        .await?
        .ok_or_else(|| {
            Problem::failed(
                format!("`{shown}` ended well, but ECR does not know {}", built.tag),
                "run the command again",
            )
        })?;
    session.reporter.finished(&timer, digest.as_str());
    Ok(PushedImage {
        repository: plan.repository.clone(),
        tag: built.tag,
        digest,
    })
}
