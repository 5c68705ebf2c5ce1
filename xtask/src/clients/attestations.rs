//! Which images CI built: one S3 object a tag, beside the Terraform state, that names the digest. Only
//! CI's role may write there, so that what stands there is CI's word; anybody may push an image.

use anyhow::Context as _;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};

use super::aws::explain;
use crate::names::aws::RepositoryName;
use crate::names::{EnvironmentName, ImageTag};

pub struct Attestations {
    client: Client,
    place: Place,
}

/// Where the words of CI are kept: those of each environment's role by themselves, since only that
/// role may write them.
pub struct Place {
    /// The one that has the Terraform state.
    pub bucket: String,
    pub repository: RepositoryName,
    pub environment: EnvironmentName,
    /// Others, whose CI is believed as well.
    pub believed: Vec<EnvironmentName>,
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
    pub fn new(client: Client, place: Place) -> Self {
        Attestations { client, place }
    }

    /// What the CI of this environment says of the tag, and that of those that are believed.
    pub async fn of(&self, tag: &ImageTag) -> anyhow::Result<Vec<Attestation>> {
        let own = std::iter::once(&self.place.environment);
        let mut said = Vec::new();
        for environment in own.chain(&self.place.believed) {
            said.extend(self.of_environment(environment, tag).await?);
        }
        Ok(said)
    }

    /// None when it has said nothing of this tag.
    async fn of_environment(
        &self,
        environment: &EnvironmentName,
        tag: &ImageTag,
    ) -> anyhow::Result<Option<Attestation>> {
        let key = self.key(environment, tag);
        let tried = format!("reading what CI says of {}", self.shown(&key, tag));
        let answer = self
            .client
            .get_object()
            .bucket(&self.place.bucket)
            .key(key)
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
        let key = self.key(&self.place.environment, tag);
        let tried = format!("writing that CI built {}", self.shown(&key, tag));
        let body = serde_json::to_vec_pretty(attestation).with_context(|| tried.clone())?;
        self.client
            .put_object()
            .bucket(&self.place.bucket)
            .key(key)
            .content_type("application/json")
            .body(ByteStream::from(body))
            .send()
            .await
            .map(drop)
            .map_err(|error| explain(error, &tried))
    }

    fn key(&self, environment: &EnvironmentName, tag: &ImageTag) -> String {
        format!(
            "attested/{environment}/{}/{tag}.json",
            self.place.repository
        )
    }

    fn shown(&self, key: &str, tag: &ImageTag) -> String {
        format!("{} (s3://{}/{key})", tag.short(), self.place.bucket)
    }
}
