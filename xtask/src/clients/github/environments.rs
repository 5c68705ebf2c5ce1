//! Which branches may use a GitHub environment, and with it the role in AWS that trusts it.

use anyhow::Context as _;
use serde::Deserialize;

use super::{GitHub, refusal};
use crate::names::EnvironmentName;

/// What GitHub asks of a workflow that names the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// There is none; the first workflow that names it makes one that asks for nothing.
    NoEnvironment,
    AnyBranch,
    ProtectedBranches,
    /// Branches and tags of these names or patterns.
    Only(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Environment {
    deployment_branch_policy: Option<BranchPolicy>,
}

#[derive(Debug, Deserialize)]
struct BranchPolicy {
    protected_branches: bool,
}

#[derive(Debug, Deserialize)]
struct Policies {
    branch_policies: Vec<Policy>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    name: String,
}

impl GitHub {
    pub async fn protection(&self, environment: &EnvironmentName) -> anyhow::Result<Protection> {
        let tried = format!(
            "asking GitHub what protects the environment {environment} of {}",
            self.repository
        );
        let path = format!("environments/{environment}");
        let answer = self.answered("GET", &path, &tried).await?;
        match answer.status {
            404 => return Ok(Protection::NoEnvironment),
            200..300 => {}
            _ => return Err(refusal(&answer, &tried)),
        }
        let reading = || format!("{tried}: reading the answer");
        let found: Environment = serde_json::from_str(&answer.body).with_context(reading)?;
        match found.deployment_branch_policy {
            None => Ok(Protection::AnyBranch),
            Some(policy) if policy.protected_branches => Ok(Protection::ProtectedBranches),
            Some(_) => {
                let path = format!("{path}/deployment-branch-policies?per_page=100");
                let answer = self.call("GET", &path, &tried).await?;
                let found: Policies = serde_json::from_str(&answer.body).with_context(reading)?;
                let names = found.branch_policies.into_iter().map(|policy| policy.name);
                Ok(Protection::Only(names.collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::answering::{Server, block_on};
    use crate::names::github::GitHubRepository;

    #[test]
    fn what_github_says_of_an_environment() {
        let environment = |policy: &str| format!(r#"{{"deployment_branch_policy": {policy}}}"#);
        let custom = r#"{"protected_branches": false, "custom_branch_policies": true}"#;
        let protected = r#"{"protected_branches": true, "custom_branch_policies": false}"#;
        let only = Protection::Only(vec!["main".into()]);
        for (status, body, expected) in [
            (404, String::new(), Protection::NoEnvironment),
            (200, environment("null"), Protection::AnyBranch),
            (200, environment(protected), Protection::ProtectedBranches),
            (200, environment(custom), only),
        ] {
            let server = Server::start(move |_, request| {
                Some(match request.contains("/deployment-branch-policies?") {
                    true => (200, "", r#"{"branch_policies": [{"name": "main"}]}"#.into()),
                    false => (status, "", body.clone()),
                })
            });
            let api = format!("http://127.0.0.1:{}", server.port);
            let repository = GitHubRepository::parse("o/r").unwrap();
            let github = GitHub::new(
                &api,
                "a-token".into(),
                &repository,
                &crate::interrupt::Interrupt::never(),
            );
            let name = EnvironmentName::parse("prod").unwrap();
            let found = block_on(github.protection(&name)).unwrap();
            assert_eq!(found, expected);
            let first = &server.requests()[0];
            assert!(
                first.starts_with("GET /repos/o/r/environments/prod HTTP"),
                "{first}"
            );
        }
    }
}
