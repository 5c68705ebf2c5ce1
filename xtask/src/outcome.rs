//! How a run ended, as a value: for people, for JSON, and as the process's exit code.

use serde::Serialize;

use crate::sandbox::engine::Engine;

/// Exit codes of our own that are not a task's. 125, 126 and 130 are in `failure.rs`.
pub mod exit {
    /// The task exited 0, but its image is not the one that was pushed.
    pub const DIGEST_DIFFERS: u8 = 120;
    /// The task stopped without an exit code: it never started, or the platform took it away.
    pub const NO_EXIT_CODE: u8 = 121;
    /// The user left a task that goes on running.
    pub const DETACHED: u8 = 122;
    /// `--timeout` was over before the task ended, whether it was stopped or left running.
    pub const TIMED_OUT: u8 = 124;
    /// The task was stopped because the user interrupted.
    pub const INTERRUPTED: u8 = 130;
}

/// Where the fault lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The task's own program, its definition or its settings.
    Task,
    /// This tool or what it deployed.
    Tool,
    /// AWS.
    Platform,
}

/// What a stopped task means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// One sentence.
    pub happened: String,
    pub why: Option<String>,
    pub fix: Option<String>,
    /// None when nothing is wrong.
    pub origin: Option<Origin>,
    pub exit_code: u8,
    /// What ECS said, word for word.
    pub raw: Vec<String>,
}

impl Verdict {
    /// Adds what is worth knowing beside the outcome.
    pub fn also(&mut self, text: &str) {
        let why = self.why.get_or_insert_default();
        if !why.is_empty() {
            why.push('\n');
        }
        why.push_str(text);
    }

    /// What stands before it.
    pub fn sign(&self) -> &'static str {
        if self.exit_code == 0 && self.origin.is_none() {
            "✓"
        } else {
            "✗"
        }
    }

    /// The text under a run; a success is one line. `engine` is what ran it, in the sandbox: said
    /// unless it is Docker, which runs containers as Fargate does.
    pub fn render(&self, engine: Option<Engine>) -> String {
        let mut text = format!("{} {}\n", self.sign(), self.happened);
        let mut line = |name: &str, value: &str| {
            let indented = value.trim_end().replace('\n', "\n          ");
            text.push_str(&format!("  {name:<7} {indented}\n"));
        };
        if let Some(why) = &self.why {
            line("why:", why);
        }
        if let Some(fix) = &self.fix {
            line("hint:", fix);
        }
        if engine == Some(Engine::Process) {
            line("engine:", "process (without Docker)");
        }
        if self.exit_code != 0 || self.origin.is_some() {
            for raw in &self.raw {
                line("ECS:", raw);
            }
        }
        text
    }
}
