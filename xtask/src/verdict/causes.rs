//! Why a task ended as it did: from what ECS says, the exit code, and the last log lines.

use super::TaskEnd;
use super::rows::ROWS;
use crate::outcome::Origin;

pub struct Cause {
    pub why: String,
    pub fix: Option<String>,
    pub origin: Origin,
}

/// The cause that the texts of a task without an exit code name.
pub fn of_texts(end: &TaskEnd) -> Option<Cause> {
    let mut texts: Vec<&str> = end.task.stopped_reason.iter().map(String::as_str).collect();
    texts.extend(
        end.task
            .containers
            .iter()
            .filter_map(|container| container.reason.as_deref()),
    );
    if let Some(cause) = out_of_memory(end) {
        return Some(cause);
    }
    if let Some(cause) = by_row(&texts.join("\n")) {
        return Some(cause);
    }
    match end.task.stop_code.as_deref() {
        Some("UserInitiated") => Some(Cause {
            why: format!(
                "somebody stopped it: {}",
                end.task
                    .stopped_reason
                    .as_deref()
                    .unwrap_or("no reason given")
            ),
            fix: Some("CloudTrail's StopTask event names who".into()),
            origin: Origin::Platform,
        }),
        Some("SpotInterruption" | "TerminationNotice") => Some(Cause {
            why: "the platform took the capacity back".into(),
            fix: Some("try again".into()),
            origin: Origin::Platform,
        }),
        _ => None,
    }
}

/// The cause of a non-zero exit; None when the program's own words must do.
pub fn of_exit(end: &TaskEnd, code: i32) -> Option<Cause> {
    if let Some(cause) = out_of_memory(end) {
        return Some(cause);
    }
    if end.task.stop_code.as_deref() == Some("UserInitiated") {
        return Some(Cause {
            why: format!("it was stopped: {}", end.task.stopped_reason.as_deref().unwrap_or("no reason given")),
            fix: (code == 137).then(|| "it did not end within stopTimeout of SIGTERM, so that it was killed: handle SIGTERM, or raise stopTimeout".into()),
            origin: Origin::Task,
        });
    }
    let said = end.last_lines.join("\n");
    if said.to_lowercase().contains("exec format error") {
        return by_row("exec format error");
    }
    let task = |why: &str, fix: &str| {
        Some(Cause {
            why: why.into(),
            fix: Some(fix.into()),
            origin: Origin::Task,
        })
    };
    match code {
        137 => task(
            "it was killed (SIGKILL), and not for memory as far as ECS says",
            "it may have ignored SIGTERM for stopTimeout, or have been killed from inside the task",
        ),
        139 => task(
            "it read or wrote memory that is not its own (SIGSEGV)",
            "run it locally under a debugger: cargo run -p api -- TASK",
        ),
        134 => task(
            "it aborted (SIGABRT)",
            "look at its last log lines: an assertion, a double panic, or an allocation that failed",
        ),
        143 => task(
            "it ended at SIGTERM: somebody or something asked it to stop",
            "CloudTrail's StopTask event names who",
        ),
        101 => task("it panicked", "look at its last log lines for the place"),
        _ => None,
    }
}

/// `OutOfMemoryError` in a container's reason: how much it had, and where to raise it.
fn out_of_memory(end: &TaskEnd) -> Option<Cause> {
    let container = end.task.containers.iter().find(|container| {
        container.reason.as_deref().is_some_and(|reason| {
            let reason = reason.to_lowercase();
            reason.contains("outofmemory") || reason.contains("killed due to memory usage")
        })
    })?;
    let definition = end
        .definition
        .containers
        .iter()
        .find(|definition| definition.name == container.name);
    let own_limit = definition.and_then(|definition| definition.memory);
    let task_limit = end
        .task
        .memory
        .as_deref()
        .or(end.definition.memory.as_deref());
    let (limit, place) = match (own_limit, task_limit) {
        (Some(limit), _) => (
            format!("{limit} MiB of its own"),
            format!("the container `{}`", container.name),
        ),
        (None, Some(limit)) => (
            format!("the task's {limit} MiB"),
            format!("the task `{}`", end.container),
        ),
        (None, None) => (
            "its limit".to_owned(),
            format!("the task `{}`", end.container),
        ),
    };
    Some(Cause {
        why: format!(
            "the container {} ran out of memory: it had {limit}",
            container.name
        ),
        fix: Some(format!(
            "raise `memory` of {place} in tasks.tf, or try more at once: --memory MIB"
        )),
        origin: Origin::Task,
    })
}

/// ` (SIGKILL)` for the codes that a signal makes.
pub fn signal_name(code: i32) -> &'static str {
    match code {
        130 => " (SIGINT)",
        132 => " (SIGILL)",
        134 => " (SIGABRT)",
        135 => " (SIGBUS)",
        136 => " (SIGFPE)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        141 => " (SIGPIPE)",
        143 => " (SIGTERM)",
        _ => "",
    }
}

fn by_row(text: &str) -> Option<Cause> {
    let text = text.to_lowercase();
    let row = ROWS
        .iter()
        .find(|row| row.needles.iter().all(|needle| text.contains(needle)))?;
    Some(Cause {
        why: row.why.into(),
        fix: Some(row.fix.into()),
        origin: row.origin,
    })
}
