//! Is the bucket of Terraform's state there? Asked without credentials: S3 answers 404 for a bucket
//! that does not exist and 403 for one that is not for everybody, whoever asks.

use std::time::Duration;

use anyhow::Context as _;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::failure::Problem;
use crate::sandbox::address::Address;
use crate::session::env_var;
use crate::settings::Settings;

/// The bucket's name, when it is there.
pub async fn find(settings: &Settings, sandbox: Option<&Address>) -> anyhow::Result<String> {
    let environment = &settings.environment;
    let bucket = format!(
        "{}-terraform-state-{}",
        settings.app, environment.aws_account_id
    );
    let endpoint = sandbox.map(|address| address.endpoint.clone());
    let set = || env_var("AWS_ENDPOINT_URL_S3").or_else(|| env_var("AWS_ENDPOINT_URL"));
    let url = match endpoint.or_else(set) {
        Some(endpoint) => format!("{endpoint}/{bucket}"),
        None => format!("https://{bucket}.s3.{}.amazonaws.com/", environment.region),
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
        anyhow::anyhow!("asking S3 for the bucket {bucket}: {error}")
    })?;
    judge(response.status().as_u16(), &bucket, &environment.region)
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
