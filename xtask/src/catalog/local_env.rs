//! The environment of a task that runs without ECS.

use std::ffi::OsString;

use super::{EnvEntry, EnvValue};
use crate::failure::Problem;

/// Variables in the order in which they were first set, and those whose values are not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    known: Vec<(String, String)>,
    pub missing: Vec<String>,
}

impl Environment {
    /// The last value counts; what was missing is no longer.
    pub fn set(&mut self, name: &str, value: String) {
        self.missing.retain(|missing| missing != name);
        match self.known.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.known.push((name.to_owned(), value)),
        }
    }

    /// An entry as it is written; only a plain value is known.
    pub fn add(&mut self, entry: &EnvEntry) {
        match &entry.value {
            EnvValue::Plain(value) => self.set(&entry.name, value.clone()),
            EnvValue::Computed(_) | EnvValue::Secret(_) => self.missing.push(entry.name.clone()),
        }
    }

    pub fn variables(&self) -> Vec<(String, OsString)> {
        let known = self.known.iter();
        known
            .map(|(name, value)| (name.clone(), value.into()))
            .collect()
    }
}

/// Lines `KEY=VALUE`; empty ones and comments are left out, one pair of quotes around a value goes.
pub fn parse_file(text: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((key, value)) = line
            .split_once('=')
            .filter(|(key, _)| !key.trim().is_empty())
        else {
            return Err(Problem::usage(
                format!("line {} of the env file is not KEY=VALUE", index + 1),
                "one variable a line; `#` begins a comment",
            ));
        };
        let value = value.trim();
        let unquoted = ['"', '\''].iter().find_map(|quote| {
            value
                .strip_prefix(*quote)
                .and_then(|value| value.strip_suffix(*quote))
        });
        variables.push((key.trim().to_owned(), unquoted.unwrap_or(value).to_owned()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_until_it_is_set() {
        let mut environment = Environment::default();
        environment.set("A", "1".into());
        for (name, value) in [
            ("A", EnvValue::Plain("2".into())),
            ("B", EnvValue::Secret("/b".into())),
            ("C", EnvValue::Computed("var.c".into())),
        ] {
            environment.add(&EnvEntry {
                name: name.into(),
                value,
            });
        }
        environment.set("C", "3".into());
        assert_eq!(environment.missing, ["B"]);
        assert_eq!(
            environment.variables(),
            [("A".to_owned(), "2".into()), ("C".to_owned(), "3".into())]
        );
    }

    #[test]
    fn env_files() {
        let text = "# Why.\n\nA=1\nexport B = \"x y\"\nC='#=='\nD=\n";
        let expected = [("A", "1"), ("B", "x y"), ("C", "#=="), ("D", "")];
        assert_eq!(
            parse_file(text).unwrap(),
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert!(parse_file("A\n").unwrap_err().message.contains("line 1"));
    }
}
