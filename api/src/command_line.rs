//! The command line: which entrypoint, and what to do when there is none of that name.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use serde::Serialize;

use crate::background_task::{TASKS, Task};
use crate::{runner, server};

/// A wrong command line, after the convention of clap and of most shells' tools.
const EXIT_USAGE: u8 = 2;

const HELP: &str = "\
One image, many entrypoints

Usage: api                       serve the HTTP API on $PORT (8080 without it)
       api <TASK> [ARGUMENTS]    run a background task; `api <TASK> --help` lists its arguments
       api --list [--json]       name all tasks
";

/// Does what the words after the program's name say, and returns the exit code.
pub fn run(words: Vec<OsString>) -> u8 {
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    let text: Vec<Option<&str>> = words.iter().map(|word| word.to_str()).collect();
    match text.as_slice() {
        [] => runner::run("api", Box::new(|context| Box::pin(server::serve(context)))),
        [Some("-h" | "--help")] => print(HELP),
        [Some("--list")] => print(&list(&tasks())),
        [Some("--list"), Some("--json")] | [Some("--json"), Some("--list")] => {
            print(&list_json(&tasks()))
        }
        [Some(flag), ..] if flag.starts_with('-') => {
            refuse(&format!("error: unexpected `{}`\n\n{HELP}", join(&words)))
        }
        _ => {
            let name = words[0].to_string_lossy();
            match tasks().into_iter().find(|task| task.name == name) {
                Some(task) => run_task(task, &words[1..]),
                None => refuse(&unknown(&name, &tasks())),
            }
        }
    }
}

fn run_task(task: &Task, arguments: &[&OsStr]) -> u8 {
    let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    match (task.prepare)(task, arguments) {
        Ok(start) => runner::run(task.name, start),
        // `--help` is such an error too: it goes to stdout and exits 0.
        Err(error) => {
            let _ = error.print();
            u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE)
        }
    }
}

fn tasks() -> Vec<&'static Task> {
    let mut tasks: Vec<&Task> = TASKS.iter().collect();
    tasks.sort_by_key(|task| task.name);
    tasks
}

fn list(tasks: &[&Task]) -> String {
    let width = tasks
        .iter()
        .map(|task| task.name.len())
        .max()
        .unwrap_or_default();
    tasks
        .iter()
        .map(|task| format!("{:width$}  {}\n", task.name, task.doc))
        .collect()
}

fn list_json(tasks: &[&Task]) -> String {
    #[derive(Serialize)]
    struct Entry {
        name: &'static str,
        doc: &'static str,
    }
    let entries: Vec<_> = tasks
        .iter()
        .map(|task| Entry {
            name: task.name,
            doc: task.doc,
        })
        .collect();
    // Two plain strings cannot fail to become JSON.
    serde_json::to_string(&entries).unwrap_or_default() + "\n"
}

fn unknown(name: &str, tasks: &[&Task]) -> String {
    let near = near(name, tasks);
    let hint = match near.as_slice() {
        [] => "`api --list` names all tasks".to_owned(),
        names => format!("did you mean {}?", names.join(" or ")),
    };
    format!("error: no task is named `{name}`\n\nhint: {hint}\n")
}

/// The names that a slip of the hand, or a part of the name, may have meant; the nearest first.
fn near(name: &str, tasks: &[&Task]) -> Vec<String> {
    let name = name.to_lowercase().replace('_', "-");
    let score = |task: &&Task| match task.name.contains(&name) && name.len() >= 3 {
        true => 1.0,
        false => strsim::normalized_damerau_levenshtein(&name, task.name),
    };
    let mut near: Vec<_> = tasks.iter().map(|task| (score(task), task.name)).collect();
    near.retain(|(score, _)| *score >= 0.5);
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter()
        .take(3)
        .map(|(_, name)| format!("`{name}`"))
        .collect()
}

fn join(words: &[&OsStr]) -> String {
    words
        .iter()
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn print(text: &str) -> u8 {
    // A reader that has seen enough, like `head`, is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    0
}

fn refuse(message: &str) -> u8 {
    let _ = io::stderr().write_all(message.as_bytes());
    EXIT_USAGE
}

#[cfg(test)]
mod tests;
