//! The log of a GitHub Actions job: a step's lines in a group, warnings and errors as annotations.
//!
//! Steps run side by side, but groups cannot: a step's lines are kept until it has ended.

use super::event::Event;
use super::lines::{Layout, lines};
use super::sanitise::sanitise;
use super::{Step, seconds};

/// How many lines of a step are kept for its group; the record has them all.
const KEPT: usize = 2000;

#[derive(Debug, Default)]
pub struct GithubLog {
    kept: Vec<(Step, String)>,
}

impl GithubLog {
    /// What the event adds to the log.
    pub fn show(&mut self, event: &Event) -> String {
        match event {
            Event::StepDetail { step, what } => self.keep(*step, what),
            Event::Output { step, line } => self.keep(*step, line),
            Event::StepFinished {
                step, what, took, ..
            } => {
                let title = format!("✓ {} {what} ({})", step.name(), seconds(*took));
                self.group(*step, &title)
            }
            Event::StepFailed {
                step,
                cancelled,
                took,
                ..
            } => {
                let how = if *cancelled { "given up" } else { "failed" };
                let title = format!("✗ {} {how} ({})", step.name(), seconds(*took));
                self.group(*step, &title)
            }
            Event::Warning { step, what } => {
                format!("::warning title={}::{}\n", step.name(), message(what))
            }
            event => defuse_block(&lines(event, Layout::default())),
        }
    }

    fn keep(&mut self, step: Step, line: &str) -> String {
        if self.kept.len() < KEPT {
            for line in line.lines() {
                self.kept.push((step, defuse(&sanitise(line))));
            }
        }
        String::new()
    }

    fn group(&mut self, step: Step, title: &str) -> String {
        let title = title.lines().next().unwrap_or_default();
        let (own, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|(kept, _)| *kept == step);
        self.kept = others;
        if own.is_empty() {
            return format!("{}\n", defuse(&sanitise(title)));
        }
        let mut text = format!("::group::{}\n", sanitise(title));
        for (_, line) in own {
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str("::endgroup::\n");
        text
    }
}

/// An error as an annotation: its first line is what the list of annotations shows.
pub fn error(text: &str) -> String {
    let text = text.trim_end().trim_start_matches("error: ");
    format!("::error::{}\n", message(text))
}

/// The runner obeys what looks like one of its commands, wherever it comes from. A zero-width space
/// makes it text.
pub fn defuse(line: &str) -> String {
    let line = line.replace("##[", "#\u{200b}#[");
    match line.trim_start().strip_prefix("::") {
        Some(rest) => format!(":\u{200b}:{rest}"),
        None => line,
    }
}

fn defuse_block(text: &str) -> String {
    text.lines().map(|line| defuse(line) + "\n").collect()
}

/// The data of a workflow command.
fn message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_steps_lines_are_in_its_own_group() {
        let mut log = GithubLog::default();
        for (step, line) in [
            (Step::Build, "Compiling a"),
            (Step::Plan, "reading"),
            (Step::Build, "::set-env::x"),
        ] {
            assert_eq!(
                log.show(&Event::Output {
                    step,
                    line: line.into()
                }),
                ""
            );
        }
        let took = Duration::from_secs(12);
        let finished = |step| Event::StepFinished {
            span: 1,
            step,
            what: "done".into(),
            took,
        };
        assert_eq!(
            log.show(&finished(Step::Build)),
            "::group::✓ build done (12 s)\nCompiling a\n:\u{200b}:set-env::x\n::endgroup::\n"
        );
        assert_eq!(
            log.show(&finished(Step::Plan)),
            "::group::✓ plan done (12 s)\nreading\n::endgroup::\n"
        );
        assert_eq!(log.show(&finished(Step::Plan)), "✓ plan done (12 s)\n");
    }

    #[test]
    fn annotations_keep_their_lines() {
        assert_eq!(
            error("error: 50%\n  hint: x\n"),
            "::error::50%25%0A  hint: x\n"
        );
    }

    #[test]
    fn what_a_task_prints_is_no_command_to_the_runner() {
        for (line, expected) in [
            ("plain", "plain"),
            ("  ::add-mask::x", ":\u{200b}:add-mask::x"),
            ("a ##[error]b", "a #\u{200b}#[error]b"),
        ] {
            assert_eq!(defuse(line), expected);
        }
    }
}
