//! The object that holds an environment's Terraform state: which version of it is there.

use anyhow::Context as _;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::aws::explain;

pub struct StateObject {
    client: Client,
    place: Place,
}

/// Where the S3 backend keeps the state, as `terraform init` has written it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub bucket: String,
    pub key: String,
}

/// What changes with every write of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub etag: String,
    /// None in a bucket without versioning.
    pub version_id: Option<String>,
}

impl StateObject {
    pub fn new(client: Client, place: Place) -> Self {
        StateObject { client, place }
    }

    /// None when there is no state.
    pub async fn version(&self) -> anyhow::Result<Option<Version>> {
        let answer = self
            .client
            .head_object()
            .bucket(&self.place.bucket)
            .key(&self.place.key)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.e_tag.map(|etag| Version {
                etag,
                version_id: answer.version_id,
            })),
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(None),
            Err(error) => Err(explain(error, &format!("looking at {}", self.shown()))),
        }
    }

    /// The whole state; empty when there is none.
    pub async fn text(&self) -> anyhow::Result<Vec<u8>> {
        let tried = format!("reading {}", self.shown());
        let get = self.client.get_object();
        let get = get.bucket(&self.place.bucket).key(&self.place.key);
        match get.send().await {
            Ok(answer) => Ok(answer.body.collect().await.context(tried)?.to_vec()),
            Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => Ok(Vec::new()),
            Err(error) => Err(explain(error, &tried)),
        }
    }

    /// The outputs in the state, `{name: {value: …}}`, and the version that has them; None when there is
    /// no state.
    pub async fn outputs(&self) -> anyhow::Result<Option<(Value, Version)>> {
        let tried = format!("reading {}", self.shown());
        let answer = self
            .client
            .get_object()
            .bucket(&self.place.bucket)
            .key(&self.place.key)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(explain(error, &tried)),
        };
        let version = Version {
            etag: answer.e_tag.with_context(|| tried.clone())?,
            version_id: answer.version_id,
        };
        let body = answer.body.collect().await.with_context(|| tried.clone())?;
        let mut state: Value =
            serde_json::from_slice(&body.into_bytes()).with_context(|| tried.clone())?;
        Ok(Some((state["outputs"].take(), version)))
    }

    fn shown(&self) -> String {
        format!("s3://{}/{}", self.place.bucket, self.place.key)
    }
}

/// The key of an environment's state, as its root's backend has it.
pub fn key(environment: &str, workspace: &str) -> String {
    in_workspace(format!("ecs-tasks/{environment}.tfstate"), workspace)
}

/// Where the S3 backend puts the state of a workspace.
/// <https://developer.hashicorp.com/terraform/language/backend/s3#workspace_key_prefix>
fn in_workspace(key: String, workspace: &str) -> String {
    match workspace {
        "default" => key,
        workspace => format!("env:/{workspace}/{key}"),
    }
}

/// Reads `terraform.tfstate` of a data directory, where `init` keeps the backend's settings. None for
/// every backend that is not plainly S3 with the credentials and the region of everything else.
pub fn place(settings: &str, region: &str, workspace: &str) -> Option<Place> {
    let settings: Value = serde_json::from_str(settings).ok()?;
    let backend = &settings["backend"];
    if backend["type"] != "s3" {
        return None;
    }
    let mut place = (None, None);
    for (key, value) in backend["config"].as_object()? {
        let empty =
            value.is_null() || *value == false || value.as_array().is_some_and(Vec::is_empty);
        match (key.as_str(), value.as_str()) {
            ("bucket", Some(bucket)) => place.0 = Some(bucket.to_owned()),
            ("key", Some(key)) => place.1 = Some(key.to_owned()),
            ("region", Some(of_backend)) if of_backend == region => {}
            // These say how the state is written, and not where it is.
            (
                "use_lockfile" | "encrypt" | "kms_key_id" | "dynamodb_table" | "acl"
                | "max_retries" | "retry_mode",
                _,
            ) => {}
            _ if empty => {}
            _ => return None,
        }
    }
    Some(Place {
        bucket: place.0?,
        key: in_workspace(place.1?, workspace),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_plain_s3_backend_is_understood() {
        let backend = |kind: &str, extra: Value| {
            let mut config = json!({
                "bucket": "b", "key": "k", "region": "r", "use_lockfile": true, "max_retries": 10,
                "assume_role": null, "endpoints": [], "force_path_style": false,
            });
            for (key, value) in extra.as_object().unwrap() {
                config[key] = value.clone();
            }
            json!({ "version": 3, "backend": { "type": kind, "config": config } }).to_string()
        };
        let expected = Place {
            bucket: "b".into(),
            key: "k".into(),
        };
        let plain = backend("s3", json!({}));
        assert_eq!(place(&plain, "r", "default"), Some(expected));
        let staging = place(&plain, "r", "staging").unwrap();
        assert_eq!(staging.key, "env:/staging/k");
        for (kind, extra) in [
            ("gcs", json!({})),
            ("s3", json!({ "region": "elsewhere" })),
            ("s3", json!({ "role_arn": "arn" })),
            ("s3", json!({ "assume_role": [{ "role_arn": "arn" }] })),
            ("s3", json!({ "profile": "p" })),
            ("s3", json!({ "workspace_key_prefix": "w" })),
            ("s3", json!({ "key": null })),
        ] {
            assert_eq!(
                place(&backend(kind, extra.clone()), "r", "default"),
                None,
                "{kind} {extra}"
            );
        }
        assert_eq!(place("no JSON", "r", "default"), None);
    }
}
