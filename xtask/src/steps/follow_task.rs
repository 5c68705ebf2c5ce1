//! A running task to its end: its logs while it runs, whole after it has stopped, and what ECS says.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::clients::ecs::{Ecs, Task};
use crate::clients::logs::{Logs, Stream};
use crate::failure::Problem;
use crate::names::Digest;
use crate::session::Session;
use crate::steps::launch_task::RunningTask;
use crate::ui::Step;
use crate::ui::task_log::LogLine;
use crate::verdict::TaskEnd;

/// The first pauses between two looks; they grow to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const LAST_PAUSE: Duration = Duration::from_secs(3);
/// How long ECS may not know a task that it has just accepted (DescribeTasks is eventually consistent).
const MISSING_GRACE: Duration = Duration::from_secs(60);
/// After the stop, a stream is at its end when nothing new came for this long.
const DRAIN_GRACE: Duration = Duration::from_millis(1500);
/// How many of the last lines the verdict may look at.
const TAIL_LINES: usize = 20;

/// One container's stream and how far it was read.
struct Tail {
    container: String,
    stream: Stream,
    token: Option<String>,
    seen: bool,
    show_name: bool,
    /// Milliseconds since 1970; earlier events are left out.
    since: Option<i64>,
}

/// Follows to the end. The exit code is the verdict's business.
pub async fn follow_task(
    session: &Session,
    running: &RunningTask,
    expected: Option<&Digest>,
) -> anyhow::Result<TaskEnd> {
    let aws = session.aws().await;
    let (ecs, logs) = (aws.ecs(), aws.logs());
    let timer = session
        .reporter
        .started(Step::Task, format!("logs of {}", running.task.id()));
    let mut tails = tails_of(running);
    let mut last_lines = VecDeque::new();
    let mut show = |line: &LogLine<'_>| {
        session.reporter.task_line(line);
        if last_lines.len() == TAIL_LINES {
            last_lines.pop_front();
        }
        last_lines.push_back(line.message.to_owned());
    };
    let mut interrupt = session.interrupt.clone();
    let mut pause = FIRST_PAUSE;
    let mut status = String::new();
    let started = Instant::now();
    let task = loop {
        let task = describe(&ecs, running, started).await?;
        let mut news = false;
        if let Some(task) = task {
            if task.last_status != status {
                status.clone_from(&task.last_status);
                news = true;
                session.reporter.detail(Step::Task, status.to_lowercase());
            }
            if task.is_stopped() {
                break task;
            }
        }
        for tail in &mut tails {
            news |= read_new(&logs, tail, &mut show).await?;
        }
        pause = if news {
            FIRST_PAUSE
        } else {
            (pause * 3 / 2).min(LAST_PAUSE)
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = interrupt.requested() => return Err(detached(session, running)),
        }
    };
    drain(session, &logs, &mut tails, &task, &mut show).await?;
    let silent = tails
        .iter()
        .filter(|tail| !tail.seen)
        .map(|tail| tail.container.clone())
        .collect();
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
        last_lines: last_lines.into(),
        silent_containers: silent,
        cluster: running.cluster.clone(),
    })
}

/// Shows what is there now, and does not wait for more. `since` is in milliseconds since 1970.
pub async fn show_once(
    session: &Session,
    running: &RunningTask,
    since: Option<i64>,
) -> anyhow::Result<()> {
    let logs = session.aws().await.logs();
    for mut tail in tails_of(running) {
        tail.since = since;
        read_new(&logs, &mut tail, &mut |line| {
            session.reporter.task_line(line)
        })
        .await?;
        if !tail.seen {
            session.reporter.warning(
                Step::Task,
                format!("no line of {} has arrived", tail.container),
            );
        }
    }
    Ok(())
}

fn tails_of(running: &RunningTask) -> Vec<Tail> {
    let several = running.definition.containers.len() > 1;
    let containers = running.definition.containers.iter();
    containers
        .filter_map(|container| {
            Some(Tail {
                container: container.name.clone(),
                stream: container.stream(running.task.id())?,
                token: None,
                seen: false,
                show_name: several,
                since: None,
            })
        })
        .collect()
}

/// None while ECS does not know the task yet.
async fn describe(
    ecs: &Ecs,
    running: &RunningTask,
    started: Instant,
) -> anyhow::Result<Option<Task>> {
    let ids = [running.task.arn.clone()];
    let task = ecs.tasks(&running.cluster, &ids).await?.into_iter().next();
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
    Ok(task)
}

/// Shows every page that is there now. Returns whether there was anything new.
async fn read_new(
    logs: &Logs,
    tail: &mut Tail,
    show: &mut impl FnMut(&LogLine<'_>),
) -> anyhow::Result<bool> {
    let mut news = false;
    loop {
        let page = logs
            .page(&tail.stream, tail.token.as_deref(), tail.since)
            .await?;
        if page.missing {
            return Ok(news);
        }
        tail.seen = true;
        let container = tail.show_name.then_some(tail.container.as_str());
        for event in &page.events {
            news = true;
            show(&LogLine {
                container,
                message: &event.message,
            });
        }
        // Only the token tells the end: an empty page in the middle is normal.
        let at_end = page.token.is_none() || page.token == tail.token;
        tail.token = page.token.or(tail.token.take());
        if at_end {
            return Ok(news);
        }
    }
}

/// After the stop: until every stream has been quiet for a while. A stream that never appeared is
/// waited for only when its container can have written something.
async fn drain(
    session: &Session,
    logs: &Logs,
    tails: &mut [Tail],
    task: &Task,
    show: &mut impl FnMut(&LogLine<'_>),
) -> anyhow::Result<()> {
    let mut interrupt = session.interrupt.clone();
    for tail in tails {
        let container = task
            .containers
            .iter()
            .find(|container| container.name == tail.container);
        let started = container.is_some_and(|container| container.exit_code.is_some());
        let mut quiet_since = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            if read_new(logs, tail, show).await? {
                quiet_since = Instant::now();
                pause = FIRST_PAUSE;
            }
            if !started || quiet_since.elapsed() >= DRAIN_GRACE {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = interrupt.requested() => {
                    session.reporter.warning(Step::Task, "interrupted: the last lines may be missing");
                    return Ok(());
                }
            }
            pause = (pause * 3 / 2).min(DRAIN_GRACE);
        }
    }
    Ok(())
}

fn detached(session: &Session, running: &RunningTask) -> anyhow::Error {
    let id = running.task.id();
    let flags = session.flags();
    Problem {
        kind: crate::failure::Kind::Interrupted,
        message: format!("interrupted; the task {id} goes on running"),
        hint: Some(format!("follow it: cargo xtask logs {id} --follow{flags}\nstop it:   cargo xtask stop {id}{flags}")),
    }
    .into()
}
