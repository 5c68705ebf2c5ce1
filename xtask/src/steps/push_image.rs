//! A built image → the same image in ECR, with the digest that ECR knows it by.

use anyhow::Context as _;

use crate::clients::docker;
use crate::clients::ecr::{Login, Repository};
use crate::clients::image::Image;
use crate::clients::registry::Registry;
use crate::failure::Problem;
use crate::names::{Digest, ImageTag};
use crate::plan::Plan;
use crate::session::Session;
use crate::steps::build_image::{BuiltImage, build_image};
use crate::steps::content::{ContentTags, content_tags, tag_same_content};
use crate::ui::{Step, plural::count};

/// An image that is in ECR.
#[derive(Debug, Clone)]
pub struct PushedImage {
    pub repository: Repository,
    pub tag: ImageTag,
    pub digest: Digest,
    /// This call has built it; ECR had it otherwise.
    pub is_new: bool,
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
            is_new: false,
        });
    }
    let content = content_tags(session, plan).await?;
    if let Some(content) = &content
        && let Some(digest) = tag_same_content(session, plan, content).await?
    {
        let why = format!("the same sources are in ECR as {}", digest.short());
        session.reporter.skipped(Step::Build, &why);
        return Ok(PushedImage {
            repository: plan.repository.clone(),
            tag: plan.tag.clone(),
            digest,
            is_new: false,
        });
    }
    let built = build_image(session, plan).await?;
    push_image(session, plan, built, content.as_ref()).await
}

/// Who made the image that ECR has under a tag?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// It is the one that was built here.
    Ours,
    Theirs,
}

/// Builds and pushes, whatever is in ECR.
pub async fn publish_anew(session: &Session, plan: &Plan) -> anyhow::Result<(PushedImage, Whose)> {
    let content = content_tags(session, plan).await?;
    let built = build_image(session, plan).await?;
    let digest = match &built {
        BuiltImage::Assembled(image) => Some(image.manifest.digest.clone()),
        // Docker's digest is known when it is pushed, and a tag that is taken tells nothing of ours.
        BuiltImage::InDocker(_) => None,
    };
    let image = push_image(session, plan, built, content.as_ref()).await?;
    let ours = match digest {
        Some(digest) => digest == image.digest,
        None => plan.published.is_none(),
    };
    Ok((image, if ours { Whose::Ours } else { Whose::Theirs }))
}

async fn push_image(
    session: &Session,
    plan: &Plan,
    built: BuiltImage,
    content: Option<&ContentTags>,
) -> anyhow::Result<PushedImage> {
    let registry = plan.repository.registry();
    let timer = session
        .reporter
        .started(Step::Push, format!("to {registry}"));
    let login = session.aws().await.ecr().login().await?;
    let (digest, moved) = match built {
        BuiltImage::Assembled(image) => push_layers(session, plan, &image, content, &login).await?,
        BuiltImage::InDocker(reference) => (
            docker_push(session, plan, &reference, &login).await?,
            String::new(),
        ),
    };
    session
        .reporter
        .finished(&timer, format!("{digest}{moved}"));
    Ok(PushedImage {
        repository: plan.repository.clone(),
        tag: plan.tag.clone(),
        digest,
        is_new: true,
    })
}

async fn push_layers(
    session: &Session,
    plan: &Plan,
    image: &Image,
    content: Option<&ContentTags>,
    login: &Login,
) -> anyhow::Result<(Digest, String)> {
    let registry = Registry::new(&plan.repository.uri, Some(login))?;
    let mount_from = session.settings.mount_from.as_deref();
    let second_tag = content.map(|content| &content.own);
    let mut interrupt = session.interrupt.clone();
    let pushed = tokio::select! {
        pushed = registry.push(image, &plan.tag, second_tag, mount_from) => pushed?,
        () = interrupt.requested() => {
            return Err(Problem::interrupted("interrupted while the image was pushed: nothing names what was uploaded").into());
        }
    };
    let moved = format!(
        ", {} uploaded ({:.1} MB)",
        count(pushed.uploaded, "blob"),
        pushed.bytes as f64 / 1e6
    );
    if pushed.tagged {
        return Ok((image.manifest.digest.clone(), moved));
    }
    // Somebody else has published the same commit in the meantime; theirs is as good as ours.
    Ok((digest_in_ecr(session, plan).await?, moved))
}

async fn docker_push(
    session: &Session,
    plan: &Plan,
    reference: &str,
    login: &Login,
) -> anyhow::Result<Digest> {
    let docker = docker::Session::login(plan.repository.registry(), login)?;
    let shown = format!("docker push {reference}");
    session.reporter.command(&shown);
    let finished = docker
        .push(reference, &session.interrupt, |line| {
            session.reporter.output(Step::Push, line);
        })
        .await?;
    // Somebody else may have published the same commit in the meantime; an immutable tag is then
    // refused, and theirs is as good as ours.
    let refused_as_immutable = finished.tail.iter().any(|line| line.contains("immutable"));
    if !refused_as_immutable || finished.interrupted {
        finished
            .success(&shown)
            .with_context(|| format!("pushing {reference}"))?;
    }
    digest_in_ecr(session, plan).await
}

async fn digest_in_ecr(session: &Session, plan: &Plan) -> anyhow::Result<Digest> {
    let ecr = session.aws().await.ecr();
    let digest = ecr.digest(&plan.repository.name, &plan.tag).await?;
    Ok(digest.ok_or_else(|| {
        Problem::failed(
            format!("the push ended well, but ECR does not know {}", plan.tag),
            "run the command again",
        )
    })?)
}
