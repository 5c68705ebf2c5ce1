//! The image registry: is a tag there, what is its digest, and how to log in.

use anyhow::Context as _;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::SdkError;
use aws_sdk_ecr::types::ImageIdentifier;
use base64::Engine as _;

use super::aws::explain;
use super::image::MANIFEST_TYPE;
use crate::failure::Problem;
use crate::names::{Digest, ImageTag};

pub struct Ecr {
    client: Client,
}

/// A repository as its URI names it: `<registry host>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub name: String,
    pub uri: String,
}

impl Repository {
    /// The registry's host (and port), which the URI says and nobody composes.
    pub fn registry(&self) -> &str {
        self.uri.split('/').next().unwrap_or_default()
    }

    pub fn reference(&self, tag: &ImageTag) -> String {
        format!("{}:{tag}", self.uri)
    }
}

/// An image as ECR has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub digest: Digest,
    pub manifest: String,
}

/// The password is never shown: the type has no Debug.
pub struct Login {
    pub username: String,
    pub password: String,
}

impl Ecr {
    pub fn new(client: Client) -> Self {
        Ecr { client }
    }

    /// None when the repository does not exist.
    pub async fn repository(&self, name: &str) -> anyhow::Result<Option<Repository>> {
        let tried = format!("looking up the ECR repository `{name}`");
        let answer = match self
            .client
            .describe_repositories()
            .repository_names(name)
            .send()
            .await
        {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(error))
                if error.err().is_repository_not_found_exception() =>
            {
                return Ok(None);
            }
            Err(error) => return Err(explain(error, &tried)),
        };
        let uri = answer
            .repositories()
            .first()
            .and_then(|repository| repository.repository_uri());
        let uri = uri
            .with_context(|| format!("{tried}: ECR gave no URI"))?
            .to_owned();
        Ok(Some(Repository {
            name: name.to_owned(),
            uri,
        }))
    }

    /// The digest under a tag; None when the tag is not there. BatchGetImage, since it answers for
    /// an absent tag without an error and since it is what roles that only pull may call.
    pub async fn digest(&self, repository: &str, tag: &ImageTag) -> anyhow::Result<Option<Digest>> {
        let tried = format!("looking up `{repository}:{}` in ECR", tag.short());
        let answer = self
            .client
            .batch_get_image()
            .repository_name(repository)
            .image_ids(ImageIdentifier::builder().image_tag(tag.as_str()).build())
            .send()
            .await
            .map_err(|error| explain(error, &tried))?;
        let image = answer.images().first();
        let digest = image.and_then(|image| image.image_id()?.image_digest());
        digest
            .map(|digest| Digest::parse(digest).map_err(anyhow::Error::msg))
            .transpose()
            .context(tried)
    }

    /// The image of ours under a tag, with its manifest; None when the tag is not there.
    pub async fn image(&self, repository: &str, tag: &ImageTag) -> anyhow::Result<Option<Stored>> {
        let tried = format!("looking for `{repository}:{tag}` in ECR");
        let answer = self
            .client
            .batch_get_image()
            .repository_name(repository)
            .image_ids(ImageIdentifier::builder().image_tag(tag.as_str()).build())
            .accepted_media_types(MANIFEST_TYPE)
            .send()
            .await
            .map_err(|error| explain(error, &tried))?;
        let image = answer.images.unwrap_or_default().into_iter().next();
        Ok(image.and_then(|image| {
            Some(Stored {
                digest: Digest::parse(&image.image_id?.image_digest?).ok()?,
                manifest: image.image_manifest?,
            })
        }))
    }

    /// Gives a tag to an image whose layers are in the repository. False when the tag is taken and
    /// cannot be moved.
    pub async fn put_image(
        &self,
        repository: &str,
        manifest: &str,
        media_type: &str,
        tag: &ImageTag,
    ) -> anyhow::Result<bool> {
        let answer = self
            .client
            .put_image()
            .repository_name(repository)
            .image_manifest(manifest)
            .image_manifest_media_type(media_type)
            .image_tag(tag.as_str())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error))
                if error.err().is_image_tag_already_exists_exception()
                    || error.err().is_image_already_exists_exception() =>
            {
                Ok(false)
            }
            Err(error) => Err(explain(
                error,
                &format!("tagging an image of `{repository}` as {}", tag.short()),
            )),
        }
    }

    /// A login for docker, good for twelve hours.
    pub async fn login(&self) -> anyhow::Result<Login> {
        let tried = "asking ECR for a login";
        let answer = self
            .client
            .get_authorization_token()
            .send()
            .await
            .map_err(|error| explain(error, tried))?;
        let data = answer.authorization_data();
        let token = data
            .first()
            .and_then(|data| data.authorization_token())
            .context(tried)?;
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| {
                text.split_once(':')
                    .map(|(user, password)| (user.to_owned(), password.to_owned()))
            });
        let (username, password) = decoded.ok_or_else(|| {
            Problem::failed(
                "ECR's login token has an unknown form",
                "report this as a bug",
            )
        })?;
        Ok(Login { username, password })
    }
}
