//! The value of one secret, from where `valueFrom` of a task definition points.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::signed::{AwsError, Signed};

/// `from` is the name or ARN of an SSM parameter, or the ARN of a Secrets Manager secret that may end
/// in `:json-key:version-stage:version-id`. The value is in no error.
pub async fn resolve(signed: &Signed, from: &str) -> anyhow::Result<String> {
    if from.contains(":secretsmanager:") {
        return secret(signed, from).await;
    }
    let tried = format!("reading the SSM parameter {from}");
    let body = json!({ "Name": from, "WithDecryption": true });
    let answer = signed
        .json("ssm", "AmazonSSM.GetParameter", &body, &tried)
        .await?;
    let value = answer["Parameter"]["Value"].as_str();
    Ok(value
        .with_context(|| format!("{tried}: it has no value"))?
        .to_owned())
}

/// Whether a secret is there, without reading its value; `from` as in [`resolve`].
///
/// # Errors
///
/// Whatever is not a clear answer: no right to ask, no network.
pub async fn exists(signed: &Signed, from: &str) -> anyhow::Result<bool> {
    if from.contains(":secretsmanager:") {
        let arn = secret_arn(from);
        let tried = format!("asking whether the secret {arn} exists");
        let answer = signed
            .json(
                "secretsmanager",
                "secretsmanager.DescribeSecret",
                &json!({ "SecretId": arn }),
                &tried,
            )
            .await;
        return match answer {
            Ok(_) => Ok(true),
            Err(error) => match error.downcast_ref::<AwsError>() {
                Some(refused) if refused.code == "ResourceNotFoundException" => Ok(false),
                _ => Err(error),
            },
        };
    }
    let tried = format!("asking whether the SSM parameter {from} exists");
    // A SecureString stays encrypted in the answer.
    let body = json!({ "Names": [from], "WithDecryption": false });
    let answer = signed
        .json("ssm", "AmazonSSM.GetParameters", &body, &tried)
        .await?;
    let unknown = answer["InvalidParameters"].as_array();
    Ok(unknown.is_none_or(Vec::is_empty))
}

/// An ARN without what may follow it in `valueFrom`.
fn secret_arn(from: &str) -> String {
    let parts: Vec<&str> = from.split(':').take(7).collect();
    parts.join(":")
}

async fn secret(signed: &Signed, from: &str) -> anyhow::Result<String> {
    let parts: Vec<&str> = from.split(':').collect();
    let arn = secret_arn(from);
    let part = |index: usize| parts.get(index).copied().filter(|part| !part.is_empty());
    let tried = format!("reading the secret {arn}");
    let mut body = json!({ "SecretId": arn });
    for (key, value) in [("VersionStage", part(8)), ("VersionId", part(9))] {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    let answer = signed
        .json(
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            &body,
            &tried,
        )
        .await?;
    let text = answer["SecretString"]
        .as_str()
        .with_context(|| format!("{tried}: it has no text"))?;
    let Some(key) = part(7) else {
        return Ok(text.to_owned());
    };
    let fields: Value = serde_json::from_str(text).ok().with_context(|| {
        format!("{tried}: it is no JSON object, but its key {key} is asked for")
    })?;
    let value = fields[key].as_str();
    Ok(value
        .with_context(|| format!("{tried}: it has no key {key}"))?
        .to_owned())
}
