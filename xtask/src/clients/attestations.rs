//! Which images CI built: one S3 object a tag, beside the Terraform state, that names the digest. Only
//! CI's role may write there, so that what stands there is CI's word; anybody may push an image.

use anyhow::Context as _;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};

use super::aws::explain;
use crate::names::ImageTag;

pub struct Attestations {
    client: Client,
    bucket: String,
    repository: String,
}

/// What CI says of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    pub digest: String,
    /// The ARN of the role that built it.
    pub by: String,
    /// The run of the workflow, when it was one.
    pub run: Option<String>,
}

impl Attestations {
    /// Of the images in `repository`, kept in the bucket that has the Terraform state.
    pub fn new(client: Client, bucket: String, repository: &str) -> Self {
        Attestations {
            client,
            bucket,
            repository: repository.to_owned(),
        }
    }

    /// None when CI has said nothing of this tag.
    pub async fn of(&self, tag: &ImageTag) -> anyhow::Result<Option<Attestation>> {
        let tried = format!("reading what CI says of {}", self.shown(tag));
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.key(tag))
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(explain(error, &tried)),
        };
        let body = answer.body.collect().await.with_context(|| tried.clone())?;
        serde_json::from_slice(&body.into_bytes())
            .map(Some)
            .context(tried)
    }

    pub async fn write(&self, tag: &ImageTag, attestation: &Attestation) -> anyhow::Result<()> {
        let tried = format!("writing that CI built {}", self.shown(tag));
        let body = serde_json::to_vec_pretty(attestation).with_context(|| tried.clone())?;
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(tag))
            .content_type("application/json")
            .body(ByteStream::from(body))
            .send()
            .await
            .map(drop)
            .map_err(|error| explain(error, &tried))
    }

    fn key(&self, tag: &ImageTag) -> String {
        format!("attested/{}/{tag}.json", self.repository)
    }

    fn shown(&self, tag: &ImageTag) -> String {
        format!("{} (s3://{}/{})", tag.short(), self.bucket, self.key(tag))
    }
}
