//! What steps report, as values. The schema of `--json=events` and of a record's `events.jsonl`.
//!
//! docs/json.md describes every field; a change that a reader would notice raises [`SCHEMA`].

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Step;
use super::summary::Summary;
use crate::sandbox::engine::Engine;

/// The version of the schema. Fields may be added under the same number, never taken away.
pub const SCHEMA: u32 = 2;

/// A step that is going to happen, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    pub step: Step,
    #[serde(flatten)]
    pub decision: Decision,
    /// What must have ended before.
    pub after: Vec<Step>,
}

/// What is known of a step before it, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", content = "why", rename_all = "snake_case")]
pub enum Decision {
    Run(String),
    Skip(String),
    /// Only a tool can tell, or the step before: it is asked, and the step is done or skipped.
    Ask(String),
}

impl Decision {
    pub fn name(&self) -> &'static str {
        match self {
            Decision::Run(_) => "run",
            Decision::Skip(_) => "skip",
            Decision::Ask(_) => "ask",
        }
    }

    pub fn why(&self) -> &str {
        match self {
            Decision::Run(why) | Decision::Skip(why) | Decision::Ask(why) => why,
        }
    }

    pub fn is_skip(&self) -> bool {
        matches!(self, Decision::Skip(_))
    }
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The command as it is typed: `sandbox up`.
    pub command: String,
    /// The task's name, for a command about one.
    #[serde(rename = "task_name")]
    pub task: Option<String>,
}

/// Where it happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    pub environment: String,
    pub aws_account_id: String,
    pub region: String,
    pub sandbox: bool,
    /// What runs the sandbox's tasks; None on AWS, and until the sandbox is up.
    pub engine: Option<Engine>,
    /// `owner/name` on GitHub, and the workflows that deploy there.
    pub github_repository: String,
    pub auto_deploy_workflows: Vec<String>,
}

/// A task on ECS as it was last seen. Times are RFC 3339; None is a point that it has not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskSeen {
    pub arn: String,
    pub cluster: String,
    pub status: String,
    pub log_group: Option<String>,
    pub log_stream: Option<String>,
    pub created_at: Option<String>,
    pub pull_started_at: Option<String>,
    pub pull_stopped_at: Option<String>,
    pub started_at: Option<String>,
    pub stopping_at: Option<String>,
    pub stopped_at: Option<String>,
}

impl TaskSeen {
    pub fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }
}

/// One thing that happened. `span` tells apart two runs of the same step.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Begun {
        schema: u32,
        #[serde(flatten)]
        subject: Subject,
        run: Option<String>,
        #[serde(flatten)]
        place: Place,
    },
    /// The sandbox answers.
    Sandbox {
        engine: Engine,
    },
    Planned {
        steps: Vec<PlannedStep>,
    },
    StepStarted {
        span: u32,
        step: Step,
        what: String,
    },
    StepDetail {
        step: Step,
        what: String,
    },
    StepProgress {
        step: Step,
        done: u64,
        total: Option<u64>,
        what: String,
    },
    StepFinished {
        span: u32,
        step: Step,
        what: String,
        #[serde(rename = "took_ms", serialize_with = "milliseconds")]
        took: Duration,
    },
    /// It ended without a result: it failed, or it was given up since another step failed.
    StepFailed {
        span: u32,
        step: Step,
        cancelled: bool,
        #[serde(rename = "took_ms", serialize_with = "milliseconds")]
        took: Duration,
    },
    StepSkipped {
        step: Step,
        why: String,
    },
    Warning {
        step: Step,
        what: String,
    },
    /// A command that is about to run.
    Command {
        command: String,
    },
    /// A line that a child of the step printed.
    Output {
        step: Step,
        line: String,
    },
    /// A block of text for people.
    Text {
        text: String,
    },
    /// A line of the task's log, as it came.
    Log {
        #[serde(skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        message: String,
    },
    Task(TaskSeen),
    Result {
        value: Value,
    },
    Ended {
        summary: Box<Summary>,
    },
}

/// An event with its time: RFC 3339, and milliseconds since the command began.
#[derive(Serialize)]
pub struct Stamped<'a> {
    pub time: String,
    #[serde(rename = "at_ms", serialize_with = "milliseconds")]
    pub at: Duration,
    #[serde(flatten)]
    pub event: &'a Event,
}

impl Stamped<'_> {
    /// One line of JSON, without its line feed.
    pub fn line(&self) -> String {
        // The event is made of strings and numbers; there is nothing that could not be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

pub fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json() {
        let event = Event::StepFinished {
            span: 3,
            step: Step::Build,
            what: "a\nb".into(),
            took: Duration::from_millis(1500),
        };
        let stamped = Stamped {
            time: "2026-01-02T03:04:05.678Z".into(),
            at: Duration::from_secs(2),
            event: &event,
        };
        assert_eq!(
            stamped.line(),
            r#"{"time":"2026-01-02T03:04:05.678Z","at_ms":2000,"event":"step_finished","span":3,"step":"build","what":"a\nb","took_ms":1500}"#
        );
    }
}
