//! Signed calls of AWS APIs whose SDK crates would cost more to compile than they are worth here:
//! a handful of operations of EventBridge, Scheduler, SQS, S3, SSM and Secrets Manager, over the HTTP
//! client and the signer that the other SDK crates bring anyway.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_sts::config::ProvideCredentials as _;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::Value;

use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::rounds::Bound;

/// Attempts of one call on 5xx, throttling and broken connections, as the SDK makes them: seconds in
/// all. Whoever waits for longer gives the call up.
const ATTEMPTS: Bound = Bound::attempts(5, Duration::from_millis(400), Duration::from_secs(4));

pub struct Signed {
    config: SdkConfig,
    connector: Connector,
}

/// What a service answered, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    /// The header `x-amz-version-id` of S3.
    pub version_id: Option<String>,
}

/// An error that AWS answered; callers branch on its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    pub tried: String,
    pub status: u16,
    /// Without its namespace, such as `ValidationException`.
    pub code: String,
    pub message: String,
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.tried, self.code, self.message)
    }
}

impl std::error::Error for AwsError {}

impl Signed {
    pub fn new(config: SdkConfig) -> Self {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(60))
            .build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .build();
        Signed { config, connector }
    }

    /// An operation of the AWS JSON protocols: `target` is such as `AWSEvents.DescribeRule`.
    pub async fn json(
        &self,
        service: &str,
        target: &str,
        body: &Value,
        tried: &str,
    ) -> anyhow::Result<Value> {
        // SQS alone speaks the older of the two.
        let version = if service == "sqs" { "1.0" } else { "1.1" };
        let content_type = format!("application/x-amz-json-{version}");
        let headers = [
            ("content-type", content_type.as_str()),
            ("x-amz-target", target),
        ];
        let body = body.to_string().into_bytes();
        let answer = self
            .send(service, "POST", "/", &headers, &body, tried)
            .await?
            .success(tried)?;
        answer.json(tried)
    }

    /// An operation of a REST protocol. `path` is encoded and may end in a query.
    pub async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        tried: &str,
    ) -> anyhow::Result<Answer> {
        let mut last = Err(anyhow::anyhow!("{tried}"));
        let mut rounds = ATTEMPTS.rounds(&Interrupt::never(), tried);
        while rounds.again().await? {
            let answer = self
                .send_once(service, method, path, headers, body)
                .await
                .with_context(|| tried.to_owned());
            let again = match &answer {
                Ok(answer) => answer.status >= 500 || answer.body.contains("Throttl"),
                Err(error) => error.downcast_ref::<Problem>().is_none(),
            };
            if !again {
                return answer;
            }
            last = answer;
        }
        last
    }

    async fn send_once(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let region = self.config.region().context("no AWS region is set")?;
        let uri = format!("{}{path}", self.endpoint(service, region.as_ref()));
        let provider = self
            .config
            .credentials_provider()
            .context("there is no source of AWS credentials")?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            Problem::failed(
                format!("no AWS credentials were found: {error}"),
                "log in (for example `aws sso login`) and set AWS_PROFILE",
            )
        })?;
        let identity: Identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        // S3 signs a path as it is; the others' paths have nothing to encode twice.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let signable = SignableRequest::new(
            method,
            uri.as_str(),
            headers.iter().copied(),
            SignableBody::Bytes(body),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body.to_vec()));
        request.set_method(method).context("the method")?;
        request
            .set_uri(uri.as_str())
            .with_context(|| format!("the address {uri}"))?;
        for (name, value) in headers {
            request
                .headers_mut()
                .insert((*name).to_owned(), (*value).to_owned());
        }
        for (name, value) in instructions.headers() {
            request
                .headers_mut()
                .insert(name.to_owned(), value.to_owned());
        }
        let response = self.connector.call(request).await.map_err(|error| {
            let error: Box<dyn std::error::Error + Send + Sync> = error.into();
            anyhow::anyhow!("{uri}: {error}")
        })?;
        let status = response.status().as_u16();
        let version_id = response
            .headers()
            .get("x-amz-version-id")
            .map(str::to_owned);
        let body = ByteStream::new(response.into_body())
            .collect()
            .await
            .context("reading the answer")?;
        Ok(Answer {
            status,
            body: String::from_utf8_lossy(&body.into_bytes()).into_owned(),
            version_id,
        })
    }

    /// The sandbox's address, AWS_ENDPOINT_URL, or the service's own in the region.
    fn endpoint(&self, service: &str, region: &str) -> String {
        match self.config.endpoint_url() {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => {
                let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://{service}.{region}.amazonaws.com{suffix}")
            }
        }
    }
}

impl Answer {
    /// Anything but 2xx as an [`AwsError`].
    pub fn success(self, tried: &str) -> anyhow::Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let (code, message) = error_of(&self.body);
        Err(AwsError {
            tried: tried.to_owned(),
            status: self.status,
            code: if code.is_empty() {
                self.status.to_string()
            } else {
                code
            },
            message,
        }
        .into())
    }

    pub fn json(&self, tried: &str) -> anyhow::Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.body).with_context(|| format!("{tried}: reading the answer"))
    }
}

/// Code and message of an error in JSON, or in S3's XML.
fn error_of(body: &str) -> (String, String) {
    if let Ok(value) = serde_json::from_str::<Value>(body) {
        let text = |keys: &[&str]| {
            let found = keys.iter().find_map(|key| value[*key].as_str());
            found.unwrap_or_default().to_owned()
        };
        let code = text(&["__type", "code", "Code"]);
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        return (code, text(&["message", "Message", "errorMessage"]));
    }
    (
        between(body, "<Code>", "</Code>").unwrap_or_default(),
        between(body, "<Message>", "</Message>").unwrap_or_default(),
    )
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0.to_owned())
}

/// Everything but unreserved characters percent-encoded; `/` stays when `keep_slash`.
pub fn encoded(text: &str, keep_slash: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain || (keep_slash && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_json_and_xml() {
        for (body, code, message) in [
            (
                r#"{"__type":"com.amazonaws.events#ResourceNotFoundException","message":"no rule"}"#,
                "ResourceNotFoundException",
                "no rule",
            ),
            (
                r#"{"Message":"must allow","Code":"ValidationException"}"#,
                "ValidationException",
                "must allow",
            ),
            (
                "<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>",
                "NoSuchBucket",
                "gone",
            ),
            ("<html>", "", ""),
        ] {
            assert_eq!(error_of(body), (code.to_owned(), message.to_owned()));
        }
    }

    #[test]
    fn keys_in_paths() {
        assert_eq!(encoded("in/a b+ü.csv", true), "in/a%20b%2B%C3%BC.csv");
        assert_eq!(encoded("a/b", false), "a%2Fb");
    }
}
