//! The log streams of one task: each line once, in order, from the first to the truly last.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::LAST_LINES;
use crate::clients::ecs::Task;
use crate::clients::logs::{Cursor, Logs, Stream};
use crate::interrupt::Interrupt;
use crate::rounds::{Bound, PAGES};
use crate::steps::launch_task::RunningTask;
use crate::ui::Reporter;
use crate::ui::task_log::LogLine;

/// A stopped container's stream is at its end when nothing new came for this long. CloudWatch Logs
/// may take a moment to show what the log driver has sent.
const DRAIN_GRACE: Duration = Duration::from_millis(1500);
const DRAIN_PAUSE: Duration = Duration::from_millis(150);
/// A stream that goes on after its task is not waited for for ever.
const LONGEST_DRAIN: Duration = Duration::from_secs(300);

/// One container's stream and how far it was read.
struct Tail {
    container: String,
    stream: Stream,
    cursor: Cursor,
    /// What is shown before each line: whose it is, where that is not clear.
    label: Option<String>,
    /// Some once a line came.
    last_line: Option<String>,
}

pub struct Streams<'a> {
    logs: Logs,
    reporter: &'a Reporter,
    tails: Vec<Tail>,
    /// Of all containers, in the order in which they were shown.
    last_lines: VecDeque<String>,
}

impl<'a> Streams<'a> {
    /// `since` is in milliseconds since 1970; earlier events are left out.
    pub fn of(
        running: &RunningTask,
        logs: Logs,
        reporter: &'a Reporter,
        since: Option<i64>,
    ) -> Self {
        let several = running.definition.containers.len() > 1;
        let containers = running.definition.containers.iter();
        let tails = containers.filter_map(|container| {
            Some(Tail {
                container: container.name.clone(),
                stream: container.stream(running.task.id())?,
                cursor: Cursor::starting_at(since),
                label: several.then(|| container.name.clone()),
                last_line: None,
            })
        });
        Streams {
            logs,
            reporter,
            tails: tails.collect(),
            last_lines: VecDeque::new(),
        }
    }

    /// With the task's name before each line, since there are lines of others beside it.
    pub fn labelled(mut self, task: &str) -> Self {
        for tail in &mut self.tails {
            tail.label = Some(match &tail.label {
                Some(container) => format!("{task} {container}"),
                None => task.to_owned(),
            });
        }
        self
    }

    /// Shows what every stream has now, and does not wait for more. Returns whether there was
    /// anything. May be given up at any await: what was shown is never shown again.
    pub async fn show_new(&mut self) -> anyhow::Result<bool> {
        let mut news = false;
        for tail in &mut self.tails {
            news |= show_new(&self.logs, self.reporter, &mut self.last_lines, tail).await?;
        }
        Ok(news)
    }

    /// After the stop: until every stream is at its end. That is known at once when its last line is
    /// the standard logger's last word; otherwise a stream must have been quiet for a while. One that
    /// never appeared is waited for only when its container can have written something.
    /// Returns false when the user had no patience for it.
    pub async fn drain(
        &mut self,
        task: &Task,
        interrupt: Option<&Interrupt>,
    ) -> anyhow::Result<bool> {
        let patience = interrupt.cloned().unwrap_or_else(Interrupt::never);
        let bound = Bound::every(DRAIN_PAUSE, LONGEST_DRAIN);
        let mut rounds = bound
            .rounds(&patience, "reading the last lines")
            .after_one();
        let mut quiet_since = Instant::now();
        // The first look comes also when the user has asked to stop already.
        let mut goes_on = true;
        while goes_on {
            if self.show_new().await? {
                quiet_since = Instant::now();
            }
            let all_ended = self.tails.iter().all(|tail| {
                let container = task.containers.iter().find(|c| c.name == tail.container);
                let started = container.is_some_and(|c| c.exit_code.is_some());
                !started || tail.last_line.as_deref().is_some_and(is_last_word)
            });
            if all_ended || quiet_since.elapsed() >= DRAIN_GRACE {
                return Ok(true);
            }
            goes_on = rounds.again().await.unwrap_or(false);
        }
        Ok(!patience.is_requested())
    }

    /// Containers of which no line came.
    pub fn silent_containers(&self) -> Vec<String> {
        let silent = self.tails.iter().filter(|tail| tail.last_line.is_none());
        silent.map(|tail| tail.container.clone()).collect()
    }

    pub fn into_last_lines(self) -> Vec<String> {
        self.last_lines.into()
    }
}

async fn show_new(
    logs: &Logs,
    reporter: &Reporter,
    last_lines: &mut VecDeque<String>,
    tail: &mut Tail,
) -> anyhow::Result<bool> {
    let mut news = false;
    // More than that is read at the next look, between which an interrupt is seen.
    let mut pages = PAGES.rounds(&Interrupt::never(), "reading a log");
    while pages.again().await? {
        let page = logs.next(&tail.stream, &mut tail.cursor).await?;
        for event in &page.events {
            reporter.task_line(&LogLine {
                container: tail.label.as_deref(),
                message: &event.message,
            });
        }
        let skipped = page.events.len().saturating_sub(LAST_LINES);
        for event in page.events.into_iter().skip(skipped) {
            if last_lines.len() == LAST_LINES {
                last_lines.pop_front();
            }
            last_lines.push_back(event.message.clone());
            tail.last_line = Some(event.message);
            news = true;
        }
        if page.at_end {
            break;
        }
    }
    Ok(news)
}

/// The line with which the standard logger's wrapper ends every run, after which nothing is written.
fn is_last_word(line: &str) -> bool {
    // Most lines are not it, and need no parsing.
    line.contains("\"task finished\"")
        && serde_json::from_str::<Value>(line).is_ok_and(|line| {
            line["message"] == "task finished"
                && line["outcome"].is_string()
                && line["duration_ms"].is_number()
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Streams, is_last_word};
    use crate::clients::answering::{Server, block_on};
    use crate::clients::ecs::{
        Container, ContainerDefinition, LogConfiguration, Task, TaskDefinition,
    };
    use crate::steps::launch_task::RunningTask;
    use crate::ui::{Options, Reporter};

    fn running() -> RunningTask {
        RunningTask {
            cluster: "api-test".into(),
            task: Task {
                arn: "arn:aws:ecs:us-east-1:1:task/api-test/abc".into(),
                last_status: "STOPPED".into(),
                containers: vec![Container {
                    name: "job".into(),
                    exit_code: Some(3),
                    ..Container::default()
                }],
                ..Task::default()
            },
            definition: TaskDefinition {
                arn: String::new(),
                family: String::new(),
                active: true,
                cpu: None,
                memory: None,
                containers: vec![ContainerDefinition {
                    name: "job".into(),
                    image: String::new(),
                    essential: true,
                    command: Vec::new(),
                    memory: None,
                    log: Some(LogConfiguration {
                        group: "group".into(),
                        prefix: "prefix".into(),
                        blocking: true,
                    }),
                }],
            },
            container: "job".into(),
            record: None,
        }
    }

    /// CloudWatch Logs shows lines some time after the task that wrote them has stopped.
    #[test]
    fn lines_that_come_after_the_stop_are_waited_for() {
        // Two answers with the same token are one look: that the end of the stream was reached.
        let server = Server::start(|number, _| {
            let (token, lines) = match number {
                0 | 1 => ("nothing", vec![]),
                2 => ("one", vec!["one"]),
                3..6 => ("one", vec![]),
                6 => ("two", vec!["two"]),
                _ => ("two", vec![]),
            };
            let event = |message| json!({ "timestamp": 1, "message": message });
            let events: Vec<_> = lines.into_iter().map(event).collect();
            let body = json!({ "events": events, "nextForwardToken": token });
            Some((200, "", body.to_string()))
        });
        block_on(async {
            let logs = server.aws().await.logs();
            let (running, reporter) = (running(), Reporter::new(Options::default()));
            let mut streams = Streams::of(&running, logs, &reporter, None);
            assert!(streams.drain(&running.task, None).await.unwrap());
            assert!(streams.silent_containers().is_empty());
            assert_eq!(streams.into_last_lines(), ["one", "two"]);
        });
    }

    #[test]
    fn only_the_wrappers_own_end_is_the_last_word() {
        assert!(is_last_word(
            r#"{"time":"2026-01-02T03:04:05.678Z","level":"ERROR","message":"task finished","task":"x","git_sha":"a","outcome":"error","duration_ms":3,"error":"a: b"}"#
        ));
        for line in [
            "task finished",
            r#"{"message":"task finished"}"#,
            r#"{"message":"sub \"task finished\"","outcome":"success","duration_ms":3}"#,
            r#"{"message":"task started","of":"task finished","outcome":"success","duration_ms":3}"#,
            r#""task finished" {"#,
        ] {
            assert!(!is_last_word(line), "{line}");
        }
    }
}
