//! `cargo xtask completions SHELL`, and what the scripts ask: the words that fit at the cursor.
//!
//! The scripts call the binary that was built last, never cargo: a key press must not start a build.

use clap::{Arg, Command, CommandFactory as _};

use crate::cli::{Cli, Shell};
use crate::clients::tasks_file::task_names;
use crate::record::recorder::runs;
use crate::session::Invocation;
use crate::settings::{self, Overrides, Settings};

const BASH: &str = include_str!("completions/bash.bash");
const ZSH: &str = include_str!("completions/zsh.zsh");
const FISH: &str = include_str!("completions/fish.fish");

/// Prints the script for a shell.
pub fn script(shell: Shell, invocation: &Invocation) -> u8 {
    let script = match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    };
    invocation.reporter.result(script.trim_end());
    0
}

/// Prints the words for the last of `words`, which may be empty; `words` begins after `xtask`.
pub fn complete(words: &[String], invocation: &Invocation) -> u8 {
    let names = Names::here();
    let found = candidates(&Cli::command(), words, &names);
    if !found.is_empty() {
        invocation.reporter.result(found.join("\n"));
    }
    0
}

/// What the repository knows by name. Nothing is asked over the network.
#[derive(Debug, Default)]
struct Names {
    tasks: Vec<String>,
    environments: Vec<String>,
    runs: Vec<String>,
}

impl Names {
    /// Outside of a repository, or with mistakes in Cargo.toml, there are none.
    fn here() -> Names {
        let load = || -> anyhow::Result<Settings> {
            let start = std::env::current_dir()?;
            settings::load(&start, &Overrides::default(), &crate::session::env_var)
        };
        let Ok(settings) = load() else {
            return Names::default();
        };
        let tasks = task_names(&settings.root.join(&settings.tasks_file));
        Names {
            tasks: tasks.ok().flatten().unwrap_or_default(),
            runs: runs(&settings.work_dir().join("runs")),
            environments: settings.environments,
        }
    }
}

fn candidates(root: &Command, words: &[String], names: &Names) -> Vec<String> {
    let Some((current, before)) = words.split_last() else {
        return Vec::new();
    };
    if before.iter().any(|word| word == "--") {
        // They are the task's own.
        return Vec::new();
    }
    let mut command = root;
    let mut positionals = 0;
    let mut waiting: Option<&Arg> = None;
    for word in before {
        if waiting.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            waiting = option(root, command, word).filter(|arg| takes_next_word(arg));
        } else if let Some(inner) = command.find_subcommand(word) {
            command = inner;
            positionals = 0;
        } else {
            positionals += 1;
        }
    }
    let mut found = match waiting {
        Some(arg) => values(arg, names),
        None if current.starts_with('-') => options(root, command),
        None if command.has_subcommands() => command
            .get_subcommands()
            .filter(|inner| !inner.is_hide_set())
            .map(|inner| inner.get_name().to_owned())
            .collect(),
        None => command
            .get_positionals()
            .nth(positionals)
            .map(|arg| values(arg, names))
            .unwrap_or_default(),
    };
    found.retain(|word| word.starts_with(current.as_str()));
    found
}

/// The option of that name, of the command or for all commands.
fn option<'a>(root: &'a Command, command: &'a Command, word: &str) -> Option<&'a Arg> {
    let mut all = command.get_arguments().chain(root.get_arguments());
    all.find(|arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg
            .get_short()
            .is_some_and(|short| word == format!("-{short}")),
    })
}

fn takes_next_word(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

fn options(root: &Command, command: &Command) -> Vec<String> {
    let all = command.get_arguments().chain(root.get_arguments());
    let shown = all.filter(|arg| !arg.is_hide_set());
    let mut names: Vec<String> = shown
        .filter_map(|arg| Some(format!("--{}", arg.get_long()?)))
        .collect();
    names.push("--help".to_owned());
    names.sort();
    names.dedup();
    names
}

fn values(arg: &Arg, names: &Names) -> Vec<String> {
    match arg.get_id().as_str() {
        "task" | "target" => names.tasks.clone(),
        "env" => names.environments.clone(),
        "run" => names.runs.clone(),
        _ => arg
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[&str], expected: &[&str]) {
        let names = Names {
            tasks: vec!["import-claims".into(), "nightly-report".into()],
            environments: vec!["stage".into(), "test".into()],
            runs: vec!["20260102-030405-1a2b3c".into()],
        };
        let words: Vec<String> = line.iter().map(ToString::to_string).collect();
        assert_eq!(
            candidates(&Cli::command(), &words, &names),
            expected,
            "{line:?}"
        );
    }

    #[test]
    fn words_that_fit() {
        check(&["hist"], &["history"]);
        check(&["sandbox", "re"], &["reset"]);
        check(&["try", ""], &["import-claims", "nightly-report"]);
        check(&["try", "n"], &["nightly-report"]);
        check(&["logs", "i"], &["import-claims"]);
        check(&["try", "--env", ""], &["stage", "test"]);
        check(&["--env", "test", "run", "n"], &["nightly-report"]);
        check(&["try", "nightly-report", ""], &[]);
        check(&["try", "nightly-report", "--", "n"], &[]);
        check(&["try", "--sand"], &["--sandbox"]);
        check(&["report", "2026"], &["20260102-030405-1a2b3c"]);
        check(&["--color", "a"], &["auto", "always"]);
        check(&["completions", "z"], &["zsh"]);
    }
}
