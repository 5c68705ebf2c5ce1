//! What a `.dockerignore` leaves out of a context, by Docker's rules: each line is a pattern of Go's
//! `filepath.Match` with `**` for any number of folders; a pattern that matches a folder leaves out
//! all below it; `!` takes back; the last line that matches decides.
//!
//! <https://docs.docker.com/build/concepts/context/#dockerignore-files>

/// The lines of a `.dockerignore`.
#[derive(Debug, Default)]
pub struct Ignore {
    /// Each with whether it takes back.
    patterns: Vec<(Vec<String>, bool)>,
}

impl Ignore {
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let patterns = lines.filter_map(|line| {
            let line = line.trim();
            let (line, takes_back) = match line.strip_prefix('!') {
                Some(rest) => (rest.trim(), true),
                None => (line, false),
            };
            let mut parts: Vec<String> = Vec::new();
            for part in line.split('/') {
                match part {
                    "" | "." => {}
                    ".." => drop(parts.pop()),
                    part => parts.push(part.to_owned()),
                }
            }
            (!parts.is_empty()).then_some((parts, takes_back))
        });
        Ignore {
            patterns: patterns.collect(),
        }
    }

    /// Is this file, relative to the context's folder, left out?
    pub fn leaves_out(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        let mut out = false;
        for (pattern, takes_back) in &self.patterns {
            // The path itself, or any folder above it.
            if (1..=parts.len()).any(|length| matches_path(pattern, &parts[..length])) {
                out = !takes_back;
            }
        }
        out
    }
}

fn matches_path(pattern: &[String], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            // At the end it stands for what is below a folder; elsewhere also for none.
            if rest.is_empty() {
                return !path.is_empty();
            }
            (0..=path.len()).any(|skipped| matches_path(rest, &path[skipped..]))
        }
        (Some((first, rest)), Some((name, below))) => {
            let first: Vec<char> = first.chars().collect();
            let name: Vec<char> = name.chars().collect();
            matches_name(&first, &name) && matches_path(rest, below)
        }
        _ => false,
    }
}

/// `*` and `?` within a name, `[a-z]` and `[^a-z]`, and `\` before a character that means itself.
fn matches_name(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|taken| matches_name(rest, &name[taken..])),
        Some(('?', rest)) => name
            .split_first()
            .is_some_and(|(_, below)| matches_name(rest, below)),
        Some(('[', rest)) => {
            let Some((first, below)) = name.split_first() else {
                return false;
            };
            in_class(rest, *first).is_some_and(|(inside, rest)| inside && matches_name(rest, below))
        }
        Some(('\\', rest)) if !rest.is_empty() => {
            name.first() == rest.first() && matches_name(&rest[1..], &name[1..])
        }
        Some((character, rest)) => {
            name.first() == Some(character) && matches_name(rest, &name[1..])
        }
    }
}

/// Is the character in the class that begins here, and what follows its end?
fn in_class(class: &[char], character: char) -> Option<(bool, &[char])> {
    let (negated, mut class) = match class.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, class),
    };
    let mut inside = false;
    let mut first = true;
    loop {
        let (next, rest) = class.split_first()?;
        if *next == ']' && !first {
            return Some((inside != negated, rest));
        }
        first = false;
        let (low, rest) = escaped(*next, rest)?;
        let (high, rest) = match rest.split_first() {
            Some(('-', range)) => {
                let (end, rest) = range.split_first()?;
                escaped(*end, rest)?
            }
            _ => (low, rest),
        };
        inside |= (low..=high).contains(&character);
        class = rest;
    }
}

fn escaped(character: char, rest: &[char]) -> Option<(char, &[char])> {
    if character != '\\' {
        return Some((character, rest));
    }
    let (escaped, rest) = rest.split_first()?;
    Some((*escaped, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_docker_reads_it() {
        for (text, path, expected) in [
            ("", "a", false),
            ("# a\n\n  \n", "a", false),
            ("a", "a", true),
            ("a", "a/b/c", true),
            ("a", "b/a", false),
            ("/a/", "a/b", true),
            ("./a", "a", true),
            ("b/../a", "a", true),
            ("*.md", "README.md", true),
            ("*.md", "docs/README.md", false),
            ("**/*.md", "docs/a/README.md", true),
            ("**/*.md", "README.md", true),
            ("docs/**", "docs/a/b", true),
            ("docs/**", "docs", false),
            ("**", "a/b", true),
            ("**/cache", "a/cache/b", true),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("*\n!keep", "keep", false),
            ("*\n!keep", "other", true),
            ("*\n!keep/**", "keep/a/b", false),
            ("!keep\n*", "keep", true),
            ("docs\n!docs/a.md", "docs/a.md", false),
            ("docs\n!docs/a.md", "docs/b.md", true),
            ("?.txt", "a.txt", true),
            ("?.txt", "ab.txt", false),
            ("[a-c].txt", "b.txt", true),
            ("[^a-c].txt", "b.txt", false),
            ("[^a-c].txt", "d.txt", true),
            ("[!a].txt", "a.txt", true),
            ("[a", "a", false),
            (r"\*.txt", "*.txt", true),
            (r"\*.txt", "a.txt", false),
            (" a ", "a", true),
            ("\u{feff}a", "a", true),
        ] {
            assert_eq!(
                Ignore::parse(text).leaves_out(path),
                expected,
                "{text:?} {path}"
            );
        }
    }
}
