//! Builds every AWS client, in one place, and turns the SDK's errors into ours.

pub mod recorder;

use std::fmt::Debug;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use recorder::Recorder;
use tokio::sync::OnceCell;

use super::state::{Place, StateObject};
use super::{
    attestations, attestations::Attestations, ecr::Ecr, ecs::Ecs, events::Events, hold::Holds,
    logs::Logs, objects::Objects, scheduler::Scheduler, signed::Signed,
};
use crate::failure::Problem;
use crate::sandbox::address::Address;
use crate::settings::Environment;

/// Attempts of each call, the first included. A loop makes some fifty calls: when every third one
/// fails, this many attempts still bring nine hundred and ninety-nine loops of a thousand through.
/// Throttling, 5xx, broken connections and timeouts are retried, with the SDK's exponential backoff
/// and jitter; RunTask has a clientToken, and everything else may be repeated.
const MAX_ATTEMPTS: u32 = 12;
/// Longest for one attempt, and for all of them together: then the error of the last one counts.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(30);
const CALL_DEADLINE: Duration = Duration::from_secs(180);

pub struct Aws {
    config: SdkConfig,
    recorder: Option<Recorder>,
    /// The credentials stay the same for a whole command.
    identity: OnceCell<Identity>,
}

/// Whose credentials these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

impl Aws {
    /// The clients of an environment: of the real AWS, or of the sandbox at its address.
    pub async fn connect(environment: &Environment, sandbox: Option<&Address>) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(MAX_ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(200));
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(ATTEMPT_DEADLINE)
            .operation_timeout(CALL_DEADLINE)
            .build();
        // One HTTP client for all services: the root certificates are loaded once, and a connection
        // that is open is used again.
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .build_https();
        let name = AppName::new("cargo-xtask").ok();
        let region = Region::new(environment.region.clone());
        let config = if let Some(address) = sandbox {
            // Everything by hand: the loader would read the user's AWS set-up, and with it the
            // address of a single service, such as AWS_ENDPOINT_URL_ECS.
            let mut config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(http)
                .region(region)
                .retry_config(retries)
                .timeout_config(timeouts)
                .endpoint_url(&address.endpoint)
                .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                    &address.access_key_id,
                    &address.secret_access_key,
                    None,
                    None,
                    "sandbox",
                )));
            config.set_app_name(name);
            config.build()
        } else {
            let mut loader = aws_config::defaults(BehaviorVersion::latest())
                .http_client(http)
                .region(region)
                .retry_config(retries)
                .timeout_config(timeouts);
            if let Some(name) = name {
                loader = loader.app_name(name);
            }
            if let Some(profile) = &environment.profile {
                loader = loader.profile_name(profile);
            }
            loader.load().await
        };
        Aws {
            config,
            recorder: None,
            identity: OnceCell::new(),
        }
    }

    /// The same clients, whose answers are kept.
    pub fn recorded_by(&self, recorder: &Recorder) -> Aws {
        Aws {
            config: self.config.clone(),
            recorder: Some(recorder.clone()),
            identity: OnceCell::new(),
        }
    }

    pub fn ecr(&self) -> Ecr {
        let config = aws_sdk_ecr::config::Builder::from(&self.config);
        let config = match &self.recorder {
            Some(recorder) => config.interceptor(recorder.clone()),
            None => config,
        };
        Ecr::new(aws_sdk_ecr::Client::from_conf(config.build()))
    }

    pub fn ecs(&self) -> Ecs {
        let config = aws_sdk_ecs::config::Builder::from(&self.config);
        let config = match &self.recorder {
            Some(recorder) => config.interceptor(recorder.clone()),
            None => config,
        };
        Ecs::new(aws_sdk_ecs::Client::from_conf(config.build()))
    }

    /// Who holds `environment`, in the bucket that has its Terraform state.
    pub fn holds(&self, bucket: String, environment: &str, state_key: String) -> Holds {
        let client = aws_sdk_s3::Client::new(&self.config);
        Holds::new(client, bucket, environment, state_key)
    }

    /// What CI says of the images that it built.
    pub fn attestations(&self, place: attestations::Place) -> Attestations {
        Attestations::new(aws_sdk_s3::Client::new(&self.config), place)
    }

    /// The object with an environment's Terraform state.
    pub fn state(&self, place: Place) -> StateObject {
        StateObject::new(aws_sdk_s3::Client::new(&self.config), place)
    }

    pub fn logs(&self) -> Logs {
        let config = aws_sdk_cloudwatchlogs::config::Builder::from(&self.config);
        let config = match &self.recorder {
            Some(recorder) => config.interceptor(recorder.clone()),
            None => config,
        };
        Logs::new(aws_sdk_cloudwatchlogs::Client::from_conf(config.build()))
    }

    pub fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.signed())
    }

    pub fn events(&self) -> Events {
        Events::new(self.signed())
    }

    pub fn objects(&self) -> Objects {
        Objects::new(self.signed())
    }

    pub fn signed(&self) -> Signed {
        Signed::new(self.config.clone())
    }

    /// Asks STS who we are. It needs no permission, so that an error is about the credentials.
    pub async fn identity(&self) -> anyhow::Result<Identity> {
        let identity = self.identity.get_or_try_init(|| self.ask_identity()).await;
        identity.cloned()
    }

    async fn ask_identity(&self) -> anyhow::Result<Identity> {
        let config = aws_sdk_sts::config::Builder::from(&self.config);
        let config = match &self.recorder {
            Some(recorder) => config.interceptor(recorder.clone()),
            None => config,
        };
        let answer = aws_sdk_sts::Client::from_conf(config.build())
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| explain(error, "asking AWS whose credentials these are"))?;
        Ok(Identity {
            account: answer.account.context("STS named no account")?,
            arn: answer.arn.unwrap_or_default(),
        })
    }
}

/// An SDK error as ours: what was tried, the code and text of AWS, and a hint where we have one.
pub fn explain<E, R>(error: SdkError<E, R>, tried: &str) -> anyhow::Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let chain = DisplayErrorContext(&error).to_string();
    // The chain ends in the debug form of the whole error, which may hold request headers.
    let chain = chain.split(" (").next().unwrap_or_default().to_owned();
    let text = match error.message() {
        Some(message) => format!("{tried}: {code}: {message}"),
        None if lacks_credentials(&chain) => format!("{tried}: {}", no_credentials(&chain)),
        None if code.is_empty() => format!("{tried}: {chain}"),
        None => format!("{tried}: {code}"),
    };
    match hint(&code, &chain) {
        Some(hint) => Problem::failed(text, hint).into(),
        None => anyhow::Error::msg(text),
    }
}

/// What to do about an AWS error, from its code and its text.
fn hint(code: &str, chain: &str) -> Option<&'static str> {
    let expired = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];
    let unknown = [
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
    ];
    if expired.contains(&code)
        || chain.contains("token has expired")
        || chain.contains("session has expired")
    {
        return Some(
            "the credentials have expired: log in again (for example `aws sso login`) and run the command again; it goes on where it was",
        );
    }
    if unknown.contains(&code) {
        return Some(
            "AWS does not know these credentials: check AWS_PROFILE and the keys in the environment",
        );
    }
    if code.starts_with("AccessDenied") {
        return Some(
            "the role in use lacks this permission; infra/foundation/README.md lists what each job needs",
        );
    }
    if lacks_credentials(chain) {
        return Some(
            "log in (for example `aws sso login`) and set AWS_PROFILE,\nor try the same on the local AWS: add `--sandbox`",
        );
    }
    if chain.contains("dispatch failure") {
        return Some(
            "AWS could not be reached: check the network, the region, and AWS_ENDPOINT_URL",
        );
    }
    None
}

fn lacks_credentials(chain: &str) -> bool {
    [
        "credentials provider",
        "no credentials",
        "CredentialsNotLoaded",
        "while loading credentials",
    ]
    .iter()
    .any(|words| chain.contains(words))
}

/// Of the places that the SDK has looked at, one a line, only those that somebody has set up.
fn no_credentials(chain: &str) -> String {
    let places = chain.lines().filter(|line| line.starts_with("  "));
    let set_up: Vec<&str> = places
        .filter(|line| !line.contains("provider was not enabled"))
        .map(str::trim)
        .collect();
    let mut text = "no AWS credentials were found".to_owned();
    for place in set_up {
        text.push_str(&format!("\n  {place}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{hint, no_credentials};

    #[test]
    fn places_that_nobody_has_set_up_are_not_listed() {
        let chain = "dispatch failure: other: the credential provider was not enabled: no credentials found in chain. Attempted:
  Environment: the credential provider was not enabled: environment variable not set
  Profile: could not find source profile base referenced from main
  Ec2InstanceMetadata: the credential provider was not enabled";
        assert_eq!(
            no_credentials(chain),
            "no AWS credentials were found\n  Profile: could not find source profile base referenced from main"
        );
    }

    #[test]
    fn hints() {
        for (code, chain, expected) in [
            ("ExpiredTokenException", "service error", "expired"),
            (
                "",
                "the SSO session has expired or is otherwise invalid",
                "expired",
            ),
            (
                "UnrecognizedClientException",
                "service error",
                "does not know",
            ),
            (
                "AccessDeniedException",
                "service error",
                "lacks this permission",
            ),
            (
                "",
                "dispatch failure: other: the credentials provider was not enabled",
                "--sandbox",
            ),
            (
                "",
                "dispatch failure: io error: connection refused",
                "could not be reached",
            ),
        ] {
            let hint = hint(code, chain).unwrap_or("none");
            assert!(hint.contains(expected), "{code} {chain}: {hint}");
        }
        assert_eq!(hint("ServerException", "service error"), None);
    }
}
