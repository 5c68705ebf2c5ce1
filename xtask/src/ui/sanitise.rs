//! What a task or a tool prints must never drive the terminal.

use std::borrow::Cow;

/// Replaces control characters by visible ones: `␛` for escape and so on, and the C1 controls and
/// the bidirectional overrides by `�`. Tabs stay. The input is one line without its line feed.
pub fn sanitise(line: &str) -> Cow<'_, str> {
    if !line.chars().any(is_unsafe) {
        return Cow::Borrowed(line);
    }
    Cow::Owned(
        line.chars()
            .map(|c| if is_unsafe(c) { visible(c) } else { c })
            .collect(),
    )
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
            assert_eq!(sanitise(line), expected);
        }
    }
}
