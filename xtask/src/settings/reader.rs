//! Reads one table key by key and remembers every mistake, the keys nobody asked for included.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::failure::Problem;
use crate::names::near_names;

pub struct Reader<'a> {
    file: &'a Path,
    path: &'a str,
    table: toml::Table,
    env: &'a dyn Fn(&str) -> Option<String>,
    asked: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub fn new(
        file: &'a Path,
        path: &'a str,
        table: toml::Table,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Reader {
            file,
            path,
            table,
            env,
            asked: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// A text that must be there: flag, then environment variable, then file.
    pub fn text(&mut self, key: &'static str, flag: Option<&str>) -> String {
        let problems_before = self.problems.len();
        let found = self.optional_text(key, flag);
        if found.is_none() && self.problems.len() == problems_before {
            self.problem(
                format!(
                    "`{key}` is missing from [{}] in {}",
                    self.path,
                    self.file.display()
                ),
                format!("add `{key} = …` there, or set {}", variable(key)),
            );
        }
        found.unwrap_or_default()
    }

    /// A text that may be missing.
    pub fn optional_text(&mut self, key: &'static str, flag: Option<&str>) -> Option<String> {
        self.asked.push(key);
        let value = self.table.remove(key);
        if let Some(text) = flag
            .map(str::to_owned)
            .or_else(|| (self.env)(&variable(key)))
        {
            return Some(text);
        }
        match value? {
            toml::Value::String(text) => Some(text),
            other => {
                self.wrong_type(key, "a string", &other);
                None
            }
        }
    }

    /// A text that must be there and fit a rule.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.parsed_or(key, None, parse)
    }

    /// The same, unless a flag says it.
    pub fn parsed_or<T>(
        &mut self,
        key: &'static str,
        flag: Option<&str>,
        parse: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let problems_before = self.problems.len();
        let text = self.text(key, flag);
        if self.problems.len() > problems_before {
            return None;
        }
        self.fitting(key, &text, parse)
    }

    /// A text that may be missing, but must fit a rule when it is there.
    pub fn optional_parsed<T>(
        &mut self,
        key: &'static str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.optional_text(key, None)?;
        self.fitting(key, &text, parse)
    }

    fn fitting<T>(
        &mut self,
        key: &'static str,
        text: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(message) => {
                let place = format!("`{key}` of [{}] in {}", self.path, self.file.display());
                self.problem(message, format!("change {place} (or {})", variable(key)));
                None
            }
        }
    }

    pub fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.asked.push(key);
        let value = self.table.remove(key);
        match (self.env)(&variable(key)).as_deref() {
            Some("true" | "1") => return true,
            Some("false" | "0") => return false,
            Some(other) => {
                self.problem(
                    format!("{}=`{other}`", variable(key)),
                    "use true or false".into(),
                );
            }
            None => {}
        }
        match value {
            None => default,
            Some(toml::Value::Boolean(value)) => value,
            Some(other) => {
                self.wrong_type(key, "true or false", &other);
                default
            }
        }
    }

    pub fn seconds(&mut self, key: &'static str, default: u64) -> Duration {
        self.asked.push(key);
        let value = self.table.remove(key);
        let from_env = (self.env)(&variable(key));
        let seconds = match (from_env, value) {
            (Some(text), _) => text.parse().ok(),
            (None, Some(toml::Value::Integer(number))) => u64::try_from(number).ok(),
            (None, None) => Some(default),
            (None, Some(_)) => None,
        };
        if seconds.is_none() {
            self.problem(
                format!("`{key}` of [{}] is not a number of seconds", self.path),
                format!(
                    "change it in {} (or {})",
                    self.file.display(),
                    variable(key)
                ),
            );
        }
        Duration::from_secs(seconds.unwrap_or(default))
    }

    /// A list of texts; its environment variable separates them by commas.
    pub fn list(&mut self, key: &'static str) -> Vec<String> {
        self.asked.push(key);
        let value = self.table.remove(key);
        if let Some(text) = (self.env)(&variable(key)) {
            let items = text.split(',').map(|item| item.trim().to_owned());
            return items.filter(|item| !item.is_empty()).collect();
        }
        match value {
            None => Vec::new(),
            Some(toml::Value::Array(items)) if items.iter().all(toml::Value::is_str) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Some(other) => {
                self.wrong_type(key, "a list of strings", &other);
                Vec::new()
            }
        }
    }

    /// A list of texts, each of which must fit a rule.
    pub fn parsed_list<T>(
        &mut self,
        key: &'static str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let texts = self.list(key);
        texts
            .iter()
            .filter_map(|text| self.fitting(key, text, parse))
            .collect()
    }

    /// A table that may be missing.
    pub fn table(&mut self, key: &'static str) -> toml::Table {
        self.asked.push(key);
        match self.table.remove(key) {
            None => toml::Table::new(),
            Some(toml::Value::Table(table)) => table,
            Some(other) => {
                self.wrong_type(key, "a table", &other);
                toml::Table::new()
            }
        }
    }

    /// A table of tables, such as the environments.
    pub fn tables(&mut self, key: &'static str) -> BTreeMap<String, toml::Table> {
        self.asked.push(key);
        let mut tables = BTreeMap::new();
        let Some(toml::Value::Table(table)) = self.table.remove(key) else {
            return tables;
        };
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => {
                    tables.insert(name, inner);
                }
                other => self.problem(
                    format!(
                        "`{key}.{name}` of [{}] is {}, not a table",
                        self.path,
                        type_name(&other)
                    ),
                    format!(
                        "write [{}.{key}.{name}] in {}",
                        self.path,
                        self.file.display()
                    ),
                ),
            }
        }
        tables
    }

    /// The mistakes, with one for each key that nobody asked for.
    pub fn finish(mut self) -> Vec<Problem> {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            let near = near_names(&key, self.asked.iter().copied());
            let hint = match near.first() {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("the keys are: {}", self.asked.join(", ")),
            };
            let place = format!("[{}] in {}", self.path, self.file.display());
            self.problem(format!("unknown key `{key}` in {place}"), hint);
        }
        self.problems
    }

    fn wrong_type(&mut self, key: &str, wanted: &str, found: &toml::Value) {
        self.problem(
            format!(
                "`{key}` of [{}] is {}, not {wanted}",
                self.path,
                type_name(found)
            ),
            format!("change it in {}", self.file.display()),
        );
    }

    fn problem(&mut self, message: String, hint: String) {
        self.problems.push(Problem::usage(message, hint));
    }
}

fn variable(key: &str) -> String {
    format!("XTASK_{}", key.to_ascii_uppercase())
}

fn type_name(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "a string",
        toml::Value::Integer(_) | toml::Value::Float(_) => "a number",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    }
}
