//! `cargo xtask doctor`: is everything there that the loop needs? All checks at once, each with its fix.

mod check;
mod disk;
mod protection;
mod workflows;

use std::time::Duration;

use crate::clients::cargo::cargo;
use crate::clients::docker;
use crate::clients::logs::{Cursor, Stream};
use crate::clients::state_bucket;
use crate::clients::terraform::Terraform;
use crate::failure::{Kind, Problem};
use crate::plan::wrong_account;
use crate::sandbox::engine::{self, Engine};
use crate::sandbox::{Sandbox, python};
use crate::session::{Invocation, Session};
use crate::settings::Recipe;
use crate::steps::preflight::as_problem;
use crate::tools;
use check::{Check, table};

/// A check that takes longer counts as failed: nobody waits for a doctor.
const PATIENCE: Duration = Duration::from_millis(1800);
const FOUNDATION: &str = "apply infra/foundation once: its README has the steps";

/// Where the loop's tasks run.
enum Tasks {
    OnEcs,
    /// In a sandbox that runs, with its engine, or in one that is yet to be started.
    InSandbox(Option<Engine>),
}

pub async fn run(invocation: &Invocation) -> anyhow::Result<u8> {
    let mut session = Session::open_without_sandbox(invocation)?;
    let checks = if invocation.options.sandbox {
        of_sandbox(&mut session).await
    } else {
        let (mut checks, account) =
            tokio::join!(this_machine(&session, Tasks::OnEcs), account(&session));
        checks.extend(account);
        checks
    };
    session.reporter.answer(&checks, table(&checks));
    let missing = checks.iter().any(Check::is_missing);
    Ok(if missing {
        Kind::Refused.exit_code()
    } else {
        0
    })
}

/// Of the sandbox that runs. None is started, since that takes longer than all checks; and a real
/// account is not asked instead.
async fn of_sandbox(session: &mut Session) -> Vec<Check> {
    let mut engine = None;
    let sandbox = match Sandbox::of(&session.settings).status() {
        Some(status) => {
            let found = format!("listens on {}", status.address.endpoint);
            engine = Some(status.engine);
            session.use_sandbox(status.address);
            Check::of("sandbox", Ok(found))
        }
        None => Check::not_looked_at(
            "sandbox",
            "does not run yet: the next command with --sandbox starts it",
        ),
    };
    let session = &*session;
    let python = async {
        let found = tokio::task::spawn_blocking(python::find).await??;
        Ok(found.display().to_string())
    };
    let account = async {
        match session.sandbox {
            Some(_) => account(session).await,
            None => Vec::new(),
        }
    };
    let (mut checks, python, account) = tokio::join!(
        this_machine(session, Tasks::InSandbox(engine)),
        check("python", None, python),
        account
    );
    checks.extend([python, sandbox]);
    checks.extend(account);
    checks
}

async fn this_machine(session: &Session, tasks: Tasks) -> Vec<Check> {
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
    let settings = session.settings.clone();
    let disk = async { tokio::task::spawn_blocking(move || disk::look(&settings)).await? };
    let (cargo, git, docker, terraform, disk) = tokio::join!(
        check("cargo", None, toolchain(session)),
        check("git", None, git),
        check("docker", None, docker(session, &tasks)),
        check("terraform", None, terraform(session, &tasks)),
        check("disk", None, disk),
    );
    vec![
        cargo,
        git,
        docker,
        terraform,
        disk,
        workflows::look(session).await,
    ]
}

/// What is asked over the network, of AWS and of GitHub.
async fn account(session: &Session) -> Vec<Check> {
    let settings = &session.settings;
    let aws = session.aws().await;
    let (ecr, ecs, logs) = (aws.ecr(), aws.ecs(), aws.logs());
    let service = settings.service();
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
                FOUNDATION,
            )
        })?;
        Ok(found.uri)
    };
    let cluster = async {
        if ecs.has_cluster(&service).await? {
            return Ok(service.clone());
        }
        let what = format!("there is no ECS cluster `{service}`");
        Err(Problem::failed(what, FOUNDATION).into())
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
        Ok(settings.github_repository.to_string())
    };
    let sign_in = "sign in: aws sso login, or set AWS_PROFILE";
    let of_sandbox = session.sandbox.is_some().then(|| aws.signed());
    let region = &settings.environment.region;
    let bucket = state_bucket::find(settings.state_bucket(), region, of_sandbox);
    let (credentials, repository, cluster, logs, bucket, github, rules) = tokio::join!(
        check("credentials", Some(sign_in), credentials),
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
            "logs",
            Some("your role needs logs:GetLogEvents"),
            log_access
        ),
        check(
            "state bucket",
            Some("check the network, a VPN, a proxy"),
            bucket
        ),
        check(
            "GitHub",
            Some("set GH_TOKEN, or run `gh auth login`"),
            github
        ),
        protection::look(session),
    );
    // Without credentials all that needs them fails too, which says nothing about it.
    let signed = [repository, cluster, logs].map(|check| match credentials.is_missing() {
        true => Check::not_looked_at(check.name, "not looked at: it needs credentials"),
        false => check,
    });
    let mut checks = vec![credentials];
    checks.extend(signed);
    checks.extend([bucket, github]);
    checks.extend(rules);
    checks
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
    Check::of(name, found)
}

/// The Engine's version. One that is missing is a fault only where something needs it.
async fn docker(session: &Session, tasks: &Tasks) -> anyhow::Result<String> {
    let version = docker::server_version(&session.interrupt).await;
    let problem = match version {
        Ok(version) => return Ok(version),
        Err(problem) => problem,
    };
    if session.settings.recipe() != Recipe::Assembled {
        return Err(problem.into());
    }
    let engine = match tasks {
        Tasks::OnEcs => {
            let why = "not there, and not needed: the image is built without it, and ECS runs it";
            return Ok(why.to_owned());
        }
        Tasks::InSandbox(Some(engine)) => *engine,
        Tasks::InSandbox(None) => {
            engine::choose(session.settings.engine, &session.interrupt).await?
        }
    };
    match engine {
        Engine::Docker => Err(problem.into()),
        Engine::Process => {
            Ok("not there, and not needed: the sandbox runs tasks as processes".to_owned())
        }
    }
}

/// Its version. The sandbox fetches the one that Cargo.toml pins, where there is none.
async fn terraform(session: &Session, tasks: &Tasks) -> anyhow::Result<String> {
    let settings = &session.settings;
    let version = Terraform::version(&tools::terraform(settings), &session.interrupt).await;
    match (&version, tasks, &settings.terraform_pin) {
        (Err(_), Tasks::InSandbox(None), Some(pin)) => Ok(format!(
            "not there: the sandbox fetches {} when it starts",
            pin.version
        )),
        _ => Ok(version?),
    }
}

async fn toolchain(session: &Session) -> anyhow::Result<String> {
    let program = cargo().arg("--version").current_dir(&session.settings.root);
    let version = program.read(&session.interrupt).await.map_err(|error| {
        Problem::failed(format!("{error:#}"), "install Rust: https://rustup.rs")
    })?;
    Ok(version.trim().trim_start_matches("cargo ").to_owned())
}
