//! `cargo xtask logs TASK|ID`: a run that is over, one that is running, or the next one.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::Logs;
use crate::clients::ecs::{Ecs, Task, id_of};
use crate::clients::terraform::outputs::Outputs;
use crate::commands::run::require_right_account;
use crate::failure::Problem;
use crate::hold;
use crate::names::did_you_mean;
use crate::rounds::Bound;
use crate::session::Session;
use crate::steps::deployed_outputs::deployed_outputs;
use crate::steps::follow_task::{Wait, follow_task, show_once};
use crate::steps::launch_task::{RunningTask, find_definition};
use crate::ui::Step;
use crate::verdict::verdict;

/// How often the next run is looked for.
const NEXT_PAUSE: Duration = Duration::from_secs(2);
/// A weekly task has begun by then.
const NEXT_PATIENCE: Duration = Duration::from_secs(8 * 86_400);

pub async fn run(args: &Logs, session: &Session) -> anyhow::Result<u8> {
    require_right_account(session).await?;
    let outputs = deployed_outputs(session).await?;
    let ecs = session.aws().await.ecs();
    let running = match family_of(session, &outputs, &args.target) {
        Some((task, family)) if args.next => {
            running_of(
                &ecs,
                &outputs,
                next(session, &ecs, &outputs, &task, &family).await?,
            )
            .await?
        }
        Some((task, family)) => {
            let tasks = ecs.tasks_of_family(&outputs.cluster, &family, true).await?;
            let last = tasks.into_iter().next().ok_or_else(|| {
                Problem::failed(
                    format!(
                        "{task} has no run that ECS still knows (it forgets them after an hour)"
                    ),
                    format!(
                        "its lines are in the log group {}, streams {task}/…",
                        outputs.log_group
                    ),
                )
            })?;
            running_of(&ecs, &outputs, last).await?
        }
        None => by_id(session, &ecs, &outputs, &args.target).await?,
    };
    if !(args.follow || args.next) {
        let since = args
            .since
            .map(|since| milliseconds(SystemTime::now().checked_sub(since)));
        show_once(session, &running, since).await?;
        return Ok(0);
    }
    let end = follow_task(session, &running, Wait::LOOKING_ON, None).await?;
    session.reporter.verdict(&verdict(&end));
    Ok(0)
}

/// The task and its family when the target is a task's name.
fn family_of(session: &Session, outputs: &Outputs, target: &str) -> Option<(String, String)> {
    outputs.task_definitions.get(target)?;
    Some((
        target.to_owned(),
        format!("{}-{target}", session.settings.service()),
    ))
}

async fn by_id(
    session: &Session,
    ecs: &Ecs,
    outputs: &Outputs,
    target: &str,
) -> anyhow::Result<RunningTask> {
    let id = id_of(target);
    let looks_like_an_id = id.len() >= 32 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let known: Vec<&str> = outputs
        .task_definitions
        .keys()
        .map(String::as_str)
        .collect();
    if !looks_like_an_id {
        return Err(Problem::usage(
            format!(
                "there is no task `{target}` in {}",
                session.settings.environment.name
            ),
            did_you_mean(target, &known),
        )
        .into());
    }
    let task = ecs
        .tasks(&outputs.cluster, &[id.to_owned()])
        .await?
        .into_iter()
        .next()
        .ok_or_else(|| {
            Problem::failed(
                format!(
                    "ECS knows no task {id} in {} (it forgets stopped tasks after an hour)",
                    outputs.cluster
                ),
                format!("its lines are in the log group {}", outputs.log_group),
            )
        })?;
    running_of(ecs, outputs, task).await
}

async fn running_of(ecs: &Ecs, outputs: &Outputs, task: Task) -> anyhow::Result<RunningTask> {
    let definition = find_definition(ecs, &task.task_definition).await?;
    // The task's own container is named like the task; a foreign definition has at least one.
    let own = outputs
        .container_names
        .values()
        .filter_map(|names| names.first());
    let own = own.into_iter().find(|name| {
        definition
            .containers
            .iter()
            .any(|container| container.name == **name)
    });
    let first = definition
        .containers
        .first()
        .map(|container| container.name.clone());
    let container = own.cloned().or(first).unwrap_or_default();
    Ok(RunningTask {
        cluster: outputs.cluster.clone(),
        task,
        definition,
        container,
        record: None,
    })
}

/// Waits for a run that was not there at the first look.
async fn next(
    session: &Session,
    ecs: &Ecs,
    outputs: &Outputs,
    task: &str,
    family: &str,
) -> anyhow::Result<Task> {
    let timer = session
        .reporter
        .started(Step::Task, format!("waiting for the next run of {task}"));
    let seen: HashSet<String> = ecs
        .tasks_of_family(&outputs.cluster, family, true)
        .await?
        .into_iter()
        .map(|task| task.arn)
        .collect();
    let waiting = "waiting for the next run";
    let mut rounds = Bound::every(NEXT_PAUSE, NEXT_PATIENCE).rounds(&session.interrupt, waiting);
    while rounds.again().await? {
        let tasks = ecs.tasks_of_family(&outputs.cluster, family, true).await?;
        if let Some(new) = tasks.into_iter().find(|task| !seen.contains(&task.arn)) {
            let by = new.started_by.as_deref().unwrap_or("somebody");
            session
                .reporter
                .finished(&timer, format!("{} started {}", by, new.id()));
            return Ok(new);
        }
    }
    Err(Problem::failed(
        format!(
            "no run of {task} has begun in {}",
            hold::period(NEXT_PATIENCE)
        ),
        format!(
            "wait on with the same command, or start one: cargo xtask run {task}{}",
            session.flags()
        ),
    )
    .into())
}

fn milliseconds(time: Option<SystemTime>) -> i64 {
    let since = time
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
