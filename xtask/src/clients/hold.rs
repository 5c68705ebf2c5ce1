//! The record of who holds an environment: one S3 object, written and removed under conditions,
//! so that of two people exactly one succeeds.

use anyhow::Context as _;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;

use super::aws::explain;
use crate::hold::Found;
use crate::hold::record::Hold;

/// How often a write that S3 calls a conflict is tried again.
const MAX_ATTEMPTS: usize = 5;

#[derive(Clone)]
pub struct Holds {
    client: Client,
    bucket: String,
    key: String,
    state_key: String,
}

/// What was read, and the ETag under which it may be changed.
#[derive(Debug, Clone)]
pub struct Stored {
    pub found: Found,
    etag: String,
}

/// What a conditional write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    Done,
    /// The object is no longer as it was read: somebody else was first.
    Overtaken,
}

enum Answer {
    Done,
    /// 412, or 404 under If-Match.
    Overtaken,
    /// 409: another write was under way.
    Conflict,
}

impl Stored {
    /// Nothing, as somebody has seen it just now: a write over it creates the record, or is overtaken.
    pub fn nothing() -> Self {
        Stored {
            found: Found::Nothing,
            etag: String::new(),
        }
    }
}

impl Holds {
    /// The record of `environment`, in the bucket that has its Terraform state.
    pub fn new(client: Client, bucket: String, environment: &str, state_key: String) -> Self {
        Holds {
            client,
            bucket,
            key: format!("holds/{environment}.json"),
            state_key,
        }
    }

    pub async fn read(&self) -> anyhow::Result<Stored> {
        let tried = format!("reading who holds the environment from {}", self.place());
        let Some((body, etag)) = self.get(&self.key, &tried).await? else {
            return Ok(Stored::nothing());
        };
        let found = match Hold::read(&body) {
            Ok(hold) => Found::Record(hold),
            Err(why) => Found::Garbled(format!("{}: {why}", self.place())),
        };
        Ok(Stored { found, etag })
    }

    /// Writes in the place of what was read, and only if that is still there.
    pub async fn write(&self, hold: &Hold, over: &Stored) -> anyhow::Result<Written> {
        let body = serde_json::to_vec_pretty(hold).context("the record of a hold")?;
        let tried = format!("writing the hold to {}", self.place());
        for _ in 0..MAX_ATTEMPTS {
            match self.put(body.clone(), over, &tried).await? {
                Answer::Done => return Ok(Written::Done),
                Answer::Overtaken => {
                    // An answer that got lost is asked for again by the SDK, and then S3 refuses
                    // the repetition: our own mark tells that the first one was written.
                    let ours = matches!(self.read().await?.found, Found::Record(now) if now.write == hold.write);
                    return Ok(if ours {
                        Written::Done
                    } else {
                        Written::Overtaken
                    });
                }
                Answer::Conflict => {}
            }
        }
        anyhow::bail!("{tried}: S3 reported a conflict {MAX_ATTEMPTS} times")
    }

    /// Removes what was read, and only if that is still there.
    pub async fn remove(&self, stored: &Stored) -> anyhow::Result<Written> {
        let tried = format!("removing the hold {}", self.place());
        for _ in 0..MAX_ATTEMPTS {
            let answer = self
                .client
                .delete_object()
                .bucket(&self.bucket)
                .key(&self.key)
                .if_match(&stored.etag)
                .send()
                .await;
            match judge(answer.map(drop), &tried)? {
                Answer::Done => return Ok(Written::Done),
                Answer::Overtaken => {
                    // Gone is gone, whoever did it: a lost answer looks the same.
                    let gone = self.read().await?.found == Found::Nothing;
                    return Ok(if gone {
                        Written::Done
                    } else {
                        Written::Overtaken
                    });
                }
                Answer::Conflict => {}
            }
        }
        anyhow::bail!("{tried}: S3 reported a conflict {MAX_ATTEMPTS} times")
    }

    /// The outputs in the environment's Terraform state, in the form of `terraform output -json`;
    /// None when nothing was ever deployed. It is read where it is, which takes no `terraform init`.
    pub async fn deployed_outputs(&self) -> anyhow::Result<Option<Value>> {
        let tried = format!(
            "reading what is deployed from s3://{}/{}",
            self.bucket, self.state_key
        );
        let Some((body, _)) = self.get(&self.state_key, &tried).await? else {
            return Ok(None);
        };
        let mut state: Value = serde_json::from_slice(&body).context(tried)?;
        let outputs = state["outputs"].take();
        Ok(outputs
            .as_object()
            .is_some_and(|outputs| !outputs.is_empty())
            .then_some(outputs))
    }

    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    async fn get(&self, key: &str, tried: &str) -> anyhow::Result<Option<(Vec<u8>, String)>> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let etag = answer.e_tag.clone().unwrap_or_default();
                let body = answer.body.collect().await;
                Ok(Some((
                    body.with_context(|| tried.to_owned())?.to_vec(),
                    etag,
                )))
            }
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(explain(error, tried)),
        }
    }

    async fn put(&self, body: Vec<u8>, over: &Stored, tried: &str) -> anyhow::Result<Answer> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .content_type("application/json")
            .body(ByteStream::from(body));
        let request = if over.etag.is_empty() {
            request.if_none_match("*")
        } else {
            request.if_match(&over.etag)
        };
        judge(request.send().await.map(drop), tried)
    }
}

fn judge<E>(answer: Result<(), SdkError<E>>, tried: &str) -> anyhow::Result<Answer>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Err(error) = answer else {
        return Ok(Answer::Done);
    };
    match error.code() {
        Some("PreconditionFailed" | "NoSuchKey") => Ok(Answer::Overtaken),
        Some("ConditionalRequestConflict" | "OperationAborted") => Ok(Answer::Conflict),
        _ => Err(explain(error, tried)),
    }
}
