//! Where a running sandbox is, and the keys that it takes. Nothing of a real AWS is in here.

use std::ffi::OsString;

use super::engine::Engine;
use crate::clients::terraform::environment::{WORKSPACE, has_arguments};
use crate::settings::Environment;

/// MiniStack's account; no real account has this number.
pub const ACCOUNT: &str = "000000000000";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `http://127.0.0.1:PORT`, for the AWS protocols.
    pub endpoint: String,
    /// The environment's own, which its Terraform names as well.
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    /// The stand-in for GitHub's REST API.
    pub github_api: String,
    /// What the stand-in takes as a token.
    pub github_token: String,
    pub engine: Engine,
}

impl Address {
    pub fn at_port(port: u16, engine: Engine, region: &str) -> Self {
        let endpoint = format!("http://127.0.0.1:{port}");
        Address {
            github_api: format!("{endpoint}/_github"),
            endpoint,
            region: region.to_owned(),
            access_key_id: "test".into(),
            secret_access_key: "test".into(),
            github_token: "sandbox".into(),
            engine,
        }
    }

    /// The environment as it is in the sandbox: another account, no profile, and never protected,
    /// since nobody can be harmed here.
    pub fn environment(environment: &Environment) -> Environment {
        Environment {
            aws_account_id: ACCOUNT.into(),
            profile: None,
            terraform_workspace: "default".into(),
            protected: false,
            ..environment.clone()
        }
    }

    /// What Terraform sees of the sandbox.
    pub fn terraform_env(&self) -> Vec<(String, OsString)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", &self.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
            ("AWS_REGION", &self.region),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            // An empty file each, so that no profile of the user's can get in.
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]
        .map(|(key, value)| (key.to_owned(), OsString::from(value)))
        .to_vec()
    }

    /// What Terraform must not see beside the sandbox's own.
    pub fn terraform_env_removed() -> Vec<String> {
        let of_aws = [
            "AWS_PROFILE",
            "AWS_DEFAULT_PROFILE",
            "AWS_SESSION_TOKEN",
            "AWS_ENDPOINT_URL_S3",
            "AWS_ROLE_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ];
        // The user's workspace and arguments are meant for a real state.
        let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let of_terraform = set.filter(|name| name == WORKSPACE || has_arguments(name));
        of_aws
            .map(str::to_owned)
            .into_iter()
            .chain(of_terraform)
            .collect()
    }
}
