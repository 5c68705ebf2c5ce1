//! S3: one object put and taken away again, and whether its bucket tells EventBridge.

use super::signed::{AwsError, Signed, encoded};

pub struct Objects {
    signed: Signed,
}

/// What a bucket does with its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notifies {
    EventBridge,
    Nobody,
    NoSuchBucket,
}

impl Objects {
    pub fn new(signed: Signed) -> Self {
        Objects { signed }
    }

    pub async fn notifies(&self, bucket: &str) -> anyhow::Result<Notifies> {
        let tried = format!("asking S3 whom the bucket {bucket} tells of new objects");
        let answer = self
            .signed
            .send(
                "s3",
                "GET",
                &format!("/{bucket}?notification="),
                &[],
                &[],
                &tried,
            )
            .await?
            .success(&tried);
        match answer {
            Ok(answer) if answer.body.contains("EventBridgeConfiguration") => {
                Ok(Notifies::EventBridge)
            }
            Ok(_) => Ok(Notifies::Nobody),
            Err(error) => match error.downcast_ref::<AwsError>() {
                Some(found) if found.code == "NoSuchBucket" => Ok(Notifies::NoSuchBucket),
                _ => Err(error),
            },
        }
    }

    /// Returns the version, when the bucket keeps versions.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        body: &[u8],
    ) -> anyhow::Result<Option<String>> {
        let tried = format!("uploading s3://{bucket}/{key}");
        let path = format!("/{bucket}/{}", encoded(key, true));
        let answer = self
            .signed
            .send("s3", "PUT", &path, &[], body, &tried)
            .await?
            .success(&tried)?;
        Ok(answer.version_id.filter(|version| version != "null"))
    }

    /// Deletes the version that was put, so that nothing of it remains.
    pub async fn delete(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> anyhow::Result<()> {
        let tried = format!("deleting s3://{bucket}/{key}");
        let mut path = format!("/{bucket}/{}", encoded(key, true));
        if let Some(version) = version {
            path.push_str(&format!("?versionId={}", encoded(version, false)));
        }
        self.signed
            .send("s3", "DELETE", &path, &[], &[], &tried)
            .await?
            .success(&tried)
            .map(drop)
    }
}
