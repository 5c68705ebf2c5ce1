//! An event as the lines that stay: of the terminal's view, and of stderr that is no terminal. Pure.

use std::time::Duration;

use super::event::Event;
use super::gate::Safe;
use super::{Step, seconds};

/// Where a line's text begins: the sign, a space, the step's name, two spaces.
const INDENT: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Started,
    Detail,
    Done,
    Failed,
    Skipped,
    Warning,
}

/// How lines are laid out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    pub color: bool,
    /// Longer lines are folded at words; None leaves them as they are.
    pub width: Option<usize>,
}

/// A step's event; empty for what has no line of its own.
pub fn lines(event: &Event, layout: Layout) -> Safe {
    match event {
        Event::StepStarted { step, what, .. } => render(*step, Mark::Started, None, what, layout),
        Event::StepDetail { step, what } => render(*step, Mark::Detail, None, what, layout),
        Event::StepProgress {
            step,
            done,
            total,
            what,
        } => {
            let total = total.map(|total| format!("/{total}")).unwrap_or_default();
            let what = format!("{done}{total} {what}");
            render(*step, Mark::Detail, None, &what, layout)
        }
        Event::StepFinished {
            step, what, took, ..
        } => render(*step, Mark::Done, Some(*took), what, layout),
        Event::StepFailed {
            step,
            cancelled: false,
            took,
            ..
        } => render(*step, Mark::Failed, Some(*took), "failed", layout),
        Event::StepFailed {
            step,
            cancelled: true,
            took,
            ..
        } => render(*step, Mark::Skipped, Some(*took), "given up", layout),
        Event::StepSkipped { step, why } => render(*step, Mark::Skipped, None, why, layout),
        Event::Warning { step, what } => render(*step, Mark::Warning, None, what, layout),
        _ => Safe::default(),
    }
}

/// A block of text for people, line by line.
pub fn block(text: &str) -> Safe {
    Safe::words(text).each_line_after(|_| String::new())
}

fn render(step: Step, mark: Mark, took: Option<Duration>, what: &str, layout: Layout) -> Safe {
    let (sign, style) = match mark {
        Mark::Started => (" ", "1"),
        Mark::Detail => (" ", "2"),
        Mark::Done => ("✓", "32"),
        Mark::Failed => ("✗", "31"),
        Mark::Skipped => ("–", "2"),
        Mark::Warning => ("!", "33"),
    };
    let took = took.map(|took| format!(" ({})", seconds(took)));
    let took = took.unwrap_or_default();
    let mut what: Vec<String> = what
        .lines()
        .map(|line| Safe::line(line).as_str().to_owned())
        .collect();
    if what.is_empty() {
        what.push(String::new());
    }
    what[0].push_str(&took);
    if let Some(width) = layout.width {
        let width = width.saturating_sub(INDENT).max(20);
        what = what.iter().flat_map(|line| fold(line, width)).collect();
    }
    let mut text = Safe::default();
    for (index, line) in what.iter().enumerate() {
        let (sign, name) = if index == 0 {
            (sign, step.name())
        } else {
            (" ", "")
        };
        let head = Safe::line(&format!("{sign} {name:<8}"));
        text.push(&head.painted(style, layout.color));
        text.push_words(&format!("  {line}\n"));
    }
    text
}

/// Lines of at most `width` columns, broken at spaces where there are any.
fn fold(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = line;
    while columns(rest) > width {
        let hard = cut_at(rest, width);
        let at = match rest[..hard].rfind(' ') {
            Some(space) if space > 0 => space,
            _ => hard,
        };
        lines.push(rest[..at].to_owned());
        rest = rest[at..].trim_start_matches(' ');
    }
    lines.push(rest.to_owned());
    lines
}

/// At most `width` columns; what was cut shows as an ellipsis.
pub fn shorten(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    format!("{}…", &text[..cut_at(text, width.saturating_sub(1))])
}

/// The columns that a terminal gives a text.
pub fn columns(text: &str) -> usize {
    text.chars().map(column_of).sum()
}

/// East Asian letters and pictures take two columns.
fn column_of(c: char) -> usize {
    match u32::from(c) {
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        0x300..=0x36f | 0x200b..=0x200d => 0,
        _ => 1,
    }
}

fn cut_at(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += column_of(c);
        if used > width {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &Event, layout: Layout, expected: &str) {
        assert_eq!(lines(event, layout).as_str(), expected);
    }

    #[test]
    fn steps() {
        let step = Step::Build;
        let took = Duration::from_millis(1234);
        let finished = Event::StepFinished {
            span: 1,
            step,
            what: "8 MB".into(),
            took,
        };
        let plain = Layout::default();
        check(
            &Event::StepStarted {
                span: 1,
                step,
                what: "compiling api".into(),
            },
            plain,
            "  build     compiling api\n",
        );
        check(&finished, plain, "✓ build     8 MB (1.2 s)\n");
        check(
            &Event::StepFailed {
                span: 1,
                step,
                cancelled: false,
                took,
            },
            plain,
            "✗ build     failed (1.2 s)\n",
        );
        check(
            &Event::StepSkipped {
                step,
                why: "is in ECR".into(),
            },
            plain,
            "– build     is in ECR\n",
        );
        check(
            &Event::Warning {
                step,
                what: "a\nb".into(),
            },
            plain,
            "! build     a\n            b\n",
        );
        check(
            &Event::StepDetail {
                step,
                what: "\x1b[31mred".into(),
            },
            plain,
            "  build     ␛[31mred\n",
        );
        let color = Layout {
            color: true,
            width: None,
        };
        check(
            &finished,
            color,
            "\x1b[32m✓ build   \x1b[0m  8 MB (1.2 s)\n",
        );
    }

    #[test]
    fn long_lines_fold_under_their_text() {
        let layout = Layout {
            color: false,
            width: Some(36),
        };
        check(
            &Event::Warning {
                step: Step::Plan,
                what: "this deletes two tasks from test: a, b".into(),
            },
            layout,
            "! plan      this deletes two tasks\n            from test: a, b\n",
        );
        check(
            &Event::Warning {
                step: Step::Plan,
                what: "x".repeat(30),
            },
            layout,
            "! plan      xxxxxxxxxxxxxxxxxxxxxxxx\n            xxxxxx\n",
        );
    }

    #[test]
    fn columns_are_what_a_terminal_shows() {
        assert_eq!(columns("日本a"), 5);
        assert_eq!(shorten("日本語", 5), "日本…");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }
}
