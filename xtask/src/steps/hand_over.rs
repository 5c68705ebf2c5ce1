//! An image from the job that builds it to the job that may push it, as a file and its digest. The
//! first one needs no rights at all; the second runs nothing of what the image is made of.

use std::path::Path;

use anyhow::Context as _;

use crate::clients::docker;
use crate::clients::docker::saved;
use crate::clients::image::archive::Archive;
use crate::clients::registry::Registry;
use crate::failure::{Problem, all_clear};
use crate::names::{Digest, ImageTag};
use crate::plan::image::{tag_of, uncommitted};
use crate::plan::{Goal, Request, wrong_account};
use crate::session::Session;
use crate::settings::Recipe;
use crate::steps::build_image::{BuiltImage, assemble, build_around, build_in_context};
use crate::steps::make_image::{Source, Wanted, make};
use crate::steps::preflight::as_problem;
use crate::steps::push_image::{PushedImage, remember};
use crate::steps::sources::{image_sources, uncommitted_terraform};
use crate::ui::{Step, plural::count};

/// Who made the image that ECR has under a tag?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// It is the one that was given.
    Ours,
    Theirs,
}

/// Builds the image of HEAD and writes it to a file. AWS is not asked for anything.
///
/// # Errors
/// When anything of it, or of the Terraform that a deploy would apply with it, is not committed.
pub async fn build_to_file(session: &Session, file: &Path) -> anyhow::Result<(ImageTag, Digest)> {
    let settings = &session.settings;
    let git = session.git()?;
    let sha = git.head()?.sha;
    let sources = image_sources(settings, &git, &session.interrupt).await?;
    let terraform_changes = uncommitted_terraform(session, &git)?;
    let request = Request {
        task: None,
        goal: Goal::Publish,
        allow_dirty: false,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    };
    let (_, refused) = uncommitted(&request, &sources.differences, &terraform_changes);
    all_clear(refused)?;
    let wanted = Wanted {
        sha: &sha,
        tag: &tag_of(&sha, &sources.differences, &terraform_changes),
        terraform_changes: &terraform_changes,
        allow_dirty: false,
    };
    let made = make(session, &wanted).await?;
    let tag = made.tag;
    let reference = format!("{}:{tag}", settings.ecr_repository);
    let built = match made.source {
        Source::Context(staged) => build_in_context(session, &reference, &tag, &staged).await?,
        Source::Compiled(binary, mut compiled) => {
            compiled.tag = Some(tag.to_string());
            let built = match settings.recipe() {
                Recipe::Assembled => assemble(session, &tag, binary).await?,
                _ => build_around(session, &reference, &tag, &binary).await?,
            };
            remember(session, &compiled);
            built
        }
    };
    let digest = match built {
        BuiltImage::Assembled(image) => {
            image.write(file, &tag)?;
            image.manifest.digest
        }
        BuiltImage::InDocker(reference) => {
            let folder = tempfile::tempdir().context("making a folder for docker's image")?;
            let from = folder.path().join("saved.tar");
            docker::save(&reference, &from, &session.interrupt).await?;
            saved::convert(&from, &tag, file)?
        }
    };
    Ok((tag, digest))
}

/// Pushes the image in a file under the tag of HEAD, whose image it must be.
pub async fn publish_file(
    session: &Session,
    file: &Path,
    digest: &Digest,
) -> anyhow::Result<(PushedImage, Whose)> {
    let settings = &session.settings;
    let image = Archive::open(file, digest)?;
    let tag = ImageTag::of_commit(&session.git()?.head()?.sha);
    if image.tag != tag {
        return Err(Problem::refused(
            format!(
                "{} holds the image of {}, and HEAD is {}",
                file.display(),
                image.tag.short(),
                tag.short()
            ),
            "check out the commit that it was built from",
        )
        .into());
    }
    let aws = session.aws().await;
    let identity = aws.identity().await.map_err(|error| as_problem(&error));
    all_clear(wrong_account(settings, &identity).into_iter().collect())?;
    let ecr = aws.ecr();
    let repository = ecr.repository(&settings.ecr_repository).await?;
    let repository = repository.ok_or_else(|| {
        Problem::failed(
            format!("there is no ECR repository `{}`", settings.ecr_repository),
            "apply infra/foundation once (its README has the steps), or mend ecr_repository in Cargo.toml",
        )
    })?;
    let what = format!("{} to {}", tag.short(), repository.registry());
    let timer = session.reporter.started(Step::Push, what);
    let registry = Registry::new(&repository.uri, Some(&ecr.login().await?))?;
    let mut interrupt = session.interrupt.clone();
    let pushed = tokio::select! {
        pushed = registry.push_archive(&image, &tag) => pushed?,
        () = interrupt.requested() => {
            return Err(Problem::interrupted("interrupted while the image was pushed: nothing names what was uploaded").into());
        }
    };
    let digest = match pushed.tagged {
        true => digest.clone(),
        // The tag cannot be moved: what it names may be this image, or another one of this commit.
        false => ecr
            .digest(&repository.name, &tag)
            .await?
            .with_context(|| format!("ECR has {tag}, and does not say what it is"))?,
    };
    let moved = count(pushed.uploaded, "blob");
    let size = pushed.bytes as f64 / 1e6;
    let done = format!("{digest}, {moved} uploaded ({size:.1} MB)");
    session.reporter.finished(&timer, done);
    let whose = match digest == image.manifest.digest {
        true => Whose::Ours,
        false => Whose::Theirs,
    };
    let image = PushedImage {
        repository,
        tag,
        digest,
        content: None,
        is_new: pushed.tagged,
    };
    Ok((image, whose))
}
