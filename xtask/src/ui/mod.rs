//! Everything that is printed goes through the [`Reporter`]; steps report, this decides what is shown.
//!
//! stdout carries the result alone (an image reference, a task's log); progress is on stderr.

pub mod plural;
pub mod sanitise;
pub mod task_log;

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use sanitise::sanitise;
use task_log::LogLine;

/// The steps of a loop, in the words of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Sandbox,
    Check,
    Build,
    Push,
    Plan,
    Pause,
    Apply,
    Launch,
    Task,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Step::Sandbox => "sandbox",
            Step::Check => "check",
            Step::Build => "build",
            Step::Push => "push",
            Step::Plan => "plan",
            Step::Pause => "pause",
            Step::Apply => "apply",
            Step::Launch => "launch",
            Step::Task => "task",
        }
    }
}

/// What happens to a step, as one line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Started,
    Detail,
    Done,
    Skipped,
    Warning,
}

pub struct Reporter {
    color: bool,
    color_stdout: bool,
    raw_logs: bool,
    verbose: bool,
}

/// How the terminal is to be used, from flags and `NO_COLOR`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub raw_logs: bool,
    pub verbose: bool,
}

impl Reporter {
    pub fn new(options: Options) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Reporter {
            color: allowed && std::io::stderr().is_terminal(),
            color_stdout: allowed && std::io::stdout().is_terminal(),
            raw_logs: options.raw_logs,
            verbose: options.verbose,
        }
    }

    pub fn started(&self, step: Step, what: impl Display) -> Timer {
        self.line(step, Mark::Started, None, &what.to_string());
        Timer {
            step,
            since: Instant::now(),
        }
    }

    /// One line about a running step.
    pub fn detail(&self, step: Step, what: impl Display) {
        self.line(step, Mark::Detail, None, &what.to_string());
    }

    pub fn finished(&self, timer: &Timer, what: impl Display) {
        self.line(
            timer.step,
            Mark::Done,
            Some(timer.since.elapsed()),
            &what.to_string(),
        );
    }

    pub fn skipped(&self, step: Step, why: impl Display) {
        self.line(step, Mark::Skipped, None, &why.to_string());
    }

    pub fn warning(&self, step: Step, what: impl Display) {
        self.line(step, Mark::Warning, None, &what.to_string());
    }

    /// A command that is about to run, with `--verbose` only.
    pub fn command(&self, command: &str) {
        if self.verbose {
            self.to_stderr(&format!("             $ {}\n", sanitise(command)));
        }
    }

    /// A block of text for people: a plan, a verdict, a hint.
    pub fn text(&self, text: impl Display) {
        let mut shown = String::new();
        for line in text.to_string().lines() {
            shown.push_str(&sanitise(line));
            shown.push('\n');
        }
        self.to_stderr(&shown);
    }

    /// A line of a task's log, on stdout: it is what `run`, `try` and `logs` are for.
    pub fn task_line(&self, line: &LogLine<'_>) {
        let shown = if self.raw_logs {
            task_log::raw(line)
        } else {
            task_log::readable(line, self.color_stdout)
        };
        self.result(shown);
    }

    /// The result of a command, on stdout.
    #[expect(
        clippy::print_stderr,
        reason = "stdout is gone, and the reader should know"
    )]
    pub fn result(&self, text: impl Display) {
        let mut stdout = std::io::stdout().lock();
        if let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            // Whoever read our stdout has closed it (`| head`): nothing more can be said there,
            // and the loop goes on, since a task must not be lost over it.
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                eprintln!("warning: writing to stdout: {error}");
            }
        }
    }

    fn line(&self, step: Step, mark: Mark, took: Option<Duration>, what: &str) {
        self.to_stderr(&render(step, mark, took, what, self.color));
    }

    fn to_stderr(&self, text: &str) {
        // There is nobody left to tell when stderr is closed.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// A running step; [`Reporter::finished`] says how long it took.
#[derive(Debug)]
pub struct Timer {
    step: Step,
    since: Instant,
}

fn render(step: Step, mark: Mark, took: Option<Duration>, what: &str, color: bool) -> String {
    let (sign, style) = match mark {
        Mark::Started => (" ", "1"),
        Mark::Detail => (" ", "2"),
        Mark::Done => ("✓", "32"),
        Mark::Skipped => ("–", "2"),
        Mark::Warning => ("!", "33"),
    };
    let took = took
        .map(|took| format!(" ({})", seconds(took)))
        .unwrap_or_default();
    let mut text = String::new();
    for (index, line) in what.lines().enumerate() {
        let name = if index == 0 { step.name() } else { "" };
        let sign = if index == 0 { sign } else { " " };
        let line = sanitise(line);
        let took = if index == 0 { took.as_str() } else { "" };
        if color {
            text.push_str(&format!(
                "\x1b[{style}m{sign} {name:<8}\x1b[0m  {line}\x1b[2m{took}\x1b[0m\n"
            ));
        } else {
            text.push_str(&format!("{sign} {name:<8}  {line}{took}\n"));
        }
    }
    text
}

/// `0.3 s`, `12 s`, `3 min 20 s`.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 119.5 {
        format!("{seconds:.0} s")
    } else {
        format!(
            "{} min {} s",
            duration.as_secs() / 60,
            duration.as_secs() % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let took = Some(Duration::from_millis(1234));
        for (mark, took, what, expected) in [
            (
                Mark::Started,
                None,
                "compiling api",
                "  build     compiling api\n",
            ),
            (Mark::Done, took, "8 MB", "✓ build     8 MB (1.2 s)\n"),
            (Mark::Skipped, None, "is in ECR", "– build     is in ECR\n"),
            (
                Mark::Warning,
                None,
                "a\nb",
                "! build     a\n            b\n",
            ),
            (Mark::Detail, None, "\x1b[31mred", "  build     ␛[31mred\n"),
        ] {
            assert_eq!(render(Step::Build, mark, took, what, false), expected);
        }
        assert_eq!(
            render(Step::Build, Mark::Done, took, "x", true),
            "\x1b[32m✓ build   \x1b[0m  x\x1b[2m (1.2 s)\x1b[0m\n"
        );
    }

    #[test]
    fn durations() {
        for (millis, expected) in [
            (40, "0.0 s"),
            (9_900, "9.9 s"),
            (59_000, "59 s"),
            (200_000, "3 min 20 s"),
        ] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
    }
}
