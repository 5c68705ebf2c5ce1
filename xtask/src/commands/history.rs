//! `cargo xtask history`: the records of the last loops, newest first.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::cli::History;
use crate::record::recorder::{SUMMARY, read_parts, runs};
use crate::session::Session;
use crate::ui::seconds;

#[derive(Debug, PartialEq, Serialize)]
struct Entry {
    run: String,
    command: String,
    task: Option<String>,
    environment: String,
    sandbox: bool,
    started_at: Option<String>,
    took_ms: Option<u64>,
    /// None: it has not ended, or it was cut off.
    exit_code: Option<u64>,
}

pub fn run(args: &History, session: &Session) -> anyhow::Result<u8> {
    let folder = session.settings.work_dir().join("runs");
    let names = runs(&folder).into_iter().rev().take(args.limit);
    let entries: Vec<Entry> = names.map(|run| read(&folder, run)).collect();
    session.reporter.answer(&entries, table(&entries));
    Ok(0)
}

/// The summary; of a run that has not ended, its first event, which says as much as is known.
fn read(folder: &Path, run: String) -> Entry {
    let folder = folder.join(&run);
    let text = std::fs::read_to_string(folder.join(SUMMARY)).unwrap_or_else(|_| {
        let events = read_parts(&folder, "events", "jsonl");
        events.lines().next().unwrap_or_default().to_owned()
    });
    entry(run, &serde_json::from_str(&text).unwrap_or_default())
}

fn entry(run: String, summary: &Value) -> Entry {
    let text = |key: &str| summary[key].as_str().map(str::to_owned);
    Entry {
        run,
        command: text("command").unwrap_or_default(),
        task: text("task_name"),
        environment: text("environment").unwrap_or_default(),
        sandbox: summary["sandbox"] == true,
        started_at: text("started_at"),
        took_ms: summary["took_ms"].as_u64(),
        exit_code: summary["exit_code"].as_u64(),
    }
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no loop has been recorded yet".to_owned();
    }
    let mut text = format!("{:<22}  {:<5} {:>11}  WHAT", "RUN", "EXIT", "TOOK");
    for entry in entries {
        let exit = entry
            .exit_code
            .map_or("-".to_owned(), |code| code.to_string());
        let took = entry.took_ms.map(std::time::Duration::from_millis);
        let took = took.map_or("not ended".to_owned(), seconds);
        let place = if entry.sandbox {
            "sandbox"
        } else {
            &entry.environment
        };
        let what = [Some(entry.command.as_str()), entry.task.as_deref()];
        let what: Vec<&str> = what
            .into_iter()
            .flatten()
            .filter(|word| !word.is_empty())
            .collect();
        let what = what.join(" ");
        let place = if place.is_empty() {
            String::new()
        } else {
            format!(" ({place})")
        };
        text.push_str(&format!(
            "\n{:<22}  {exit:<5} {took:>11}  {what}{place}",
            entry.run
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_that_was_cut_off_is_listed_too() {
        let ended = json!({"command": "try", "task_name": "a-task", "environment": "test", "sandbox": true, "took_ms": 21_000, "exit_code": 3});
        let entries = [
            entry("20260102-030405-1a2b3c".into(), &ended),
            entry("20260102-030400-000000".into(), &Value::Null),
        ];
        assert_eq!(
            table(&entries),
            "RUN                     EXIT         TOOK  WHAT
20260102-030405-1a2b3c  3            21 s  try a-task (sandbox)
20260102-030400-000000  -       not ended  "
        );
    }
}
