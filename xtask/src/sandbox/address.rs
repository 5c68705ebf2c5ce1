//! Where a running sandbox is, and the keys that it takes. Nothing of a real AWS is in here.

use std::ffi::OsString;

use super::engine::Engine;
use super::environment;
use super::keys::Keys;
use crate::settings::Environment;

/// MiniStack's account; no real account has this number.
pub const ACCOUNT: &str = "000000000000";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `http://127.0.0.1:PORT`, for the AWS protocols.
    pub endpoint: String,
    /// The environment's own, which its Terraform names as well.
    pub region: String,
    /// The tool's and Terraform's own, which may do everything.
    pub access_key_id: String,
    pub secret_access_key: String,
    /// What a task gets: for data alone.
    tasks: (String, String),
    /// The stand-in for GitHub's REST API.
    pub github_api: String,
    /// What the stand-in takes as a token.
    pub github_token: String,
    pub engine: Engine,
}

impl Address {
    pub fn at_port(port: u16, engine: Engine, region: &str, keys: &Keys) -> Self {
        let endpoint = format!("http://127.0.0.1:{port}");
        Address {
            github_api: format!("{endpoint}/_github"),
            endpoint,
            region: region.to_owned(),
            access_key_id: keys.control_id.clone(),
            secret_access_key: keys.control_secret.clone(),
            tasks: (keys.tasks_id.clone(), keys.tasks_secret.clone()),
            github_token: keys.github_token.clone(),
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
        let mut variables = self.variables(&self.access_key_id, &self.secret_access_key);
        variables.extend(environment::direct());
        variables
    }

    /// What a task on this machine sees of it, as one on ECS does: the tasks' key.
    pub fn task_env(&self) -> Vec<(String, OsString)> {
        let (id, secret) = &self.tasks;
        self.variables(id, secret)
    }

    fn variables(&self, id: &str, secret: &str) -> Vec<(String, OsString)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", secret),
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
    pub fn terraform_env_removed(&self) -> Vec<String> {
        without(environment::foreign_to_terraform(), &self.terraform_env())
    }

    /// The same for a task on this machine.
    pub fn task_env_removed(&self) -> Vec<String> {
        without(environment::foreign(), &self.task_env())
    }
}

fn without(names: Vec<String>, set: &[(String, OsString)]) -> Vec<String> {
    let is_set = |name: &String| set.iter().any(|(known, _)| known == name);
    names.into_iter().filter(|name| !is_set(name)).collect()
}
