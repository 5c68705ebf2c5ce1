//! Many tasks of one definition: started within the API's rates, followed together, reported each.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::streams::Streams;
use super::{Wait, choice, next_pause, until};
use crate::cli::OnTimeout;
use crate::clients::ecs::{AT_ONCE, Ecs, NoTask, Reply, Task};
use crate::failure::{Kind, Problem};
use crate::outcome::{Origin, Verdict, exit};
use crate::record::{LaunchRecord, MISSING_GRACE};
use crate::session::Session;
use crate::steps::launch_task::{RunningTask, Sought, not_started, warn_about_logs};
use crate::ui::{Step, plural::count};
use crate::verdict::{Cut, TaskEnd, verdict};
use choice::Choice;

/// Fargate launches a burst of a hundred tasks and then twenty a second.
const BURST: u32 = 100;
const PER_SECOND: u32 = 20;
/// How many failures are told one by one.
const TOLD: usize = 10;

/// One of many, and what is still to come of it.
struct One<'a> {
    running: RunningTask,
    /// None once the task has ended.
    streams: Option<Streams<'a>>,
    verdict: Option<Verdict>,
}

/// What `--json` says of one.
#[derive(Serialize)]
struct OneResult<'a> {
    /// The task's ID on ECS.
    id: &'a str,
    verdict: &'a Verdict,
}

/// Starts them, shows all their lines, and sums up how they ended. A run of as many that was cut off is
/// gone on with, unless another one is wanted `again`.
pub async fn run_many(
    session: &Session,
    sought: &Sought,
    (wanted, again): (u32, bool),
    wait: Wait,
) -> anyhow::Result<Verdict> {
    warn_about_logs(session, &sought.definition);
    let (mut record, is_known) = sought.run_of_many(session, wanted, again);
    if is_known {
        session.reporter.detail(
            Step::Launch,
            format!(
                "going on with those that were left, from {}; --again starts others",
                record.launched_at
            ),
        );
    }
    let tasks = match start(session, sought, &record, wanted).await {
        Ok(tasks) => tasks,
        Err(no_task) => {
            // Of a run that is gone on with, earlier calls may have started some.
            if no_task.reply == Reply::Refused && !is_known {
                record.ended = true;
                record.save(&session.settings.work_dir())?;
            }
            return Err(not_started(no_task));
        }
    };
    let logs = session.aws().await.logs();
    let mut all: Vec<One<'_>> = tasks
        .into_iter()
        .map(|task| {
            let running = RunningTask {
                cluster: sought.outputs.cluster.clone(),
                task,
                definition: sought.definition.clone(),
                container: sought.container.clone(),
                record: None,
            };
            let streams = Streams::of(&running, logs.clone(), &session.reporter, None);
            let streams = Some(streams.labelled(short(running.task.id())));
            One {
                running,
                streams,
                verdict: None,
            }
        })
        .collect();
    follow(session, &mut all, wait).await?;
    record.ended = true;
    record.save(&session.settings.work_dir())?;
    let ends: Vec<(&str, &Verdict)> = all
        .iter()
        .filter_map(|one| Some((one.running.task.id(), one.verdict.as_ref()?)))
        .collect();
    let table: String = ends
        .iter()
        .map(|(id, verdict)| format!("{} {id} {}\n", verdict.sign(), verdict.happened))
        .collect();
    session.reporter.text(table);
    let results: Vec<OneResult<'_>> = ends
        .iter()
        .map(|(id, verdict)| OneResult { id, verdict })
        .collect();
    session.reporter.answer_json(&results);
    Ok(sum_up(sought.name.as_str(), wanted as usize, &ends))
}

async fn start(
    session: &Session,
    sought: &Sought,
    record: &LaunchRecord,
    wanted: u32,
) -> Result<Vec<Task>, NoTask> {
    let what = format!("{wanted} × {} on {}", sought.name, sought.outputs.cluster);
    let timer = session.reporter.started(Step::Launch, what);
    let ecs = session.aws().await.ecs();
    record.save(&session.settings.work_dir())?;
    let mut started = Vec::new();
    for call in 0..wanted.div_ceil(AT_ONCE) {
        tokio::time::sleep(pause_before(call)).await;
        if session.interrupt.is_requested() {
            break;
        }
        let mut launch = record.launch.clone();
        // Each call has a token of its own, the same in a rerun: repeated, it starts nothing twice.
        launch.client_token = format!("{}-{call}", record.run_id);
        let some = AT_ONCE.min(wanted - call * AT_ONCE);
        let (tasks, reasons) = match ecs.run_some(&launch, some.cast_signed()).await {
            Ok(answer) => answer,
            // Those that run already are not left alone over it.
            Err(no_task) if !started.is_empty() => {
                let error = not_started(no_task);
                session.reporter.warning(Step::Launch, format!("{error:#}"));
                break;
            }
            Err(no_task) => return Err(no_task),
        };
        let missing = some as usize - tasks.len().min(some as usize);
        if missing > 0 {
            let lack = format!("ECS did not start {}: {reasons}", count(missing, "task"));
            session.reporter.warning(Step::Launch, lack);
        }
        started.extend(tasks);
        let done = started.len() as u64;
        session
            .reporter
            .progress(Step::Launch, done, Some(wanted.into()), "tasks");
    }
    if started.is_empty() {
        session.interrupt.check("the launch: nothing was started")?;
        let why = "the warnings above say why; one alone tells more: leave out --count";
        return Err(NoTask {
            error: Problem::failed("ECS started no task", why).into(),
            reply: Reply::Refused,
        });
    }
    session
        .reporter
        .finished(&timer, count(started.len(), "task"));
    Ok(started)
}

/// How long to wait before the next call of ten, counted from 0.
fn pause_before(call: u32) -> Duration {
    if call * AT_ONCE < BURST {
        Duration::ZERO
    } else {
        Duration::from_secs(1) * AT_ONCE / PER_SECOND
    }
}

async fn follow(session: &Session, all: &mut [One<'_>], wait: Wait) -> anyhow::Result<()> {
    let ecs = session.aws().await.ecs();
    let what = format!("logs of {}", count(all.len(), "task"));
    let timer = session.reporter.started(Step::Task, what);
    let mut interrupt = session.interrupt.clone();
    let started = Instant::now();
    let deadline = wait.timeout.map(|timeout| (started + timeout, timeout));
    let mut pause = Duration::ZERO;
    let mut cut = None;
    while all.iter().any(|one| one.verdict.is_none()) {
        let wish = tokio::select! {
            looked = look(session, &ecs, all, (started, pause), cut) => {
                pause = next_pause(pause, looked?, started.elapsed());
                continue;
            }
            () = interrupt.requested(), if cut.is_none() => {
                // There is nobody to be asked about fifty tasks one by one.
                choice::of(wait.on_interrupt, true).map(|choice| (choice, Cut::Interrupted))
            }
            timeout = until(deadline), if cut.is_none() => {
                let choice = match wait.on_timeout {
                    OnTimeout::Stop => Choice::Stop,
                    OnTimeout::Leave => Choice::Detach,
                };
                Some((choice, Cut::TimedOut(timeout)))
            }
        };
        let going = all.iter().filter(|one| one.verdict.is_none());
        let (choice, why) = wish.unwrap_or((Choice::Stop, Cut::Interrupted));
        if choice == Choice::Detach {
            return Err(left(session, going.count(), why));
        }
        cut = Some(why);
        for one in going {
            let (cluster, task) = (&one.running.cluster, &one.running.task);
            let reason = "cargo xtask: interrupted, or --timeout was over";
            ecs.stop(cluster, &task.arn, reason).await?;
        }
    }
    session.reporter.finished(&timer, "all have stopped");
    Ok(())
}

fn left(session: &Session, going: usize, why: Cut) -> anyhow::Error {
    Problem {
        kind: match why {
            Cut::Interrupted => Kind::Detached,
            Cut::TimedOut(_) => Kind::TimedOut,
        },
        message: format!("left; {} go on running", count(going, "task")),
        hint: Some(format!(
            "look at them: cargo xtask status{0}\nstop one:     cargo xtask stop ID{0}",
            session.flags()
        )),
    }
    .into()
}

/// One look at all that go on, with one DescribeTasks for each hundred. Logs are read one after the
/// other, which keeps within the rate of GetLogEvents. May be given up at any await.
async fn look(
    session: &Session,
    ecs: &Ecs,
    all: &mut [One<'_>],
    (started, pause): (Instant, Duration),
    cut: Option<Cut>,
) -> anyhow::Result<bool> {
    tokio::time::sleep(pause).await;
    let going = all.iter().filter(|one| one.verdict.is_none());
    let arns: Vec<String> = going.map(|one| one.running.task.arn.clone()).collect();
    let cluster = all.first().map(|one| one.running.cluster.clone());
    let tasks = ecs.tasks(&cluster.unwrap_or_default(), &arns).await?;
    let total = all.len() as u64;
    let mut news = false;
    for index in 0..all.len() {
        let one = &mut all[index];
        let Some(streams) = &mut one.streams else {
            continue;
        };
        let Some(task) = tasks.iter().find(|task| task.arn == one.running.task.arn) else {
            if started.elapsed() > MISSING_GRACE {
                let id = one.running.task.id();
                anyhow::bail!("ECS accepted the task {id} but does not know it");
            }
            continue;
        };
        one.running.task = task.clone();
        if !task.is_stopped() {
            // Before it runs there is no log, and most of many wait for that together.
            if task.last_status == "RUNNING" {
                news |= streams.show_new().await?;
            }
            continue;
        }
        news = true;
        streams.drain(task, None).await?;
        if let Some(streams) = one.streams.take() {
            one.verdict = Some(verdict(&TaskEnd {
                task: task.clone(),
                definition: one.running.definition.clone(),
                container: one.running.container.clone(),
                expected_digest: None,
                silent_containers: streams.silent_containers(),
                last_lines: streams.into_last_lines(),
                cluster: one.running.cluster.clone(),
                cut,
            }));
        }
        let done = all.iter().filter(|one| one.verdict.is_some()).count() as u64;
        session
            .reporter
            .progress(Step::Task, done, Some(total), "tasks have stopped");
    }
    Ok(news)
}

/// The first part of a task's ID, which tells fifty of them apart.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// All of them as one verdict. A task that was not started is not a success.
fn sum_up(name: &str, wanted: usize, ends: &[(&str, &Verdict)]) -> Verdict {
    let failed: Vec<&(&str, &Verdict)> = ends
        .iter()
        .filter(|(_, verdict)| verdict.exit_code != 0 || verdict.origin.is_some())
        .collect();
    let missing = wanted.saturating_sub(ends.len());
    let Some((_, first)) = failed.first() else {
        return Verdict {
            happened: match missing {
                0 => format!("{wanted} × {name} exited 0"),
                missing => format!("{missing} of {wanted} × {name} were not started"),
            },
            why: None,
            fix: None,
            origin: (missing > 0).then_some(Origin::Platform),
            exit_code: if missing > 0 { exit::NO_EXIT_CODE } else { 0 },
            raw: Vec::new(),
        };
    };
    let mut why: Vec<String> = failed
        .iter()
        .take(TOLD)
        .map(|(id, verdict)| format!("{}: {}", short(id), verdict.happened))
        .collect();
    if failed.len() > TOLD {
        why.push(format!("and {} more", failed.len() - TOLD));
    }
    if missing > 0 {
        why.push(format!("{missing} were not started"));
    }
    Verdict {
        happened: format!("{} of {wanted} × {name} failed", failed.len() + missing),
        why: Some(why.join("\n")),
        fix: first.fix.clone(),
        origin: first.origin,
        exit_code: first.exit_code,
        raw: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit_code: u8) -> Verdict {
        Verdict {
            happened: format!("job exited {exit_code}"),
            why: None,
            fix: (exit_code != 0).then(|| format!("mend {exit_code}")),
            origin: (exit_code != 0).then_some(Origin::Task),
            exit_code,
            raw: Vec::new(),
        }
    }

    #[test]
    fn the_first_failure_in_the_order_of_starts_decides() {
        for (codes, wanted, happened, code) in [
            (&[0, 0][..], 2, "2 × job exited 0", 0),
            (&[0, 3, 7], 3, "2 of 3 × job failed", 3),
            (&[0], 3, "2 of 3 × job were not started", exit::NO_EXIT_CODE),
            (&[0, 9], 3, "2 of 3 × job failed", 9),
        ] {
            let verdicts: Vec<Verdict> = codes.iter().map(|code| ended(*code)).collect();
            let ends: Vec<(&str, &Verdict)> =
                verdicts.iter().map(|verdict| ("id", verdict)).collect();
            let sum = sum_up("job", wanted, &ends);
            assert_eq!((sum.happened.as_str(), sum.exit_code), (happened, code));
        }
        let failure = ended(1);
        let many: Vec<(&str, &Verdict)> = (0..12).map(|_| ("0123456789", &failure)).collect();
        let why = sum_up("job", 12, &many).why.unwrap();
        assert!(
            why.starts_with("01234567: job exited 1\n") && why.ends_with("\nand 2 more"),
            "{why}"
        );
    }

    #[test]
    fn calls_go_at_once_for_a_burst_and_then_at_the_rate() {
        let waits: Duration = (0..20).map(pause_before).sum();
        // A hundred at once, and a hundred more at twenty a second.
        assert_eq!(waits, Duration::from_secs(5));
        assert_eq!(pause_before(9), Duration::ZERO);
    }
}
