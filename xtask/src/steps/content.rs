//! An image has a second name, by what is in it: its binary and the recipe around it. Under that name a
//! new commit of the same content finds its image, and the upload is saved.
//!
//! ECR's lifecycle expires images and not tags, and `*-dirty-*` is what expires. An image of
//! uncommitted work is therefore another image than that of a commit with the same content: a mark in
//! its manifest gives it a digest of its own, while it shares every layer. So no image ever has both
//! kinds of tags, and each kind has its own content tag: `content-<hash>`, `content-dirty-<hash>`.

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::clients::ecr::{Ecr, Repository};
use crate::clients::image;
use crate::names::{ContentTags, Digest, ImageTag, Platform};
use crate::plan::image::SameContent;
use crate::session::Session;

/// The digest of the content of an image that is assembled around a binary.
pub fn content_of(name: &str, binary: &[u8], platform: Platform) -> anyhow::Result<Digest> {
    let mut hash = Sha256::new();
    hash.update(image::recipe(name, platform)?);
    hash.update(Sha256::digest(binary));
    Ok(Digest::of(&hash.finalize().into()))
}

/// What ECR has of this content.
pub async fn find_same_content(
    ecr: &Ecr,
    repository: &str,
    tags: ContentTags,
) -> anyhow::Result<SameContent> {
    let (own, other) = tokio::try_join!(
        ecr.digest(repository, &tags.own),
        ecr.digest(repository, &tags.other),
    )?;
    Ok(SameContent { tags, own, other })
}

/// Gives a tag to the image of the same content, if ECR has one. One or two PutImage; no build, no
/// upload.
pub async fn tag_same_content(
    session: &Session,
    repository: &Repository,
    tag: &ImageTag,
    tags: &ContentTags,
) -> anyhow::Result<Option<Digest>> {
    let ecr = session.aws().await.ecr();
    let repository = &repository.name;
    let (own, other) = tokio::try_join!(
        ecr.image(repository, &tags.own),
        ecr.image(repository, &tags.other),
    )?;
    let (manifest, digest) = if let Some(own) = own {
        (own.manifest, own.digest)
    } else if let Some(other) = other {
        let manifest = image::marked(&other.manifest, tag.is_dirty())
            .with_context(|| format!("reading the manifest of {}", tags.other))?;
        let digest = image::digest_of(manifest.as_bytes());
        ecr.put_image(repository, &manifest, image::MANIFEST_TYPE, &tags.own)
            .await?;
        (manifest, digest)
    } else {
        return Ok(None);
    };
    let put = ecr
        .put_image(repository, &manifest, image::MANIFEST_TYPE, tag)
        .await?;
    if put {
        return Ok(Some(digest));
    }
    // Somebody took the immutable tag meanwhile; what they published is as good.
    ecr.digest(repository, tag).await
}
