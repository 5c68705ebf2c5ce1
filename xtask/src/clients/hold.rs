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
use crate::interrupt::Interrupt;
use crate::rounds::{RACE, Rounds};

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
    /// The object is no longer as it was read, says S3 in these words: somebody else was first.
    Overtaken(String),
}

enum Answer {
    Done,
    /// 412, or 404 under If-Match.
    Overtaken(String),
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
        let mut rounds = conflicts(&tried);
        while rounds.again().await? {
            match self.put(body.clone(), over, &tried).await? {
                Answer::Done => return Ok(Written::Done),
                Answer::Overtaken(words) => {
                    // An answer that got lost is asked for again by the SDK, and then S3 refuses
                    // the repetition: our own mark tells that the first one was written.
                    let ours = matches!(self.read().await?.found, Found::Record(now) if now.write == hold.write);
                    return Ok(if ours {
                        Written::Done
                    } else {
                        Written::Overtaken(words)
                    });
                }
                Answer::Conflict => {}
            }
        }
        Err(conflict(&tried))
    }

    /// Removes what was read, and only if that is still there.
    pub async fn remove(&self, stored: &Stored) -> anyhow::Result<Written> {
        let tried = format!("removing the hold {}", self.place());
        let mut rounds = conflicts(&tried);
        while rounds.again().await? {
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
                Answer::Overtaken(words) => {
                    // Gone is gone, whoever did it: a lost answer looks the same.
                    let gone = self.read().await?.found == Found::Nothing;
                    return Ok(if gone {
                        Written::Done
                    } else {
                        Written::Overtaken(words)
                    });
                }
                Answer::Conflict => {}
            }
        }
        Err(conflict(&tried))
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

    pub fn place(&self) -> String {
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

/// Some seconds, and not to be given up half-way: what became of a write must be known.
fn conflicts(tried: &str) -> Rounds {
    RACE.rounds(&Interrupt::never(), tried)
}

fn conflict(tried: &str) -> anyhow::Error {
    anyhow::anyhow!("{tried}: S3 reported a conflict {} times", RACE.count())
}

fn judge<E>(answer: Result<(), SdkError<E>>, tried: &str) -> anyhow::Result<Answer>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Err(error) = answer else {
        return Ok(Answer::Done);
    };
    match error.code() {
        Some(code @ ("PreconditionFailed" | "NoSuchKey")) => {
            let message = error.message().unwrap_or("no further words");
            Ok(Answer::Overtaken(format!("{code}: {message}")))
        }
        Some("ConditionalRequestConflict" | "OperationAborted") => Ok(Answer::Conflict),
        _ => Err(explain(error, tried)),
    }
}
