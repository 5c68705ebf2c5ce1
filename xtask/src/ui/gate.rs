//! The one gate in front of every byte that is written to a terminal or a CI log.
//!
//! Words come from everywhere: a task's log, a teammate's reason for a hold, an error of AWS, a branch's
//! name. Only [`Safe`] text is written, and whatever becomes safe text loses its power here: escape
//! sequences would drive the terminal, and `::add-mask::` at the beginning of a line would command the
//! runner of GitHub Actions.

mod colors;

/// Before a line that is a command of ours to GitHub's runner. No words hold it: it is a control.
const COMMAND: char = '\u{1}';

/// Text that drives neither a terminal nor a CI runner, but for the escape sequences and the commands
/// that were put in by the functions here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Safe(String);

impl Safe {
    /// Any words, of one line or several. Control characters become visible ones: `␛` for escape and
    /// so on, and the C1 controls and the bidirectional overrides become `�`. Tabs stay.
    pub fn words(text: &str) -> Safe {
        let shown = text.chars().map(|c| match c {
            '\n' => c,
            c if is_unsafe(c) => visible(c),
            c => c,
        });
        Safe(shown.collect())
    }

    /// Words of one line: a line feed in them becomes visible, too.
    pub fn line(text: &str) -> Safe {
        let shown = text.chars();
        Safe(
            shown
                .map(|c| if is_unsafe(c) { visible(c) } else { c })
                .collect(),
        )
    }

    /// What cargo and rustc print. Their colours pass, or are taken out; nothing else does.
    pub fn colored(text: &str, keep: bool) -> Safe {
        Safe(colors::only_colors(text, keep))
    }

    /// A document of JSON. What would drive a terminal is written as JSON's own escapes, so that a
    /// reader gets the same values.
    pub fn json(text: &str) -> Safe {
        let mut shown = String::with_capacity(text.len());
        for c in text.replace("##[", "#\\u0023[").chars() {
            match c {
                '\n' => shown.push(c),
                c if is_unsafe(c) => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => shown.push(c),
            }
        }
        Safe(shown)
    }

    /// An escape sequence of ours.
    pub const fn escape(sequence: &'static str) -> Sequence {
        Sequence(sequence)
    }

    /// A command to GitHub's runner, `::warning title=plan::…`, with its line feed.
    /// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>
    pub fn command(name: &'static str, title: Option<&'static str>, data: &Safe) -> Safe {
        let title = title.map(|title| format!(" title={title}"));
        let data = data.0.replace('%', "%25").replace('\n', "%0A");
        Safe(format!(
            "{COMMAND}::{name}{}::{data}\n",
            title.unwrap_or_default()
        ))
    }

    pub fn push(&mut self, more: &Safe) {
        self.0.push_str(&more.0);
    }

    pub fn push_words(&mut self, words: &str) {
        self.push(&Safe::words(words));
    }

    /// `count` times the sequence.
    pub fn push_escape(&mut self, sequence: Sequence, count: usize) {
        for _ in 0..count {
            self.0.push_str(sequence.0);
        }
    }

    /// In this style (`31`, `1;32`), if there are colours.
    pub fn painted(self, style: &'static str, color: bool) -> Safe {
        if color {
            Safe(format!("\x1b[{style}m{}\x1b[0m", self.0))
        } else {
            self
        }
    }

    /// Each line after the words that `before` has for it, ended by a line feed.
    pub fn each_line_after(&self, before: impl Fn(usize) -> String) -> Safe {
        let mut text = Safe::default();
        for (index, line) in self.0.lines().enumerate() {
            text.push(&Safe::line(&before(index)));
            text.0.push_str(line);
            text.0.push('\n');
        }
        text
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is written to a terminal, a pipe or a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is written there, or to the log of a job on GitHub.
    pub fn into_bytes(self, github: bool) -> Vec<u8> {
        match github {
            true => self.for_github().into_bytes(),
            false => self.0.into_bytes(),
        }
    }

    /// No line is a command to the runner but those that [`Safe::command`] made.
    pub fn for_github(&self) -> String {
        let lines = self.0.split_inclusive('\n');
        lines
            .map(|line| match line.strip_prefix(COMMAND) {
                Some(command) => command.to_owned(),
                None => defuse(line),
            })
            .collect()
    }
}

/// An escape sequence that stands in the source, and is no word of anybody's.
#[derive(Debug, Clone, Copy)]
pub struct Sequence(&'static str);

/// The runner obeys what looks like one of its commands: `::` after blanks, `##[` anywhere. A
/// zero-width space makes it text.
/// <https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>
fn defuse(line: &str) -> String {
    let line = line.replace("##[", "#\u{200b}#[");
    let words = colors::after_blanks(&line);
    match line[words..].strip_prefix("::") {
        Some(rest) => format!("{}:\u{200b}:{rest}", &line[..words]),
        None => line,
    }
}

fn is_unsafe(c: char) -> bool {
    let bidirectional = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    (c.is_control() && c != '\t') || bidirectional
}

fn visible(c: char) -> char {
    match u32::from(c) {
        // The block of control pictures mirrors ASCII's control characters.
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_become_visible() {
        for (line, expected) in [
            ("plain ünïcode 日本", "plain ünïcode 日本"),
            ("a\tb", "a\tb"),
            ("\x1b]0;title\x07", "␛]0;title␇"),
            ("a\rb\x08\x7f", "a␍b␈␡"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("\u{202e}abc", "\u{fffd}abc"),
        ] {
            assert_eq!(Safe::words(line).as_str(), expected);
        }
        assert_eq!(Safe::words("a\n\u{1}b").as_str(), "a\n␁b");
        assert_eq!(Safe::line("a\nb").as_str(), "a␊b");
    }

    #[test]
    fn json_keeps_its_values() {
        let value = "a\u{9b}31m\u{202e}##[error]\n";
        let text = serde_json::to_string(value).unwrap();
        let safe = Safe::json(&text);
        assert_eq!(safe.as_str(), r##""a\u009b31m\u202e#\u0023[error]\n""##);
        assert_eq!(
            serde_json::from_str::<String>(safe.as_str()).unwrap(),
            value
        );
    }

    #[test]
    fn no_words_are_a_command_to_the_runner() {
        for (words, expected) in [
            ("plain", "plain"),
            ("  ::add-mask::x", "  :\u{200b}:add-mask::x"),
            ("a\n::add-mask::x\n", "a\n:\u{200b}:add-mask::x\n"),
            ("\u{a0}\u{feff}::x", "\u{a0}\u{feff}:\u{200b}:x"),
            ("a ##[error]b", "a #\u{200b}#[error]b"),
            ("\u{1}::add-mask::x", "␁::add-mask::x"),
        ] {
            assert_eq!(Safe::words(words).for_github(), expected);
        }
        let painted = Safe::words("::x").painted("31", true);
        assert_eq!(painted.for_github(), "\x1b[31m:\u{200b}:x\x1b[0m");
    }

    #[test]
    fn a_command_of_ours_is_one_line() {
        let data = Safe::words("50%\n::error::\x1b");
        let command = Safe::command("warning", Some("plan"), &data);
        assert_eq!(
            command.for_github(),
            "::warning title=plan::50%25%0A::error::␛\n"
        );
    }
}
