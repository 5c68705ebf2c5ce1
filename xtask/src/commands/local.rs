//! `cargo xtask local TASK`: the entrypoint without ECS, here or in the image.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::catalog::local_env::{self, Environment};
use crate::cli::Local;
use crate::clients::build_environment::withhold;
use crate::clients::cargo::cargo;
use crate::clients::docker;
use crate::clients::process::{Program, Source, status_code};
use crate::clients::secrets::resolve;
use crate::clients::tasks_file;
use crate::failure::Problem;
use crate::layout::{Layout, project_dir};
use crate::names::did_you_mean;
use crate::plan::{Goal, Request};
use crate::session::Session;
use crate::steps::preflight::preflight;
use crate::steps::push_image::publish;
use crate::ui::Step;
use crate::ui::task_log::LogLine;

/// What the AWS SDKs look for. Without `--aws` a task must not act as whoever tries it.
const CREDENTIALS: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

pub async fn run(args: &Local, session: &Session) -> anyhow::Result<u8> {
    let (words, mut environment) = describe(args, session)?;
    if args.secrets {
        resolve_deployed(args, session, &mut environment).await?;
    }
    if let Some(file) = &args.env_file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("reading the variables from {}", file.display()))?;
        for (key, value) in local_env::parse_file(&text)? {
            environment.set(&key, value);
        }
    }
    for (key, value) in &args.environment {
        environment.set(key, value.clone());
    }
    for name in &environment.missing {
        session.reporter.warning(
            Step::Task,
            format!("{name} is not set: add --secrets, -e {name}=… or --env-file"),
        );
    }
    let mut variables: Vec<(String, OsString)> = environment.variables();
    match (args.aws, &session.sandbox) {
        (true, Some(address)) => variables.extend(address.task_env()),
        (true, None) => {
            if let Some(profile) = &session.settings.environment.profile {
                variables.push(("AWS_PROFILE".to_owned(), profile.into()));
            }
        }
        (false, _) => {}
    }
    if args.container || args.shell {
        return in_container(args, session, &words, variables).await;
    }
    natively(args, session, &words, variables).await
}

/// The command and the environment as the working tree has them.
fn describe(args: &Local, session: &Session) -> anyhow::Result<(Vec<String>, Environment)> {
    let settings = &session.settings;
    let catalog = tasks_file::catalog(settings)?;
    let name = args.task.as_str();
    let mut definitions = catalog.definitions.iter().flatten();
    let definition = definitions.find(|definition| definition.name == name);
    let is_entrypoint = catalog.entrypoints.iter().any(|entry| entry.name == name);
    if definition.is_none() && !is_entrypoint {
        let known: Vec<&str> = catalog
            .entrypoints
            .iter()
            .map(|e| e.name.as_str())
            .collect();
        return Err(Problem::usage(
            format!("there is neither a task nor an entrypoint `{name}`"),
            did_you_mean(name, &known),
        )
        .into());
    }
    let command = definition.and_then(|definition| definition.command.clone());
    let mut words = command.unwrap_or_else(|| vec![name.to_owned()]);
    if words.starts_with(&["poetry".to_owned(), "run".to_owned()]) {
        words.drain(..2);
    }
    words.extend(args.args.iter().cloned());
    let mut environment = Environment::default();
    let environment_name = settings.environment.name.to_string();
    environment.set("ENVIRONMENT", environment_name);
    environment.set("SERVICE_DOCKER_TAG", "local".to_owned());
    environment.set("AWS_REGION", settings.environment.region.clone());
    environment.set("TASK_AUTHOR", session.author(None));
    for entry in definition.iter().flat_map(|definition| &definition.env) {
        environment.add(entry);
    }
    Ok((words, environment))
}

/// What the deployed definition says of the variables that the working tree cannot tell.
async fn resolve_deployed(
    args: &Local,
    session: &Session,
    environment: &mut Environment,
) -> anyhow::Result<()> {
    let family = format!("{}-{}", session.settings.service(), args.task);
    let aws = session.aws().await;
    let deployed = aws
        .ecs()
        .deployed_environment(&family, args.task.as_str())
        .await?;
    let deployed = deployed.ok_or_else(|| {
        Problem::failed(
            format!("ECS has no task definition {family}, which would name the secrets"),
            "deploy it first, or give the variables with -e or --env-file",
        )
    })?;
    for (name, value) in deployed.plain {
        if environment.missing.contains(&name) {
            environment.set(&name, value);
        }
    }
    let signed = aws.signed();
    for (name, from) in deployed.secrets {
        let value = resolve(&signed, &from)
            .await
            .with_context(|| format!("resolving the secret {name}"))?;
        environment.set(&name, value);
    }
    Ok(())
}

async fn natively(
    args: &Local,
    session: &Session,
    words: &[String],
    variables: Vec<(String, OsString)>,
) -> anyhow::Result<u8> {
    let settings = &session.settings;
    let mut program = match &settings.pyproject {
        Some(_) => Program::new("poetry")
            .args(["run"])
            .args(words)
            .current_dir(&settings.root.join(project_dir(settings)?)),
        None => Program::new(built(session).await?)
            .args(words)
            .current_dir(&settings.root),
    };
    if !args.aws {
        for key in CREDENTIALS {
            program = program.env_remove(key);
        }
        program = program
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true");
    }
    if let Some(address) = session.sandbox.as_ref().filter(|_| args.aws) {
        for key in address.task_env_removed() {
            program = program.env_remove(&key);
        }
    }
    follow(session, program.envs(&variables)).await
}

/// The binary, compiled without what it gets when it runs: a build script has no use for the task's
/// secrets.
async fn built(session: &Session) -> anyhow::Result<PathBuf> {
    let settings = &session.settings;
    let binary = Layout::read(settings)?.binary;
    let program = withhold(cargo(), &settings.build_environment)
        .args(["build", "--quiet", "--package", &settings.package])
        .args(["--bin", &binary])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(&settings.root);
    let shown = program.shown().to_owned();
    session.reporter.command(&shown);
    let mut executable = None;
    let finished = program
        .run(&session.interrupt, |source, line| match source {
            Source::Stderr => session.reporter.text(line),
            Source::Stdout => executable = executable_of(line, &binary).or(executable.take()),
        })
        .await?;
    if finished.interrupted || !finished.status.success() {
        // The compiler's words were shown as they came.
        return Err(match finished.interrupted {
            true => Problem::interrupted(format!("interrupted `{shown}`")).into(),
            false => anyhow::anyhow!("`{shown}` ended with {}", finished.how()),
        });
    }
    executable.with_context(|| format!("`{shown}` made no binary `{binary}`"))
}

/// Where a line of cargo's JSON says that this binary is.
fn executable_of(line: &str, binary: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    let ours = target["name"] == binary && target["kind"][0] == "bin";
    let executable = message["executable"].as_str().filter(|_| ours)?;
    Some(executable.into())
}

/// The image of the working tree, with the variables handed over by name: a secret is on no command line.
async fn in_container(
    args: &Local,
    session: &Session,
    words: &[String],
    mut variables: Vec<(String, OsString)>,
) -> anyhow::Result<u8> {
    let request = Request {
        task: None,
        goal: Goal::Publish,
        allow_dirty: true,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    };
    let plan = preflight(session, &request).await?;
    let image = publish(session, &plan).await?.reference();
    // `docker run` would ask the registry without a login.
    let login = session.aws().await.ecr().login().await?;
    let docker = docker::Session::login(plan.repository.registry(), &login)?;
    docker.pull(&image, &session.interrupt).await?;
    if args.aws && session.sandbox.is_none() {
        let passed = CREDENTIALS.iter().filter(|key| **key != "AWS_PROFILE");
        variables
            .extend(passed.filter_map(|key| Some(((*key).to_owned(), std::env::var_os(key)?))));
    }
    // The host's loopback is not the container's; docker's host network is.
    let mut options = vec!["run", "--rm", "--network", "host"];
    for (name, _) in &variables {
        options.extend(["--env", name]);
    }
    if !args.shell {
        let program = Program::new("docker").args(options).arg(&image).args(words);
        return follow(session, program.envs(&variables)).await;
    }
    if std::io::stdin().is_terminal() {
        options.push("--tty");
    }
    let status = std::process::Command::new("docker")
        .args(options)
        .args(["--interactive", "--entrypoint", "sh", &image])
        .envs(variables)
        .status()
        .context("starting docker")?;
    if status.code() == Some(127) {
        return Err(Problem::failed(
            format!("the image {image} has no shell"),
            "an image FROM scratch has none: run the task with --container, or natively",
        )
        .into());
    }
    Ok(status_code(status))
}

/// Shows the lines as `run` does and passes the exit code on.
async fn follow(session: &Session, program: Program) -> anyhow::Result<u8> {
    session.reporter.command(program.shown());
    let finished = program
        .run(&session.interrupt, |source, message| match source {
            Source::Stdout => session.reporter.task_line(&LogLine {
                container: None,
                message,
            }),
            Source::Stderr => session.reporter.text(message),
        })
        .await?;
    if finished.interrupted && finished.status.signal().is_some() {
        return Err(Problem::interrupted("interrupted the task").into());
    }
    Ok(status_code(finished.status))
}
