//! GitHub's patterns for paths. They match whole paths, which begin without a slash.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet>

use std::fmt;

use anyhow::Context as _;

#[derive(Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// It begins with `!`: what it matches is taken out again.
    pub negates: bool,
    parts: Vec<Part>,
}

/// Characters of one kind: exactly one, unless it may be absent or repeat.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    one_of: Characters,
    may_be_absent: bool,
    repeats: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Characters {
    All,
    AllButSlash,
    Between(Vec<(char, char)>),
}

/// The last pattern that matches decides.
pub fn last_word(patterns: &[Pattern], file: &str) -> bool {
    let last = patterns
        .iter()
        .rfind(|pattern| matches(&pattern.parts, file));
    last.is_some_and(|pattern| !pattern.negates)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    pub fn parse(text: &str) -> anyhow::Result<Pattern> {
        let positive = text.strip_prefix('!');
        let parts = parts(positive.unwrap_or(text));
        Ok(Pattern {
            text: text.to_owned(),
            negates: positive.is_some(),
            parts: parts.with_context(|| format!("`{text}` is no pattern of GitHub's"))?,
        })
    }
}

fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let (one_of, after) = match first {
            '*' => {
                let (one_of, after) = match after.strip_prefix('*') {
                    // With no folder between them there is no slash either.
                    Some(after) => (Characters::All, after.strip_prefix('/').unwrap_or(after)),
                    None => (Characters::AllButSlash, after),
                };
                parts.push(Part {
                    one_of,
                    may_be_absent: true,
                    repeats: true,
                });
                rest = after;
                continue;
            }
            // They are about the character before them, and taken with it.
            '?' | '+' => return None,
            '[' => {
                let (inside, after) = after.split_once(']')?;
                (Characters::Between(ranges(inside)?), after)
            }
            '\\' => {
                let literal = after.chars().next()?;
                let after = &after[literal.len_utf8()..];
                (Characters::Between(vec![(literal, literal)]), after)
            }
            literal => (Characters::Between(vec![(literal, literal)]), after),
        };
        let quantifier = after.chars().next();
        parts.push(Part {
            one_of,
            may_be_absent: quantifier == Some('?'),
            repeats: quantifier == Some('+'),
        });
        rest = after.strip_prefix(['?', '+']).unwrap_or(after);
    }
    Some(parts)
}

/// What is in brackets: letters, digits and ranges of them.
fn ranges(inside: &str) -> Option<Vec<(char, char)>> {
    let characters: Vec<char> = inside.chars().collect();
    let mut ranges = Vec::new();
    let mut rest = characters.as_slice();
    while let [first, after @ ..] = rest {
        let (last, after) = match after {
            ['-', last, after @ ..] => (last, after),
            _ => (first, after),
        };
        if !first.is_ascii_alphanumeric() || !last.is_ascii_alphanumeric() || first > last {
            return None;
        }
        ranges.push((*first, *last));
        rest = after;
    }
    (!ranges.is_empty()).then_some(ranges)
}

fn matches(parts: &[Part], text: &str) -> bool {
    let Some((part, others)) = parts.split_first() else {
        return text.is_empty();
    };
    if part.may_be_absent && matches(others, text) {
        return true;
    }
    let mut characters = text.chars();
    while characters.next().is_some_and(|c| part.one_of.has(c)) {
        if matches(others, characters.as_str()) {
            return true;
        }
        if !part.repeats {
            break;
        }
    }
    false
}

impl Characters {
    fn has(&self, character: char) -> bool {
        match self {
            Characters::All => true,
            Characters::AllButSlash => character != '/',
            Characters::Between(ranges) => ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&character)),
        }
    }
}
