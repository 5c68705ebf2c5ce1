//! The log of a GitHub Actions job: a step's lines in a group, warnings and errors as annotations.
//!
//! Steps run side by side, but groups cannot: a step's lines are kept until it has ended.

use super::event::Event;
use super::gate::Safe;
use super::lines::{Layout, lines};
use super::{Step, seconds};

/// How many lines of a step are kept for its group; the record has them all.
const KEPT: usize = 2000;

#[derive(Debug)]
pub struct GithubLog {
    kept: Vec<(Step, Safe)>,
    /// Whether the colours of cargo and rustc are kept.
    colors: bool,
}

impl GithubLog {
    pub fn new(colors: bool) -> Self {
        GithubLog {
            kept: Vec::new(),
            colors,
        }
    }

    /// What the event adds to the log.
    pub fn show(&mut self, event: &Event) -> Safe {
        match event {
            // Whom a job waits for is said at once, since it may wait for half an hour.
            Event::StepDetail {
                step: Step::Hold | Step::Pause,
                ..
            } => lines(event, Layout::default()),
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
                Safe::command("warning", Some(step.name()), &Safe::words(what))
            }
            event => lines(event, Layout::default()),
        }
    }

    fn keep(&mut self, step: Step, line: &str) -> Safe {
        if self.kept.len() < KEPT {
            for line in line.lines() {
                self.kept.push((step, Safe::colored(line, self.colors)));
            }
        }
        Safe::default()
    }

    fn group(&mut self, step: Step, title: &str) -> Safe {
        let title = Safe::line(title.lines().next().unwrap_or_default());
        let (own, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|(kept, _)| *kept == step);
        self.kept = others;
        if own.is_empty() {
            return title.each_line_after(|_| String::new());
        }
        let mut text = Safe::command("group", None, &title);
        for (_, line) in own {
            text.push(&line);
            text.push_words("\n");
        }
        text.push(&Safe::command("endgroup", None, &Safe::default()));
        text
    }
}

/// An error as an annotation: its first line is what the list of annotations shows.
pub fn error(text: &str) -> Safe {
    let text = text.trim_end().trim_start_matches("error: ");
    Safe::command("error", None, &Safe::colored(text, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_steps_lines_are_in_its_own_group() {
        let mut log = GithubLog::new(false);
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
                Safe::default()
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
            log.show(&finished(Step::Build)).for_github(),
            "::group::✓ build done (12 s)\nCompiling a\n:\u{200b}:set-env::x\n::endgroup::\n"
        );
        assert_eq!(
            log.show(&finished(Step::Plan)).for_github(),
            "::group::✓ plan done (12 s)\nreading\n::endgroup::\n"
        );
        assert_eq!(
            log.show(&finished(Step::Plan)).for_github(),
            "✓ plan done (12 s)\n"
        );
    }

    #[test]
    fn annotations_keep_their_lines() {
        assert_eq!(
            error("error: 50%\n  hint: x\n").for_github(),
            "::error::50%25%0A  hint: x\n"
        );
    }
}
