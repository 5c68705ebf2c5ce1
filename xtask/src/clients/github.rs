//! GitHub's REST API: the state of workflows, their live runs, disable and enable; what protects an
//! environment.
//!
//! Seven endpoints over the HTTP client that the AWS SDK brings; docs.github.com/rest/actions.

pub mod environments;

use std::time::Duration;

use anyhow::Context as _;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::Deserialize;
use xshell::{Shell, cmd};

use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::names::github::{GitHubRepository, WorkflowFile};
use crate::rounds::CALL;

/// A run is live until it is `completed`: these are the states that can still deploy.
const LIVE: [&str; 5] = ["requested", "queued", "waiting", "pending", "in_progress"];

pub struct GitHub {
    connector: Connector,
    api: String,
    token: String,
    repository: GitHubRepository,
    interrupt: Interrupt,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Workflow {
    pub name: String,
    /// `active`, or why not: disabled_manually, disabled_inactivity, disabled_fork, deleted.
    pub state: String,
    pub html_url: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Run {
    pub id: u64,
    pub status: String,
    pub event: String,
    pub html_url: String,
    #[serde(default)]
    pub head_branch: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Runs {
    total_count: u64,
    workflow_runs: Vec<Run>,
}

struct Answer {
    status: u16,
    body: String,
}

impl GitHub {
    pub fn new(
        api: &str,
        token: String,
        repository: &GitHubRepository,
        interrupt: &Interrupt,
    ) -> Self {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(20))
            .build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .build();
        GitHub {
            connector,
            api: api.trim_end_matches('/').to_owned(),
            token,
            repository: repository.clone(),
            interrupt: interrupt.clone(),
        }
    }

    /// A workflow by its file name. Everything but a clear answer is an error: unknown is not paused.
    pub async fn workflow(&self, file: &WorkflowFile) -> anyhow::Result<Workflow> {
        let tried = format!(
            "asking GitHub about the workflow {file} of {}",
            self.repository
        );
        let answer = self
            .call("GET", &format!("actions/workflows/{file}"), &tried)
            .await?;
        serde_json::from_str(&answer.body).with_context(|| format!("{tried}: reading the answer"))
    }

    /// The runs of a workflow that have not ended, newest first.
    pub async fn live_runs(&self, file: &WorkflowFile) -> anyhow::Result<Vec<Run>> {
        let tried = format!(
            "asking GitHub about live runs of {file} of {}",
            self.repository
        );
        // All at once, for the sake of time. A run that goes from one status to the next meanwhile
        // could be missed by both filters; the newest runs of all statuses are one snapshot, and see it.
        let newest = format!("actions/workflows/{file}/runs?per_page=100");
        let by_status = LIVE.map(|status| format!("{newest}&status={status}"));
        let [a, b, c, d, e] = &by_status;
        let answers = tokio::try_join!(
            self.call("GET", &newest, &tried),
            self.call("GET", a, &tried),
            self.call("GET", b, &tried),
            self.call("GET", c, &tried),
            self.call("GET", d, &tried),
            self.call("GET", e, &tried),
        )?;
        let mut live = Vec::new();
        for answer in [
            answers.0, answers.1, answers.2, answers.3, answers.4, answers.5,
        ] {
            let mut runs: Runs = serde_json::from_str(&answer.body)
                .with_context(|| format!("{tried}: reading the answer"))?;
            // More than a page of live runs is live enough; which ones no longer matters.
            if runs.total_count > 0 && runs.workflow_runs.is_empty() {
                anyhow::bail!("{tried}: GitHub counts {} but lists none", runs.total_count);
            }
            runs.workflow_runs.retain(|run| run.status != "completed");
            live.extend(runs.workflow_runs);
        }
        live.sort_by_key(|run| std::cmp::Reverse(run.id));
        live.dedup_by_key(|run| run.id);
        Ok(live)
    }

    pub async fn disable(&self, file: &WorkflowFile) -> anyhow::Result<()> {
        let tried = format!("disabling the workflow {file} of {}", self.repository);
        self.call("PUT", &format!("actions/workflows/{file}/disable"), &tried)
            .await
            .map(drop)
    }

    pub async fn enable(&self, file: &WorkflowFile) -> anyhow::Result<()> {
        let tried = format!("enabling the workflow {file} of {}", self.repository);
        self.call("PUT", &format!("actions/workflows/{file}/enable"), &tried)
            .await
            .map(drop)
    }

    /// With new attempts on 5xx, rate limits and broken connections. Every call here may be repeated: two
    /// ask, and disabling or enabling twice is as good as once.
    async fn call(&self, method: &str, path: &str, tried: &str) -> anyhow::Result<Answer> {
        let answer = self.answered(method, path, tried).await?;
        match (200..300).contains(&answer.status) {
            true => Ok(answer),
            false => Err(refusal(&answer, tried)),
        }
    }

    /// An answer that will not change in a moment, whatever it says.
    async fn answered(&self, method: &str, path: &str, tried: &str) -> anyhow::Result<Answer> {
        let url = format!("{}/repos/{}/{path}", self.api, self.repository);
        let mut failure = anyhow::anyhow!("{tried}");
        let mut rounds = CALL.rounds(&self.interrupt, tried);
        while rounds.again().await? {
            failure = match self.call_once(method, &url).await {
                Ok(answer) if !may_pass(&answer) => return Ok(answer),
                Ok(answer) => refusal(&answer, tried),
                Err(error) => error.context(tried.to_owned()),
            };
        }
        Err(failure.context(format!("gave up after {} attempts", CALL.count())))
    }

    async fn call_once(&self, method: &str, url: &str) -> anyhow::Result<Answer> {
        let mut request = HttpRequest::new(SdkBody::empty());
        request
            .set_method(method)
            .context("the method of a request")?;
        request
            .set_uri(url)
            .with_context(|| format!("the address {url}"))?;
        let headers = request.headers_mut();
        headers.insert("accept", "application/vnd.github+json");
        headers.insert("x-github-api-version", "2022-11-28");
        headers.insert("user-agent", "cargo-xtask");
        headers.insert("authorization", format!("Bearer {}", self.token));
        if method == "PUT" {
            headers.insert("content-length", "0");
        }
        let response = self.connector.call(request).await.map_err(|error| {
            let error: Box<dyn std::error::Error + Send + Sync> = error.into();
            anyhow::anyhow!("{}: {error}", self.api)
        })?;
        let status = response.status().as_u16();
        let body = ByteStream::new(response.into_body())
            .collect()
            .await
            .context("reading GitHub's answer")?;
        Ok(Answer {
            status,
            body: String::from_utf8_lossy(&body.into_bytes()).into_owned(),
        })
    }
}

/// Whether the same call may be answered better in a moment.
fn may_pass(answer: &Answer) -> bool {
    let limited = answer.status == 403 && answer.body.contains("secondary rate limit");
    answer.status >= 500 || answer.status == 429 || limited
}

fn refusal(answer: &Answer, tried: &str) -> anyhow::Error {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let message = serde_json::from_str::<Message>(&answer.body).map(|body| body.message);
    let message = message.unwrap_or_else(|_| answer.body.chars().take(200).collect());
    let hint = match answer.status {
        401 => "the token is not valid (any more): set GH_TOKEN, or run `gh auth login`",
        403 => {
            "the token needs Actions: read to look and Actions: write to pause (classic: the scope `repo`)"
        }
        404 => {
            "check github_repository and auto_deploy_workflows in Cargo.toml; a private repository answers 404 to a token without access"
        }
        _ => "see https://www.githubstatus.com, and try again",
    };
    Problem::failed(format!("{tried}: {} {message}", answer.status), hint).into()
}

/// The token, from where GitHub's own tools look: GH_TOKEN, GITHUB_TOKEN, then `gh auth token`.
pub fn find_token(env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<String> {
    for name in ["GH_TOKEN", "GITHUB_TOKEN"] {
        if let Some(token) = env(name).filter(|token| !token.is_empty()) {
            return Ok(token);
        }
    }
    let sh = Shell::new()?;
    let token = cmd!(sh, "gh auth token")
        .quiet()
        .ignore_stderr()
        .read()
        .unwrap_or_default();
    if token.is_empty() {
        return Err(Problem::failed(
            "there is no GitHub token",
            "set GH_TOKEN, or run `gh auth login`; the token needs Actions: read (and write to pause)",
        )
        .into());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, body, expected) in [
            (500, "", true),
            (503, "", true),
            (429, "", true),
            (
                403,
                r#"{"message": "You have exceeded a secondary rate limit."}"#,
                true,
            ),
            (
                403,
                r#"{"message": "Resource not accessible by integration"}"#,
                false,
            ),
            (401, "", false),
            (404, "", false),
            (422, "", false),
        ] {
            let body = body.to_owned();
            assert_eq!(may_pass(&Answer { status, body }), expected, "{status}");
        }
    }
}
