//! A running task to its end: its logs while it runs, whole after it has stopped, and what ECS says.

mod choice;
pub mod many;
mod streams;

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::cli::{OnInterrupt, OnTimeout};
use crate::clients::ecs::{Ecs, Task};
use crate::failure::{Kind, Problem};
use crate::names::Digest;
use crate::record::MISSING_GRACE;
use crate::session::Session;
use crate::steps::launch_task::RunningTask;
use crate::ui::Step;
use crate::ui::event::TaskSeen;
use crate::verdict::{Cut, TaskEnd};
use choice::Choice;
use streams::Streams;

/// How many of the last lines the verdict may look at.
const LAST_LINES: usize = 20;

/// How long to follow, and what to do when it is cut short.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// Counted from the start of the follow; None waits for as long as the task runs.
    pub timeout: Option<Duration>,
    pub on_timeout: OnTimeout,
    /// None: ask on a terminal, stop the task elsewhere.
    pub on_interrupt: Option<OnInterrupt>,
}

impl Wait {
    /// For somebody who only looks at a task: leaving never stops it.
    pub const LOOKING_ON: Wait = Wait {
        timeout: None,
        on_timeout: OnTimeout::Leave,
        on_interrupt: Some(OnInterrupt::Detach),
    };
}

enum Event {
    Looked { news: bool, task: Option<Box<Task>> },
    Interrupted,
    Answered(Choice),
    TimedOut(Duration),
}

/// Follows to the end. The exit code is the verdict's business.
pub async fn follow_task(
    session: &Session,
    running: &RunningTask,
    wait: Wait,
    expected: Option<&Digest>,
) -> anyhow::Result<TaskEnd> {
    let id = running.task.id();
    let aws = session.aws().await;
    let ecs = aws.ecs();
    let timer = session
        .reporter
        .started(Step::Task, format!("logs of {id}"));
    session.reporter.task_seen(TaskSeen {
        status: running.task.last_status.clone(),
        ..seen(running)
    });
    let mut streams = Streams::of(running, aws.logs(), &session.reporter, None);
    let mut interrupt = session.interrupt.clone();
    interrupt.set_last_words(format!("left; {}", goes_on(session, id)));
    let started = Instant::now();
    let deadline = wait.timeout.map(|timeout| (started + timeout, timeout));
    let mut pause = Duration::ZERO;
    let mut status = String::new();
    let mut cut: Option<Cut> = None;
    let mut question: Option<oneshot::Receiver<Choice>> = None;
    let task = loop {
        let listening = cut.is_none() && question.is_none();
        let event = tokio::select! {
            looked = look(&ecs, running, &mut streams, started, pause) => {
                let (task, news) = looked.map_err(|error| lost_sight(session, id, error))?;
                Event::Looked { news, task: task.map(Box::new) }
            }
            () = interrupt.requested(), if listening => Event::Interrupted,
            choice = choice::answer(&mut question), if question.is_some() => Event::Answered(choice),
            timeout = until(deadline), if cut.is_none() => Event::TimedOut(timeout),
        };
        let choice = match event {
            Event::Looked { mut news, task } => {
                if let Some(task) = task {
                    if task.last_status != status {
                        status.clone_from(&task.last_status);
                        news = true;
                        session.reporter.detail(Step::Task, status.to_lowercase());
                    }
                    if task.is_stopped() {
                        break *task;
                    }
                }
                pause = next_pause(pause, news, started.elapsed());
                continue;
            }
            Event::Interrupted => match choice::of(wait.on_interrupt, interrupt.is_terminate()) {
                Some(choice) => choice,
                None => {
                    question = Some(choice::ask(&session.reporter, id));
                    continue;
                }
            },
            Event::Answered(choice) => choice,
            Event::TimedOut(timeout) => match wait.on_timeout {
                OnTimeout::Leave => return Err(left_by_timeout(session, id, timeout)),
                OnTimeout::Stop => {
                    cut = Some(Cut::TimedOut(timeout));
                    let reason = format!("cargo xtask: --timeout {}", crate::ui::seconds(timeout));
                    stop(session, &ecs, running, &reason).await?;
                    continue;
                }
            },
        };
        question = None;
        match choice {
            Choice::Stop => {
                cut = Some(Cut::Interrupted);
                let by = running
                    .record
                    .as_ref()
                    .map(|record| &record.launch.started_by);
                let by = by.cloned().unwrap_or_else(|| session.author(None));
                let reason = format!("cargo xtask: interrupted by {by}");
                stop(session, &ecs, running, &reason).await?;
            }
            Choice::Detach => return Err(detached(session, id)),
            Choice::KeepWaiting => interrupt.carry_on(),
        }
    };
    // Once cut, there is no first interrupt left to look for; a second one leaves at once.
    let patience = cut.is_none().then_some(&interrupt);
    let whole = streams
        .drain(&task, patience)
        .await
        .map_err(|error| lost_sight(session, id, error))?;
    if !whole {
        session
            .reporter
            .warning(Step::Task, "interrupted: the last lines may be missing");
    }
    interrupt.set_last_words("");
    if let Some(record) = &running.record {
        let mut record = record.clone();
        record.ended = true;
        record.save(&session.settings.work_dir())?;
    }
    // Only for the record: a task that has ended well is not to fail over it.
    if let Ok(Some(lifecycle)) = ecs.lifecycle(&running.cluster, &running.task.arn).await {
        let TaskSeen {
            log_group,
            log_stream,
            ..
        } = seen(running);
        session.reporter.task_seen(TaskSeen {
            log_group,
            log_stream,
            ..lifecycle
        });
    }
    let lifetime = task
        .started_at
        .zip(task.stopped_at)
        .and_then(|(start, stop)| stop.duration_since(start).ok());
    let ran = lifetime.map(|ran| format!("stopped after running {}", crate::ui::seconds(ran)));
    session
        .reporter
        .finished(&timer, ran.unwrap_or_else(|| "stopped".to_owned()));
    Ok(TaskEnd {
        task,
        definition: running.definition.clone(),
        container: running.container.clone(),
        expected_digest: expected.cloned(),
        silent_containers: streams.silent_containers(),
        last_lines: streams.into_last_lines(),
        cluster: running.cluster.clone(),
        cut,
    })
}

/// Shows what is there now, and does not wait for more. `since` is in milliseconds since 1970.
pub async fn show_once(
    session: &Session,
    running: &RunningTask,
    since: Option<i64>,
) -> anyhow::Result<()> {
    let logs = session.aws().await.logs();
    let mut streams = Streams::of(running, logs, &session.reporter, since);
    session
        .interrupt
        .or("reading the log", streams.show_new())
        .await?;
    for container in streams.silent_containers() {
        session
            .reporter
            .warning(Step::Task, format!("no line of {container} has arrived"));
    }
    Ok(())
}

/// What is known of the task before ECS is asked.
fn seen(running: &RunningTask) -> TaskSeen {
    let containers = running.definition.containers.iter();
    let own = containers
        .into_iter()
        .find(|container| container.name == running.container);
    let stream = own.and_then(|container| container.stream(running.task.id()));
    TaskSeen {
        arn: running.task.arn.clone(),
        cluster: running.cluster.clone(),
        log_group: stream.as_ref().map(|stream| stream.group.clone()),
        log_stream: stream.map(|stream| stream.name),
        ..TaskSeen::default()
    }
}

/// One look at ECS and at the logs, side by side, after a pause. The task is None while ECS does not
/// know it yet. May be given up at any await.
async fn look(
    ecs: &Ecs,
    running: &RunningTask,
    streams: &mut Streams<'_>,
    started: Instant,
    pause: Duration,
) -> anyhow::Result<(Option<Task>, bool)> {
    tokio::time::sleep(pause).await;
    let ids = [running.task.arn.clone()];
    let (tasks, news) = tokio::try_join!(ecs.tasks(&running.cluster, &ids), streams.show_new())?;
    let task = tasks.into_iter().next();
    if task.is_none() && started.elapsed() > MISSING_GRACE {
        return Err(Problem::failed(
            format!(
                "ECS accepted the task {} but does not know it",
                running.task.id()
            ),
            format!(
                "look for it in the cluster {}; ECS forgets stopped tasks after an hour",
                running.cluster
            ),
        )
        .into());
    }
    Ok((task, news))
}

/// Fast at first and after news, then slower the longer the task runs: its end is seen within about
/// a twentieth of its own time, and a task of hours costs a call every three seconds.
fn next_pause(pause: Duration, news: bool, elapsed: Duration) -> Duration {
    const FIRST: Duration = Duration::from_millis(150);
    const LAST: Duration = Duration::from_secs(3);
    if news || pause.is_zero() {
        return FIRST;
    }
    (pause * 3 / 2).min((elapsed / 20).clamp(FIRST, LAST))
}

async fn until(deadline: Option<(Instant, Duration)>) -> Duration {
    match deadline {
        Some((instant, timeout)) => {
            tokio::time::sleep_until(instant.into()).await;
            timeout
        }
        None => std::future::pending().await,
    }
}

async fn stop(
    session: &Session,
    ecs: &Ecs,
    running: &RunningTask,
    reason: &str,
) -> anyhow::Result<()> {
    let id = running.task.id();
    session
        .interrupt
        .set_last_words(format!("left; the task {id} was asked to stop"));
    session.reporter.detail(
        Step::Task,
        format!("asking {id} to stop, and waiting for its end; Ctrl-C leaves at once"),
    );
    ecs.stop(&running.cluster, id, reason).await?;
    Ok(())
}

fn goes_on(session: &Session, id: &str) -> String {
    format!(
        "the task {id} goes on running\n\nhint: {}",
        ways(session, id).replace('\n', "\n      ")
    )
}

/// How to come back to a task that was left.
fn ways(session: &Session, id: &str) -> String {
    let flags = session.flags();
    format!(
        "follow it: cargo xtask logs {id} --follow{flags}\nstop it:   cargo xtask stop {id}{flags}"
    )
}

fn detached(session: &Session, id: &str) -> anyhow::Error {
    Problem {
        kind: Kind::Detached,
        message: format!("detached; the task {id} goes on running"),
        hint: Some(ways(session, id)),
    }
    .into()
}

fn left_by_timeout(session: &Session, id: &str, timeout: Duration) -> anyhow::Error {
    Problem {
        kind: Kind::TimedOut,
        message: format!(
            "the task {id} has not ended within {}, and goes on running",
            crate::ui::seconds(timeout)
        ),
        hint: Some(ways(session, id)),
    }
    .into()
}

/// The task is not lost because we cannot see it: how to mend it, and how to come back.
fn lost_sight(session: &Session, id: &str, error: anyhow::Error) -> anyhow::Error {
    let own = error.downcast_ref::<Problem>();
    let own = own.and_then(|problem| problem.hint.clone());
    let hint = [own, Some(ways(session, id))];
    Problem::failed(
        format!("lost sight of the task {id}, which may go on running: {error:#}"),
        hint.into_iter().flatten().collect::<Vec<_>>().join("\n"),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_fast_at_first_and_after_news_and_adapt_to_the_tasks_own_time() {
        let ms = Duration::from_millis;
        for (pause, news, elapsed, expected) in [
            (0, false, 0, 150),
            (150, false, 1_000, 150),
            (150, false, 10_000, 225),
            (1_200, false, 25_000, 1_250),
            (2_500, false, 3_600_000, 3_000),
            (3_000, true, 3_600_000, 150),
        ] {
            assert_eq!(
                next_pause(ms(pause), news, ms(elapsed)),
                ms(expected),
                "{pause} {news} {elapsed}"
            );
        }
    }
}
