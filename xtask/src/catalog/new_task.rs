//! A new task as edits of files: everything is checked before a byte is written.

pub mod python_text;
pub mod rust_text;
pub mod terraform_text;

use std::path::PathBuf;

use super::{Catalog, expression, fargate};
use crate::failure::Problem;

/// What `cargo xtask new-task` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub name: String,
    /// An expression and the time zone that it is read in.
    pub schedule: Option<(String, String)>,
    pub on_s3: Option<OnS3>,
    pub env: Vec<(String, String)>,
    /// Variable → name of an SSM parameter, or ARN.
    pub secrets: Vec<(String, String)>,
    /// CPU units and MiB.
    pub cpu: Option<u32>,
    pub memory: Option<u32>,
}

/// `BUCKET/PREFIX[*SUFFIX]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnS3 {
    pub bucket: String,
    pub prefix: String,
    pub suffix: String,
}

/// A file as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Relative to the repository.
    pub file: PathBuf,
    pub text: String,
    /// False: the file is there and changes.
    pub new: bool,
}

/// What every task's environment has; task_checks.tf refuses a task that sets one.
const RESERVED: [&str; 4] = [
    "ENVIRONMENT",
    "SERVICE_DOCKER_TAG",
    "AWS_REGION",
    "TASK_AUTHOR",
];
/// task_checks.tf has the same bound: families, roles and streams are made of the name.
const NAME_LENGTH: usize = 40;
/// The modules' bound for `<app>-<environment>-<task>`: their roles have longer names.
const MODULE_NAME_LENGTH: usize = 55;

impl OnS3 {
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, keys) = text.split_once('/').unwrap_or((text, ""));
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        if bucket.is_empty() || bucket.len() > 63 || !bucket.bytes().all(fits) {
            return Err(format!(
                "`{bucket}` is no bucket: expected BUCKET/PREFIX or BUCKET/PREFIX*SUFFIX"
            ));
        }
        let (prefix, suffix) = keys.split_once('*').unwrap_or((keys, ""));
        if suffix.contains('*') {
            return Err("only one `*` is possible: PREFIX*SUFFIX".to_owned());
        }
        Ok(OnS3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        })
    }
}

impl Wanted {
    /// The name as a file, a module or a function has it.
    pub fn snake(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Memory that goes with the CPU when only that was asked for.
    pub fn filled(mut self) -> Self {
        if let (Some(cpu), None) = (self.cpu, self.memory) {
            self.memory = fargate::least_memory(cpu);
        }
        self
    }

    /// Everything that is wrong with it. `service` is `<app>-<environment>`.
    pub fn mistakes(&self, catalog: &Catalog, service: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |message: String, hint: &str| problems.push(Problem::usage(message, hint));
        let name = &self.name;
        if let Err(why) = check_name(name) {
            wrong(why, "for example: my-new-task-name");
        }
        let length = service.len() + 1 + name.len();
        let module = self.schedule.is_some() || self.on_s3.is_some();
        if module && length > MODULE_NAME_LENGTH {
            wrong(
                format!(
                    "`{service}-{name}` has {length} characters, and a schedule or trigger may have {MODULE_NAME_LENGTH}"
                ),
                "take a shorter name",
            );
        }
        if let Some(taken) = catalog.entrypoints.iter().find(|e| e.name == *name) {
            wrong(
                format!(
                    "the entrypoint `{name}` is there already, at {}",
                    taken.place
                ),
                "take another name",
            );
        }
        let definitions = catalog.definitions.iter().flatten();
        if let Some(taken) = definitions.clone().find(|d| d.name == *name) {
            wrong(
                format!("the task `{name}` is defined already, at {}", taken.place),
                "take another name",
            );
        }
        if self.cpu.is_some() || self.memory.is_some() {
            let (cpu, memory) = (self.cpu.unwrap_or(1024), self.memory.unwrap_or(2048));
            if let Some(why) = fargate::mistake(cpu, memory) {
                wrong(
                    why,
                    "1024 and 2048 are what a task has when nothing is said",
                );
            }
        }
        if let Some((text, zone)) = &self.schedule {
            if let Err(why) = expression::parse(text) {
                wrong(
                    why,
                    "minutes hours day-of-month month day-of-week year: `cron(30 3 * * ? *)`",
                );
            }
            if let Err(why) = expression::zone(zone) {
                wrong(why, "the expression is read in this zone, the year round");
            }
        }
        let mut keys: Vec<&str> = Vec::new();
        for (key, _) in self.env.iter().chain(&self.secrets) {
            if let Err(why) = check_key(key, &keys) {
                wrong(why, "each variable once, in letters, digits and `_`");
            }
            keys.push(key);
        }
        for (key, path) in &self.secrets {
            if !is_secret_name(path) {
                wrong(
                    format!(
                        "`{path}` for {key} is neither the name of an SSM parameter nor an ARN"
                    ),
                    "a name begins with `/`, for example /api/test/my-secret",
                );
            }
        }
        problems
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let words_fit = name.split('-').all(|word| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    if !words_fit || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(format!(
            "`{name}` cannot name a task: lower-case words and digits joined by single `-`"
        ));
    }
    if !(2..=NAME_LENGTH).contains(&name.len()) {
        return Err(format!(
            "`{name}` has {} characters: a task's name has 2 to {NAME_LENGTH}",
            name.len()
        ));
    }
    if name.starts_with("isolated-") {
        return Err("names that begin with isolated- are for trying work in isolation".to_owned());
    }
    if KEYWORDS.contains(&name) {
        return Err(format!(
            "`{name}` is a word of the language, and the task's file is named like it"
        ));
    }
    Ok(())
}

/// The words of Rust and Python that no module can be named.
const KEYWORDS: [&str; 58] = [
    "abstract", "and", "as", "assert", "async", "await", "become", "box", "break", "class",
    "const", "continue", "crate", "def", "del", "do", "dyn", "elif", "else", "enum", "except",
    "extern", "false", "final", "finally", "fn", "for", "from", "gen", "global", "if", "impl",
    "import", "in", "is", "lambda", "let", "loop", "macro", "match", "mod", "move", "mut",
    "nonlocal", "not", "or", "pass", "priv", "pub", "raise", "ref", "return", "static", "struct",
    "try", "type", "use", "while",
];

fn check_key(key: &str, before: &[&str]) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) || !key.bytes().all(fits) {
        return Err(format!("`{key}` cannot name an environment variable"));
    }
    if RESERVED.contains(&key) {
        return Err(format!(
            "{key} is set for every task and cannot be set here"
        ));
    }
    if before.contains(&key) {
        return Err(format!("{key} is there twice"));
    }
    Ok(())
}

fn is_secret_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/_.-".contains(&b);
    text.starts_with("arn:aws")
        || (text.starts_with('/') && text.len() > 1 && text.bytes().all(fits))
}

#[cfg(test)]
mod tests;
