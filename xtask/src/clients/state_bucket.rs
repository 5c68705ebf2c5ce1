//! Is the bucket of Terraform's state there? AWS is asked without credentials: S3 answers 404 for a
//! bucket that does not exist and 403 for one that is not for everybody, whoever asks. A sandbox
//! tells a stranger nothing, and is asked with its keys.

use std::time::Duration;

use anyhow::Context as _;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::failure::Problem;
use crate::session::env_var;

use super::signed::Signed;

/// The bucket's name, when it is there. `sandbox` signs with a sandbox's keys.
pub async fn find(bucket: String, region: &str, sandbox: Option<Signed>) -> anyhow::Result<String> {
    let tried = format!("asking S3 for the bucket {bucket}");
    let status = match sandbox {
        Some(signed) => {
            let path = format!("/{bucket}");
            let answer = signed.send("s3", "HEAD", &path, &[], &[], &tried).await?;
            answer.status
        }
        None => ask_as_a_stranger(&bucket, region, &tried).await?,
    };
    judge(status, &bucket, region)
}

async fn ask_as_a_stranger(bucket: &str, region: &str, tried: &str) -> anyhow::Result<u16> {
    let set = env_var("AWS_ENDPOINT_URL_S3").or_else(|| env_var("AWS_ENDPOINT_URL"));
    let url = match set {
        Some(endpoint) => format!("{endpoint}/{bucket}"),
        None => format!("https://{bucket}.s3.{region}.amazonaws.com/"),
    };
    let timeout = Duration::from_secs(5);
    let connector = Connector::builder()
        .connector_settings(
            HttpConnectorSettings::builder()
                .connect_timeout(timeout)
                .read_timeout(timeout)
                .build(),
        )
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::AwsLc,
        ))
        .build();
    let mut request = HttpRequest::new(SdkBody::empty());
    request
        .set_method("HEAD")
        .context("the method of a request")?;
    request
        .set_uri(url.as_str())
        .with_context(|| format!("the address {url}"))?;
    let response = connector.call(request).await.map_err(|error| {
        let error: Box<dyn std::error::Error + Send + Sync> = error.into();
        anyhow::anyhow!("{tried}: {error}")
    })?;
    Ok(response.status().as_u16())
}

fn judge(status: u16, bucket: &str, region: &str) -> anyhow::Result<String> {
    match status {
        200..=299 | 403 => Ok(bucket.to_owned()),
        301 | 307 | 400 => Err(Problem::failed(
            format!("the bucket {bucket} is not in {region}"),
            "mend the environment's region in Cargo.toml",
        )
        .into()),
        404 => Err(Problem::failed(
            format!("there is no bucket {bucket}"),
            "apply infra/foundation once: its README has the steps",
        )
        .into()),
        other => anyhow::bail!("S3 answers {other} for the bucket {bucket}"),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn forbidden_means_that_it_is_there() {
        for (status, there) in [
            (200, true),
            (403, true),
            (404, false),
            (301, false),
            (503, false),
        ] {
            assert_eq!(judge(status, "b", "r").is_ok(), there, "{status}");
        }
    }
}
