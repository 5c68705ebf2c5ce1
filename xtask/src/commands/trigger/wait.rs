//! From the moment at which something should start a task, to that task's end.

use std::collections::HashSet;
use std::time::Duration;

use crate::cli::OnTimeout;
use crate::clients::ecs::{Ecs, Task};
use crate::clients::events::Events;
use crate::failure::Problem;
use crate::rounds::Bound;
use crate::session::Session;
use crate::steps::follow_task::{Wait, follow_task};
use crate::steps::launch_task::{RunningTask, find_definition};
use crate::steps::preflight::as_problem;
use crate::ui::Step;
use crate::verdict::verdict;
use crate::wiring;

const PAUSE: Duration = Duration::from_millis(700);
/// The task is ours alone: whoever interrupts means it, too.
const WAIT: Wait = Wait {
    timeout: None,
    on_timeout: OnTimeout::Leave,
    on_interrupt: None,
};

/// What is waited for, and where its absence would be explained.
pub struct Awaited<'a> {
    pub task: &'a str,
    pub cluster: &'a str,
    pub family: &'a str,
    /// The rule's or the twin's ARN.
    pub source_arn: &'a str,
    pub role_arn: &'a str,
    pub dead_letters: Option<&'a str>,
    /// From now on.
    pub patience: Duration,
}

/// The tasks that were there before, so that a new one is known.
pub async fn seen(ecs: &Ecs, cluster: &str, family: &str) -> anyhow::Result<HashSet<String>> {
    let tasks = ecs.tasks_of_family(cluster, family, true).await?;
    Ok(tasks.into_iter().map(|task| task.arn).collect())
}

/// Waits for the task, or for a dead letter that says why there is none.
pub async fn started(
    session: &Session,
    awaited: &Awaited<'_>,
    is_ours: impl Fn(&Task) -> bool,
    letter_is_ours: impl Fn(&str) -> bool,
) -> anyhow::Result<Task> {
    let aws = session.aws().await;
    let (ecs, events) = (aws.ecs(), aws.events());
    let mut letters_readable = true;
    let waiting = "waiting for the task to start";
    let mut rounds = Bound::every(PAUSE, awaited.patience).rounds(&session.interrupt, waiting);
    while rounds.again().await? {
        let tasks = ecs.tasks_of_family(awaited.cluster, awaited.family, true);
        let tasks = session.interrupt.or(waiting, tasks).await?;
        if let Some(task) = tasks.into_iter().find(|task| is_ours(task)) {
            return Ok(task);
        }
        if letters_readable
            && let Err(error) = read_letters(&events, awaited, &letter_is_ours).await?
        {
            letters_readable = false;
            session.reporter.warning(
                Step::Task,
                format!("the dead letters cannot be read, so that a refusal would stay unseen: {error:#}"),
            );
        }
    }
    Err(nothing_started(awaited, letters_readable).into())
}

/// The outer error is a letter of ours: why nothing started. The inner one: the queue is out of reach.
async fn read_letters(
    events: &Events,
    awaited: &Awaited<'_>,
    is_ours: &impl Fn(&str) -> bool,
) -> anyhow::Result<anyhow::Result<()>> {
    let Some(queue) = awaited.dead_letters else {
        return Ok(Ok(()));
    };
    let letters = events
        .take_dead_letters(queue, awaited.source_arn, is_ours)
        .await;
    let letter = match letters {
        Ok(letters) => letters.into_iter().next(),
        Err(error) => return Ok(Err(error)),
    };
    let Some(letter) = letter else {
        return Ok(Ok(()));
    };
    let problem = match wiring::of_dead_letter(&letter, awaited.role_arn) {
        Some(broken) => broken.into(),
        None => Problem::failed(
            format!(
                "nothing started; AWS says: {} {}",
                letter.code, letter.message
            ),
            "this names no link of the wiring; AWS's words are all there is",
        ),
    };
    Err(problem.into())
}

fn nothing_started(awaited: &Awaited<'_>, letters_readable: bool) -> Problem {
    let letters = match (awaited.dead_letters, letters_readable) {
        (None, _) => "it has no dead-letter queue that could say why",
        (Some(_), false) => "its dead letters cannot be read",
        (Some(_), true) => "and there is no dead letter about it",
    };
    Problem::failed(
        format!(
            "no task of {} was started within {} s; {letters}",
            awaited.task,
            awaited.patience.as_secs()
        ),
        "every link that can be looked at is in order, so none is named; look at FailedInvocations in CloudWatch and at CloudTrail's RunTask events",
    )
}

/// Follows the task to its verdict.
pub async fn follow(session: &Session, awaited: &Awaited<'_>, task: Task) -> anyhow::Result<u8> {
    let ecs = session.aws().await.ecs();
    let definition = find_definition(&ecs, &task.task_definition).await?;
    let own = definition
        .containers
        .iter()
        .find(|container| container.name == awaited.task)
        .or_else(|| definition.containers.first());
    let running = RunningTask {
        cluster: awaited.cluster.to_owned(),
        container: own.map(|own| own.name.clone()).unwrap_or_default(),
        task,
        definition,
        record: None,
    };
    let end = follow_task(session, &running, WAIT, None).await?;
    let verdict = verdict(&end);
    session.reporter.verdict(&verdict);
    Ok(verdict.exit_code)
}

/// Says what could not be cleaned up; the result of the trigger itself counts.
pub fn clean_up(session: &Session, cleaned: anyhow::Result<()>) {
    if let Err(error) = cleaned {
        session
            .reporter
            .warning(Step::Task, as_problem(&error).message);
    }
}
