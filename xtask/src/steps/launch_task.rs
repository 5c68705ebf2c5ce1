//! One task, started at the revision that the apply made.

use std::time::SystemTime;

use anyhow::Context as _;

use crate::clients::ecs::{Ecs, Launch, Task, TaskDefinition};
use crate::clients::terraform::outputs::Outputs;
use crate::failure::Problem;
use crate::names::{TaskName, did_you_mean};
use crate::session::Session;
use crate::steps::require_paused::Paused;
use crate::ui::Step;

/// What the user wants different from the definition.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub cpu: Option<String>,
    pub memory: Option<String>,
    pub author: String,
}

/// A task that ECS has accepted.
#[derive(Debug, Clone)]
pub struct RunningTask {
    pub cluster: String,
    pub task: Task,
    pub definition: TaskDefinition,
    /// The container whose exit code is the task's.
    pub container: String,
}

/// Starts the task. With `paused`, auto-deploy was seen paused just now; a plain `run` needs no
/// such proof, since it takes what is deployed.
pub async fn launch_task(
    session: &Session,
    outputs: &Outputs,
    name: &TaskName,
    wishes: &Wishes,
    _paused: Option<&Paused>,
) -> anyhow::Result<RunningTask> {
    let environment = &session.settings.environment.name;
    let arn = outputs.task_definitions.get(name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = outputs
            .task_definitions
            .keys()
            .map(String::as_str)
            .collect();
        Problem::usage(
            format!("there is no task `{name}` in {environment}"),
            did_you_mean(name.as_str(), &known),
        )
    })?;
    let timer = session
        .reporter
        .started(Step::Launch, format!("{name} on {}", outputs.cluster));
    let ecs = session.aws().await.ecs();
    let definition = find_definition(&ecs, arn).await?;
    let container = outputs
        .container_names
        .get(name.as_str())
        .and_then(|names| names.first())
        .context("the output container_names does not name the task's container")?
        .clone();
    warn_about_logs(session, &definition);
    let own = definition
        .containers
        .iter()
        .find(|candidate| candidate.name == container);
    let mut command = own.map(|own| own.command.clone()).unwrap_or_default();
    command.extend(wishes.args.iter().cloned());
    let run_id = run_id();
    let mut environment_overrides = vec![("TASK_AUTHOR".to_owned(), wishes.author.clone())];
    environment_overrides.extend(wishes.environment.iter().cloned());
    let launch = Launch {
        cluster: outputs.cluster.clone(),
        task_definition: definition.arn.clone(),
        container: container.clone(),
        command,
        environment: environment_overrides,
        cpu: wishes.cpu.clone(),
        memory: wishes.memory.clone(),
        subnets: outputs.subnets.clone(),
        security_groups: outputs.security_groups.clone(),
        assign_public_ip: outputs.assign_public_ip,
        platform_version: outputs.platform_version.clone(),
        started_by: wishes.author.clone(),
        tags: vec![
            ("xtask-run".to_owned(), run_id.clone()),
            ("xtask-author".to_owned(), wishes.author.clone()),
            (
                "xtask-image-tag".to_owned(),
                outputs.service_docker_tag.clone(),
            ),
        ],
        client_token: format!("{run_id}-{:016x}", fastrand::u64(..)),
    };
    let task = ecs.run(&launch).await?;
    session
        .reporter
        .finished(&timer, format!("task {}", task.id()));
    Ok(RunningTask {
        cluster: outputs.cluster.clone(),
        task,
        definition,
        container,
    })
}

pub async fn find_definition(ecs: &Ecs, arn: &str) -> anyhow::Result<TaskDefinition> {
    ecs.task_definition(arn).await?.ok_or_else(|| {
        Problem::failed(
            format!("Terraform's state names {arn}, which ECS does not have"),
            "somebody deregistered it: deploy again",
        )
        .into()
    })
}

/// A log driver that drops lines under pressure makes every log doubtful.
fn warn_about_logs(session: &Session, definition: &TaskDefinition) {
    for container in &definition.containers {
        match &container.log {
            None => session.reporter.warning(
                Step::Launch,
                format!("the container {} does not log to CloudWatch Logs: nothing of it will be shown", container.name),
            ),
            Some(log) if !log.blocking => session.reporter.warning(
                Step::Launch,
                format!("the container {} logs in non-blocking mode, which can lose lines: set `mode = \"blocking\"` in its log options", container.name),
            ),
            Some(_) => {}
        }
    }
}

/// A name for this run that sorts by time: `20260102-030405-1a2b3c`.
fn run_id() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let digits: String = now.chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(digits.len().min(8));
    format!("{date}-{time}-{:06x}", fastrand::u32(..0x0100_0000))
}

#[cfg(test)]
mod tests {
    use super::run_id;

    #[test]
    fn run_ids_sort_by_time_and_fit_a_client_token() {
        let id = run_id();
        assert_eq!(id.len(), "20260102-030405-1a2b3c".len(), "{id}");
        assert!(id.len() + 17 <= 64);
    }
}
