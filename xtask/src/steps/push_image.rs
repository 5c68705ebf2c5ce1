//! A built image → the same image in ECR, with the digest that ECR knows it by.

use anyhow::Context as _;

use crate::clients::docker;
use crate::clients::ecr::{Login, Repository};
use crate::clients::image::{Image, digest_of};
use crate::clients::registry::Registry;
use crate::failure::Problem;
use crate::names::{ContentTags, Digest, ImageTag};
use crate::plan::Plan;
use crate::plan::image::ImagePlan;
use crate::session::Session;
use crate::settings::Recipe;
use crate::steps::build_image::{BuiltImage, assemble, build_around, build_in_context};
use crate::steps::content::tag_same_content;
use crate::steps::make_image::{Made, Source, Wanted, make};
use crate::steps::sources::compiled::Compiled;
use crate::ui::{Step, plural::count};

/// An image that is in ECR.
#[derive(Debug, Clone)]
pub struct PushedImage {
    pub repository: Repository,
    pub tag: ImageTag,
    pub digest: Digest,
    /// The name of its content, which other tags may have as well.
    pub content: Option<ImageTag>,
    /// This call has built it; ECR had it otherwise.
    pub is_new: bool,
}

impl PushedImage {
    pub fn reference(&self) -> String {
        self.repository.reference(&self.tag)
    }

    /// One that ECR has.
    pub fn found(plan: &Plan, digest: &Digest, content: Option<ImageTag>) -> Self {
        PushedImage {
            repository: plan.repository.clone(),
            tag: plan.tag.clone(),
            digest: digest.clone(),
            content,
            is_new: false,
        }
    }
}

/// Gets the image into ECR in the way that the plan says; what is there already is left as it is. The
/// tag is the plan's, unless the compiler read what nobody could know of before.
pub async fn publish(session: &Session, plan: &Plan) -> anyhow::Result<PushedImage> {
    match &plan.image {
        ImagePlan::Published {
            digest, content, ..
        } => {
            session.reporter.skipped(Step::Build, plan.build().why());
            Ok(PushedImage::found(plan, digest, content.clone()))
        }
        ImagePlan::SameContent(same) => {
            let tags = &same.tags;
            match tag_same_content(session, &plan.repository, &plan.tag, tags).await? {
                Some(digest) => {
                    let why = format!("the same content is in ECR as {}", digest.short());
                    session.reporter.skipped(Step::Build, &why);
                    Ok(PushedImage::found(plan, &digest, Some(tags.own.clone())))
                }
                // It has gone from ECR since.
                None => build_and_push(session, plan).await,
            }
        }
        ImagePlan::Build(_) | ImagePlan::Ask(_) => build_and_push(session, plan).await,
    }
}

async fn build_and_push(session: &Session, plan: &Plan) -> anyhow::Result<PushedImage> {
    let made = make(session, &Wanted::of(plan)).await?;
    push(session, plan, made).await
}

async fn push(session: &Session, plan: &Plan, made: Made) -> anyhow::Result<PushedImage> {
    let Made { mut tag, source } = made;
    let published = if tag == plan.tag {
        plan.published.clone()
    } else {
        let ecr = session.aws().await.ecr();
        ecr.digest(&plan.repository.name, &tag).await?
    };
    let (built, compiled) = match source {
        Source::Context(staged) => {
            if let Some(digest) = published {
                return Ok(in_ecr(session, plan, &tag, digest, None));
            }
            let reference = plan.repository.reference(&tag);
            let built = build_in_context(session, &reference, &tag, &staged).await?;
            (built, None)
        }
        Source::Compiled(binary, mut compiled) => {
            let content = compiled.content.as_deref().map(Digest::parse);
            let content = content.transpose().map_err(anyhow::Error::msg)?;
            // What a Dockerfile makes depends on more than we know: its FROM, servers of packages.
            let assembled = session.settings.recipe() == Recipe::Assembled;
            let tags = content.filter(|_| assembled);
            let tags = tags.map(|content| ContentTags::of(&content, tag.is_dirty()));
            compiled.tag = Some(tag.to_string());
            let there = published.as_ref();
            if let Some(digest) = reused(session, plan, &compiled, there, tags.as_ref()).await? {
                remember(session, &compiled);
                let content = tags.map(|tags| tags.own);
                return Ok(in_ecr(session, plan, &tag, digest, content));
            }
            if published.is_some() && tag.is_dirty() {
                // The same changes compiled in another environment: another image, and a tag of its own.
                let own = format!("{tag} {:?}", compiled.content);
                tag = ImageTag::of_changes(&plan.sha, &digest_of(own.as_bytes()));
                compiled.tag = Some(tag.to_string());
            }
            let built = match session.settings.recipe() {
                Recipe::Assembled => assemble(session, &tag, binary).await?,
                _ => {
                    let reference = plan.repository.reference(&tag);
                    build_around(session, &reference, &tag, &binary).await?
                }
            };
            (built, Some((compiled, tags)))
        }
    };
    let tags = compiled.as_ref().and_then(|(_, tags)| tags.clone());
    let image = push_image(session, plan, &tag, built, tags.as_ref()).await?;
    if let Some((compiled, _)) = compiled {
        remember(session, &compiled);
    }
    Ok(image)
}

/// For the next call. One that cannot be kept costs it a question to cargo, and no more.
pub fn remember(session: &Session, compiled: &Compiled) {
    if let Err(error) = compiled.write(&session.settings) {
        let why = format!("the next call will ask cargo again: {error:#}");
        session.reporter.detail(Step::Build, why);
    }
}

/// The digest of an image in ECR that holds just what was compiled, now with this tag.
async fn reused(
    session: &Session,
    plan: &Plan,
    compiled: &Compiled,
    published: Option<&Digest>,
    tags: Option<&ContentTags>,
) -> anyhow::Result<Option<Digest>> {
    let ecr = session.aws().await.ecr();
    let tag = compiled.tag.as_deref().unwrap_or_default();
    let tag = &ImageTag::parse(tag).map_err(anyhow::Error::msg)?;
    match (published, tags) {
        // A commit's image is that commit's, whichever compiler made it.
        (Some(digest), _) if !tag.is_dirty() => Ok(Some(digest.clone())),
        (Some(digest), Some(tags)) => {
            let same = ecr.digest(&plan.repository.name, &tags.own).await?;
            Ok(same.filter(|same| same == digest))
        }
        (None, Some(tags)) => tag_same_content(session, &plan.repository, tag, tags).await,
        (Some(digest), None) => {
            let last = Compiled::find(&session.settings);
            let same = last
                .is_some_and(|last| last.tag == compiled.tag && last.content == compiled.content);
            Ok(same.then(|| digest.clone()))
        }
        (None, None) => Ok(None),
    }
}

fn in_ecr(
    session: &Session,
    plan: &Plan,
    tag: &ImageTag,
    digest: Digest,
    content: Option<ImageTag>,
) -> PushedImage {
    let why = format!("the same content is in ECR as {}", digest.short());
    session.reporter.skipped(Step::Push, &why);
    PushedImage {
        tag: tag.clone(),
        ..PushedImage::found(plan, &digest, content)
    }
}

async fn push_image(
    session: &Session,
    plan: &Plan,
    tag: &ImageTag,
    built: BuiltImage,
    content: Option<&ContentTags>,
) -> anyhow::Result<PushedImage> {
    let registry = plan.repository.registry();
    let timer = session
        .reporter
        .started(Step::Push, format!("to {registry}"));
    let login = session.aws().await.ecr().login().await?;
    let (digest, moved) = match built {
        BuiltImage::Assembled(image) => {
            push_layers(session, plan, (tag, content), &image, &login).await?
        }
        BuiltImage::InDocker(reference) => (
            docker_push(session, plan, tag, &reference, &login).await?,
            String::new(),
        ),
    };
    session
        .reporter
        .finished(&timer, format!("{digest}{moved}"));
    Ok(PushedImage {
        repository: plan.repository.clone(),
        tag: tag.clone(),
        digest,
        content: content.map(|tags| tags.own.clone()),
        is_new: true,
    })
}

async fn push_layers(
    session: &Session,
    plan: &Plan,
    (tag, content): (&ImageTag, Option<&ContentTags>),
    image: &Image,
    login: &Login,
) -> anyhow::Result<(Digest, String)> {
    let registry = Registry::new(&plan.repository.uri, Some(login))?;
    let mount_from = session.settings.mount_from.as_deref();
    let second_tag = content.map(|content| &content.own);
    let mut interrupt = session.interrupt.clone();
    let pushed = tokio::select! {
        pushed = registry.push(image, tag, second_tag, mount_from) => pushed?,
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
    Ok((digest_in_ecr(session, plan, tag).await?, moved))
}

async fn docker_push(
    session: &Session,
    plan: &Plan,
    tag: &ImageTag,
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
    digest_in_ecr(session, plan, tag).await
}

async fn digest_in_ecr(session: &Session, plan: &Plan, tag: &ImageTag) -> anyhow::Result<Digest> {
    let ecr = session.aws().await.ecr();
    let digest = ecr.digest(&plan.repository.name, tag).await?;
    Ok(digest.ok_or_else(|| {
        Problem::failed(
            format!("the push ended well, but ECR does not know {tag}"),
            "run the command again",
        )
    })?)
}
