//! What is written about tasks, side by side: entrypoints in the sources, definitions, schedules and
//! triggers in Terraform. Text in, values and new text out; nothing here touches a file.

pub mod entrypoints;
pub mod expression;
pub mod fargate;
pub mod findings;
pub mod hcl;
pub mod local_env;
pub mod new_task;
pub mod render;
pub mod terraform;
pub mod workflow_paths;

use std::path::PathBuf;

/// Where something is written: the file, relative to the repository, and its line from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: PathBuf,
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A function that can be a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrypoint {
    pub name: String,
    pub place: Place,
}

/// An entry of `locals.tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    pub place: Place,
    /// None when it is not a plain list of strings, or not there.
    pub command: Option<Vec<String>>,
    /// CPU units and MiB as they are written; None when left out or computed.
    pub cpu: Option<u32>,
    pub memory: Option<u32>,
    pub env: Vec<EnvEntry>,
}

/// One environment variable of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvEntry {
    pub name: String,
    pub value: EnvValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// The text itself.
    Plain(String),
    /// An expression that only Terraform can evaluate.
    Computed(String),
    /// The name or ARN of a secret, or the expression that gives it.
    Secret(String),
}

/// A module that starts a task at a time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub module: String,
    pub place: Place,
    /// None when the module does not name a task in a way that can be read here.
    pub task: Option<String>,
    pub expression: Option<String>,
    pub timezone: Option<String>,
    pub enabled: bool,
}

/// A module that starts a task for each new object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    pub module: String,
    pub place: Place,
    pub task: Option<String>,
    /// The bucket as it is written, often an expression.
    pub bucket: String,
    pub prefix: String,
    pub suffix: String,
    pub enabled: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    pub entrypoints: Vec<Entrypoint>,
    /// None when `tasks` is not a plain map (a `merge(…)`), so that only Terraform can tell.
    pub definitions: Option<Vec<Definition>>,
    pub schedules: Vec<Schedule>,
    pub triggers: Vec<Trigger>,
}
