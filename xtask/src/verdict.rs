//! What a stopped task means: (everything ECS says, the last log lines) → verdict. Pure.

mod causes;
mod rows;

use std::time::Duration;

use crate::clients::ecs::{Container, Task, TaskDefinition};
use crate::names::Digest;
use crate::outcome::{Origin, Verdict, exit};
use causes::Cause;

/// A task that has stopped, and what is known around it.
#[derive(Debug, Clone)]
pub struct TaskEnd {
    pub task: Task,
    pub definition: TaskDefinition,
    /// The container whose exit code is the task's.
    pub container: String,
    /// What was pushed; None for a plain `run`.
    pub expected_digest: Option<Digest>,
    /// The last log lines.
    pub last_lines: Vec<String>,
    /// Containers of which no log line ever came.
    pub silent_containers: Vec<String>,
    pub cluster: String,
    /// Why we asked the task to stop; None when we did not.
    pub cut: Option<Cut>,
}

/// Why a follow was cut short by stopping the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// `--timeout` was over.
    TimedOut(Duration),
    Interrupted,
}

impl TaskEnd {
    fn own_container(&self) -> Option<&Container> {
        self.task
            .containers
            .iter()
            .find(|container| container.name == self.container)
    }

    fn is_essential(&self, name: &str) -> bool {
        let definition = self
            .definition
            .containers
            .iter()
            .find(|container| container.name == name);
        definition.is_none_or(|container| container.essential)
    }
}

pub fn verdict(end: &TaskEnd) -> Verdict {
    let own = end.own_container();
    let exit_code = own.and_then(|container| container.exit_code);
    let raw = raw_texts(end);
    if let Some(cut) = end.cut.filter(|_| was_asked_to_stop(end)) {
        return cut_short(end, cut, exit_code, raw);
    }
    match exit_code {
        None => without_exit_code(end, raw),
        Some(0) => exited_with_zero(end, raw),
        Some(code) => exited_with(end, code, raw),
    }
}

fn was_asked_to_stop(end: &TaskEnd) -> bool {
    end.task.stop_code.as_deref() == Some("UserInitiated")
}

/// We stopped it ourselves: what it exited with says how it took that, and is not its result. A task
/// that ended by itself before our call reached it is not in here.
fn cut_short(end: &TaskEnd, cut: Cut, exit_code: Option<i32>, raw: Vec<String>) -> Verdict {
    let task = &end.container;
    let (happened, own_code) = match cut {
        Cut::TimedOut(timeout) => (
            format!(
                "{task} was stopped: it had not ended within --timeout {}",
                crate::ui::seconds(timeout)
            ),
            exit::TIMED_OUT,
        ),
        Cut::Interrupted => (
            format!("{task} was stopped: the command was interrupted"),
            exit::INTERRUPTED,
        ),
    };
    let (why, fix) = match exit_code {
        Some(137) => (
            "it did not end within stopTimeout of SIGTERM, so that it was killed".to_owned(),
            Some("handle SIGTERM, or raise stopTimeout".to_owned()),
        ),
        Some(code) => (
            format!(
                "it took the stop and exited {code}{}",
                causes::signal_name(code)
            ),
            None,
        ),
        None => ("it had not started".to_owned(), None),
    };
    Verdict {
        happened,
        why: Some(why),
        fix,
        origin: Some(Origin::Tool),
        exit_code: own_code,
        raw,
    }
}

/// Zero is a success only if nothing else went wrong.
fn exited_with_zero(end: &TaskEnd, raw: Vec<String>) -> Verdict {
    let task = &end.container;
    let own = end.own_container();
    let ran = own.and_then(|container| container.image_digest.as_ref());
    if let (Some(expected), Some(ran)) = (&end.expected_digest, ran)
        && expected != ran
    {
        return Verdict {
            happened: format!(
                "{task} exited 0, but it ran another image than the one that was pushed"
            ),
            why: Some(format!("pushed {expected}\nran    {ran}")),
            fix: Some(
                "somebody deployed in between, or replaced the image: look who, and try again"
                    .into(),
            ),
            origin: Some(Origin::Tool),
            exit_code: exit::DIGEST_DIFFERS,
            raw,
        };
    }
    // Another essential container that fails ends the task, and then the 0 may be half a job.
    let failed = end.task.containers.iter().find(|container| {
        container.name != *task
            && end.is_essential(&container.name)
            && container.exit_code.is_some_and(|code| code != 0)
    });
    let stopped_early = was_asked_to_stop(end);
    let why = if let Some(failed) = failed {
        Some(format!(
            "but its essential container {} exited {}",
            failed.name,
            failed.exit_code.unwrap_or_default()
        ))
    } else if stopped_early {
        Some(format!(
            "after it was asked to stop: {}",
            end.task
                .stopped_reason
                .as_deref()
                .unwrap_or("no reason given")
        ))
    } else {
        None
    };
    Verdict {
        happened: format!("{task} exited 0"),
        why,
        fix: None,
        origin: None,
        exit_code: 0,
        raw,
    }
}

fn exited_with(end: &TaskEnd, code: i32, raw: Vec<String>) -> Verdict {
    let task = &end.container;
    let cause = causes::of_exit(end, code);
    let (why, fix, origin) = match cause {
        Some(cause) => (Some(cause.why), cause.fix, cause.origin),
        None if end.silent_containers.contains(task) => (
            Some("it wrote no log line at all".into()),
            None,
            Origin::Task,
        ),
        None => (None, None, Origin::Task),
    };
    Verdict {
        happened: format!("{task} exited {code}{}", causes::signal_name(code)),
        why,
        fix,
        origin: Some(origin),
        // ECS's codes are 0 to 255; anything else must still not become 0.
        exit_code: u8::try_from(code).unwrap_or(exit::NO_EXIT_CODE),
        raw,
    }
}

fn without_exit_code(end: &TaskEnd, raw: Vec<String>) -> Verdict {
    let task = &end.container;
    let never_started = end.task.started_at.is_none();
    let happened = if never_started {
        format!("{task} never started")
    } else {
        format!("{task} ended without an exit code")
    };
    let Cause { why, fix, origin } = causes::of_texts(end).unwrap_or_else(|| Cause {
        why: match raw.first() {
            Some(text) => format!("ECS says: {text}"),
            None => "ECS gives no reason".into(),
        },
        fix: Some(format!(
            "look at the task in the ECS console: cluster {}, task {}",
            end.cluster,
            end.task.id()
        )),
        origin: Origin::Platform,
    });
    Verdict {
        happened,
        why: Some(why),
        fix,
        origin: Some(origin),
        exit_code: exit::NO_EXIT_CODE,
        raw,
    }
}

/// What ECS says, word for word: the task's reason, then each container's.
fn raw_texts(end: &TaskEnd) -> Vec<String> {
    let mut texts = Vec::new();
    let code = end.task.stop_code.as_deref().unwrap_or("no stop code");
    match &end.task.stopped_reason {
        Some(reason) => texts.push(format!("{code}: {reason}")),
        None if end.task.stop_code.is_some() => texts.push(code.to_owned()),
        None => {}
    }
    for container in &end.task.containers {
        let code = match container.exit_code {
            Some(code) => format!("exit code {code}"),
            None => "no exit code".to_owned(),
        };
        match &container.reason {
            Some(reason) => texts.push(format!("container {}: {code}, {reason}", container.name)),
            None if end.task.containers.len() > 1 => {
                texts.push(format!("container {}: {code}", container.name))
            }
            None => {}
        }
    }
    texts
}

#[cfg(test)]
mod tests;
