//! The image is a function of the tree that goes into it: that tree's hash is a second tag, under
//! which a new commit with the same sources finds its image.
//!
//! ECR's lifecycle expires images and not tags, and `*-dirty-*` is what expires. An image of
//! uncommitted work is therefore another image than that of a commit with the same sources: a mark in
//! its manifest gives it a digest of its own, while it shares every layer. So no image ever has both
//! kinds of tags, and each kind has its own content tag: `content-<hash>`, `content-dirty-<hash>`.

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::clients::image;
use crate::names::{Digest, ImageTag};
use crate::plan::Plan;
use crate::session::Session;
use crate::settings::Builder;
use crate::steps::build_image::build_inputs;
use crate::steps::preflight::image_paths;

/// The two tags of one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentTags {
    /// Of the kind of the plan's own tag.
    pub own: ImageTag,
    pub other: ImageTag,
}

/// From the git tree IDs of what goes into the image, and everything else that decides it. None for
/// what a Dockerfile makes: that depends on more than the tree, on its FROM and on servers of packages.
pub async fn content_tags(session: &Session, plan: &Plan) -> anyhow::Result<Option<ContentTags>> {
    let settings = &session.settings;
    if settings.builder == Builder::Docker {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    hash.update(image::recipe(&settings.package, settings.platform)?);
    hash.update(build_inputs(session).await?);
    for (path, id) in session
        .git()?
        .entries(&plan.tree_id, &image_paths(session))?
    {
        hash.update(format!("{path}\0{id}\n"));
    }
    let hash = Digest::of(&hash.finalize().into());
    let (clean, dirty) = ImageTag::of_content(&hash);
    Ok(Some(if plan.tag.is_dirty() {
        ContentTags {
            own: dirty,
            other: clean,
        }
    } else {
        ContentTags {
            own: clean,
            other: dirty,
        }
    }))
}

/// The tag of an image of the same content, if ECR has one.
pub async fn find_same_content(
    session: &Session,
    plan: &Plan,
    tags: &ContentTags,
) -> anyhow::Result<Option<ImageTag>> {
    let ecr = session.aws().await.ecr();
    let repository = &plan.repository.name;
    let (own, other) = tokio::try_join!(
        ecr.digest(repository, &tags.own),
        ecr.digest(repository, &tags.other),
    )?;
    Ok(match (own, other) {
        (Some(_), _) => Some(tags.own.clone()),
        (None, Some(_)) => Some(tags.other.clone()),
        (None, None) => None,
    })
}

/// Gives the plan's tag to the image of the same content, if ECR has one. One or two PutImage; no
/// build, no upload.
pub async fn tag_same_content(
    session: &Session,
    plan: &Plan,
    tags: &ContentTags,
) -> anyhow::Result<Option<Digest>> {
    let ecr = session.aws().await.ecr();
    let repository = &plan.repository.name;
    let (own, other) = tokio::try_join!(
        ecr.image(repository, &tags.own),
        ecr.image(repository, &tags.other),
    )?;
    let (manifest, digest) = if let Some(own) = own {
        (own.manifest, own.digest)
    } else if let Some(other) = other {
        let manifest = image::marked(&other.manifest, plan.tag.is_dirty())
            .with_context(|| format!("reading the manifest of {}", tags.other))?;
        let digest = image::digest_of(manifest.as_bytes());
        ecr.put_image(repository, &manifest, image::MANIFEST_TYPE, &tags.own)
            .await?;
        (manifest, digest)
    } else {
        return Ok(None);
    };
    let put = ecr
        .put_image(repository, &manifest, image::MANIFEST_TYPE, &plan.tag)
        .await?;
    if put {
        return Ok(Some(digest));
    }
    // Somebody took the immutable tag meanwhile; what they published is as good.
    ecr.digest(repository, &plan.tag).await
}
