//! S3, for the tasks that read or write it. Configured as every AWS client is: the task's role on
//! ECS, `AWS_ENDPOINT_URL` for an AWS that runs elsewhere.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectMeta};
use object_store::{CredentialProvider, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use serde::Deserialize;

pub struct Bucket {
    name: String,
    store: AmazonS3,
}

impl Bucket {
    pub fn open(name: &str) -> Result<Self> {
        // Only a second call can fail: the first one's provider is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = env::var("AWS_ENDPOINT_URL_S3").or_else(|_| env::var("AWS_ENDPOINT_URL"));
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(name)
            .with_allow_http(endpoint.is_ok_and(|endpoint| endpoint.starts_with("http://")))
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: 4,
                retry_timeout: Duration::from_secs(60),
            });
        if let Some(credentials) = ContainerCredentials::from_env()? {
            builder = builder.with_credentials(Arc::new(credentials));
        }
        let store = builder
            .build()
            .with_context(|| format!("opening the bucket {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            store,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn read(&self, key: &str) -> Result<Vec<u8>> {
        let read = async {
            let object = self.store.get(&Path::parse(key)?).await?;
            anyhow::Ok(object.bytes().await?.into())
        };
        read.await
            .with_context(|| format!("reading s3://{}/{key}", self.name))
    }

    /// Writes the whole object at once: nobody ever reads half of it.
    pub async fn write(&self, key: &str, content: Vec<u8>) -> Result<()> {
        let write = async {
            self.store
                .put(&Path::parse(key)?, PutPayload::from(content))
                .await?;
            anyhow::Ok(())
        };
        write
            .await
            .with_context(|| format!("writing s3://{}/{key}", self.name))
    }

    pub async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>> {
        use futures_util::TryStreamExt;
        let list = async {
            let objects = self.store.list(Some(&Path::parse(folder)?));
            anyhow::Ok(objects.try_collect().await?)
        };
        list.await
            .with_context(|| format!("listing s3://{}/{folder}", self.name))
    }
}

/// Credentials from `AWS_CONTAINER_CREDENTIALS_FULL_URI`, with the token in a variable. All AWS SDKs
/// know this form, object_store knows the others: the relative URI of ECS, the token file of EKS.
#[derive(Debug)]
struct ContainerCredentials {
    client: reqwest::Client,
    uri: String,
    token: Option<String>,
}

impl ContainerCredentials {
    fn from_env() -> Result<Option<Self>> {
        let preferred = [
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        ];
        if preferred.iter().any(|name| env::var_os(name).is_some()) {
            return Ok(None);
        }
        let Ok(uri) = env::var("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
            return Ok(None);
        };
        Ok(Some(Self {
            uri,
            token: env::var("AWS_CONTAINER_AUTHORIZATION_TOKEN").ok(),
            // The token is for the endpoint alone.
            client: reqwest::Client::builder().no_proxy().build()?,
        }))
    }

    async fn fetch(&self) -> Result<AwsCredential> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            access_key_id: String,
            secret_access_key: String,
            token: Option<String>,
        }
        let mut request = self.client.get(&self.uri).timeout(Duration::from_secs(5));
        if let Some(token) = &self.token {
            request = request.header(reqwest::header::AUTHORIZATION, token);
        }
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        let answer: Answer = serde_json::from_slice(&answer)?;
        Ok(AwsCredential {
            key_id: answer.access_key_id,
            secret_key: answer.secret_access_key,
            token: answer.token,
        })
    }
}

#[async_trait::async_trait]
impl CredentialProvider for ContainerCredentials {
    type Credential = AwsCredential;

    /// Asks each time: the endpoint is next door, and so a key that has expired is never used.
    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        match self.fetch().await {
            Ok(credential) => Ok(Arc::new(credential)),
            Err(error) => {
                let source = error
                    .context("asking the container's credentials endpoint")
                    .into();
                Err(object_store::Error::Generic {
                    store: "S3",
                    source,
                })
            }
        }
    }
}
