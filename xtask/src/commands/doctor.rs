//! `cargo xtask doctor`: is everything there that the loop needs? All checks at once, each with its fix.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::Global;
use crate::clients::docker;
use crate::clients::logs::{Cursor, Stream};
use crate::clients::process::Program;
use crate::clients::state_bucket;
use crate::clients::terraform::Terraform;
use crate::failure::{Kind, Problem};
use crate::plan::wrong_account;
use crate::sandbox::Sandbox;
use crate::session::{Invocation, Session};
use crate::steps::preflight::as_problem;

/// A check that takes longer counts as failed: nobody waits for a doctor.
const PATIENCE: Duration = Duration::from_millis(1800);
/// What a build and its image need, in bytes.
const ROOM: u64 = 3_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    /// What was found, or what is wrong.
    found: String,
    fix: Option<String>,
}

type Found = Result<String, Problem>;

pub async fn run(invocation: &Invocation) -> anyhow::Result<u8> {
    let mut session = Session::open_without_sandbox(invocation)?;
    let sandbox = use_sandbox(&invocation.options, &mut session);
    let checks = check_all(&session).await;
    let checks: Vec<Check> = sandbox.into_iter().chain(checks).collect();
    session.reporter.answer(&checks, table(&checks));
    let well = checks.iter().all(|check| check.ok);
    Ok(if well { 0 } else { Kind::Refused.exit_code() })
}

/// With `--sandbox`: the one that runs. None is started, since that takes longer than all checks.
fn use_sandbox(options: &Global, session: &mut Session) -> Option<Check> {
    if !options.sandbox {
        return None;
    }
    let status = Sandbox::of(&session.settings).status();
    let address = match status {
        Ok(Some(status)) => status.address,
        Ok(None) => {
            let problem = Problem::failed("it does not run", "start it: cargo xtask sandbox up");
            return Some(verdict("sandbox", Err(problem)));
        }
        Err(error) => return Some(verdict("sandbox", Err(as_problem(&error)))),
    };
    let found = format!("listens on {}", address.endpoint);
    session.use_sandbox(address);
    Some(verdict("sandbox", Ok(found)))
}

async fn check_all(session: &Session) -> Vec<Check> {
    let settings = &session.settings;
    let aws = session.aws().await;
    let (ecr, ecs, logs) = (aws.ecr(), aws.ecs(), aws.logs());
    let service = settings.service();
    let once = "apply infra/foundation once: its README has the steps";
    let git = async {
        let git = session.git()?;
        let head = git.head()?;
        let branch = head.branch.map(|branch| format!(" on {branch}"));
        Ok(format!(
            "commit {}{}",
            head.sha.short(),
            branch.unwrap_or_default()
        ))
    };
    let credentials = async {
        let identity = aws.identity().await.map_err(|error| as_problem(&error));
        match (wrong_account(settings, &identity), identity) {
            (Some(problem), _) | (None, Err(problem)) => Err(problem.into()),
            (None, Ok(identity)) => Ok(format!("account {}, {}", identity.account, identity.arn)),
        }
    };
    let repository = async {
        let found = ecr.repository(&settings.ecr_repository).await?;
        let found = found.ok_or_else(|| {
            Problem::failed(
                format!("there is no ECR repository `{}`", settings.ecr_repository),
                once,
            )
        })?;
        Ok(found.uri)
    };
    let cluster = async {
        if ecs.has_cluster(&service).await? {
            return Ok(service.clone());
        }
        Err(Problem::failed(format!("there is no ECS cluster `{service}`"), once).into())
    };
    let log_access = async {
        // A stream that is not there: what counts is whether the question may be asked.
        let group = format!("service/{service}/ecs-tasks");
        let stream = Stream {
            group: group.clone(),
            name: "doctor".into(),
        };
        logs.next(&stream, &mut Cursor::default()).await?;
        Ok(format!("may be read: {group}"))
    };
    let github = async {
        let github = session.github()?;
        for file in &settings.environment.auto_deploy_workflows {
            github.workflow(file).await?;
        }
        Ok(settings.github_repository.clone())
    };
    let (
        cargo,
        git,
        docker,
        terraform,
        disk,
        credentials,
        repository,
        cluster,
        bucket,
        logs,
        github,
    ) = tokio::join!(
        check("cargo", None, toolchain(session)),
        check("git", None, git),
        check("docker", None, async {
            Ok(docker::server_version(&session.interrupt).await?)
        }),
        check("terraform", None, async {
            let terraform = crate::tools::terraform(&session.settings);
            Ok(Terraform::version(&terraform, &session.interrupt).await?)
        }),
        check("disk", None, async { disk(session) }),
        check(
            "credentials",
            Some("sign in: aws sso login, or set AWS_PROFILE"),
            credentials
        ),
        check(
            "ECR repository",
            Some("your role needs ecr:DescribeRepositories"),
            repository
        ),
        check(
            "ECS cluster",
            Some("your role needs ecs:DescribeClusters"),
            cluster
        ),
        check(
            "state bucket",
            Some(once),
            state_bucket::find(settings, session.sandbox.as_ref())
        ),
        check(
            "logs",
            Some("your role needs logs:GetLogEvents"),
            log_access
        ),
        check(
            "GitHub",
            Some("set GH_TOKEN, or run `gh auth login`"),
            github
        ),
    );
    vec![
        cargo,
        git,
        docker,
        terraform,
        disk,
        credentials,
        repository,
        cluster,
        bucket,
        logs,
        github,
    ]
}

/// `fix` is for errors that bring no hint of their own.
async fn check(
    name: &'static str,
    fix: Option<&str>,
    look: impl Future<Output = anyhow::Result<String>>,
) -> Check {
    let found = match tokio::time::timeout(PATIENCE, look).await {
        Ok(found) => found.map_err(|error| as_problem(&error)),
        Err(_) => Err(Problem::failed(
            format!("no answer within {} s", PATIENCE.as_secs_f32()),
            "check the network, a VPN, a proxy; then run the doctor again",
        )),
    };
    let found = found.map_err(|problem| Problem {
        hint: problem.hint.or_else(|| fix.map(str::to_owned)),
        ..problem
    });
    verdict(name, found)
}

fn verdict(name: &'static str, found: Found) -> Check {
    let (ok, found, fix) = match found {
        Ok(found) => (true, found, None),
        Err(problem) => (false, problem.message, problem.hint),
    };
    Check {
        name,
        ok,
        found,
        fix,
    }
}

async fn toolchain(session: &Session) -> anyhow::Result<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let program = Program::new(cargo)
        .arg("--version")
        .current_dir(&session.settings.root);
    let version = program.read(&session.interrupt).await.map_err(|error| {
        Problem::failed(format!("{error:#}"), "install Rust: https://rustup.rs")
    })?;
    Ok(version.trim().trim_start_matches("cargo ").to_owned())
}

fn disk(session: &Session) -> anyhow::Result<String> {
    let root = &session.settings.root;
    let stat = rustix::fs::statvfs(root)
        .with_context(|| format!("asking for room in {}", root.display()))?;
    room(stat.f_bavail.saturating_mul(stat.f_frsize)).map_err(Into::into)
}

fn room(free: u64) -> Found {
    let text = format!("{:.1} GB free", free as f64 / 1e9);
    if free >= ROOM {
        return Ok(text);
    }
    let fix = "make room: cargo clean, docker system prune";
    Err(Problem::failed(
        format!("{text}; a build needs {:.0} GB", ROOM as f64 / 1e9),
        fix,
    ))
}

fn table(checks: &[Check]) -> String {
    let line = |check: &Check| {
        let sign = if check.ok { "✓" } else { "✗" };
        let found = check.found.replace('\n', "\n                  ");
        let fix = check.fix.as_ref().map(|fix| {
            format!(
                "\n                  fix: {}",
                fix.replace('\n', "\n                       ")
            )
        });
        format!(
            "{sign} {:<14}  {found}{}",
            check.name,
            fix.unwrap_or_default()
        )
    };
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_shows_its_fix_below() {
        let checks = [
            verdict("git", Ok("commit 3f2c1ab".into())),
            verdict(
                "docker",
                Err(Problem::failed("no Engine\nanswers", "start it")),
            ),
        ];
        assert_eq!(
            table(&checks),
            "✓ git             commit 3f2c1ab
✗ docker          no Engine
                  answers
                  fix: start it"
        );
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        assert_eq!(room(4_200_000_000).unwrap(), "4.2 GB free");
        let problem = room(900_000_000).unwrap_err();
        assert_eq!(problem.message, "0.9 GB free; a build needs 3 GB");
    }
}
