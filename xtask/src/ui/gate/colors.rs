//! The colours of other programs: which escape sequences may pass, and which may not. Pure.

use super::{is_unsafe, visible};

const RESET: &str = "\x1b[0m";

/// The text with its colours, or without any; every other control becomes visible. A line that was
/// coloured ends as plain as it began.
pub fn only_colors(text: &str, keep: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_colored = false;
    while let Some(c) = rest.chars().next() {
        if let Some((sequence, after)) = color(rest) {
            if keep {
                shown.push_str(sequence);
                is_colored = sequence != RESET;
            }
            rest = after;
            continue;
        }
        if c == '\n' && std::mem::take(&mut is_colored) {
            shown.push_str(RESET);
        }
        let passes = c == '\n' || !is_unsafe(c);
        shown.push(if passes { c } else { visible(c) });
        rest = &rest[c.len_utf8()..];
    }
    if is_colored {
        shown.push_str(RESET);
    }
    shown
}

/// Where the first character is that is neither blank nor of an escape sequence, in bytes.
pub fn after_blanks(line: &str) -> usize {
    let mut rest = line;
    loop {
        let blank =
            |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200d}');
        let trimmed = rest.trim_start_matches(blank);
        match sequence(trimmed) {
            Some((_, after)) => rest = after,
            None => return line.len() - trimmed.len(),
        }
    }
}

/// The text's first characters, where they are a colour that may pass, and what follows.
fn color(text: &str) -> Option<(&str, &str)> {
    let (sequence, after) = sequence(text)?;
    may_pass(&sequence[2..sequence.len() - 1]).then_some((sequence, after))
}

/// `ESC [ digits and semicolons m`, and what follows.
fn sequence(text: &str) -> Option<(&str, &str)> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..]
        .starts_with('m')
        .then(|| text.split_at(2 + end + 1))
}

/// Bold, dim, italic, underlined, their ends, and foregrounds that are seen on black and on white:
/// concealed words, or words on their own colour, could hide what the reader must see.
fn may_pass(parameters: &str) -> bool {
    let numbers: Vec<&str> = parameters.split(';').collect();
    match numbers.as_slice() {
        [.., "38", "5", number] if numbers.len() <= 4 => {
            let before = numbers.len() == 3 || is_plain(numbers[0]);
            before && matches!(number.parse(), Ok(1..=6 | 9..=14))
        }
        numbers => numbers.iter().all(|number| is_plain(number)),
    }
}

fn is_plain(number: &str) -> bool {
    number.is_empty() || matches!(number.parse(), Ok(0..=4 | 22..=24 | 31..=36 | 39 | 91..=96))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_pass_and_nothing_else_does() {
        for (text, kept, plain) in [
            ("plain", "plain", "plain"),
            (
                "\x1b[1m\x1b[92m  Compiling\x1b[0m a",
                "\x1b[1m\x1b[92m  Compiling\x1b[0m a",
                "  Compiling a",
            ),
            (
                "\x1b[1;38;5;9merror\x1b[0m",
                "\x1b[1;38;5;9merror\x1b[0m",
                "error",
            ),
            // A line ends as it began.
            ("\x1b[31ma\nb", "\x1b[31ma\x1b[0m\nb", "a\nb"),
            // Concealed, on its own colour, the screen cleared, a title set, cut off.
            ("\x1b[8ma", "␛[8ma", "␛[8ma"),
            ("\x1b[31;41ma", "␛[31;41ma", "␛[31;41ma"),
            ("\x1b[38;5;0ma", "␛[38;5;0ma", "␛[38;5;0ma"),
            ("\x1b[2Ja", "␛[2Ja", "␛[2Ja"),
            ("\x1b]0;t\x07", "␛]0;t␇", "␛]0;t␇"),
            ("\x1b[31", "␛[31", "␛[31"),
            ("\u{9b}31ma", "\u{fffd}31ma", "\u{fffd}31ma"),
        ] {
            assert_eq!(only_colors(text, true), kept, "{text:?}");
            assert_eq!(only_colors(text, false), plain, "{text:?}");
        }
    }

    #[test]
    fn blanks_and_colours_before_words() {
        for (line, at) in [("a", 0), ("  a", 2), ("\x1b[1m \x1b[0ma", 9), ("", 0)] {
            assert_eq!(after_blanks(line), at, "{line:?}");
        }
    }
}
