//! How a command ended, as one value: the document of `--json`, and the last lines for people. Pure.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::event::{Place, PlannedStep, SCHEMA, Subject, TaskSeen, milliseconds};
use super::timeline::{Span, State, Timeline, Warning};
use super::{Step, seconds};
use crate::failure::{Kind, Problem, Problems};
use crate::outcome::Verdict;

/// A link, or where else to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    pub name: &'static str,
    pub url: String,
}

/// What the tool itself could not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorDocument {
    pub kind: &'static str,
    pub message: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub schema: u32,
    #[serde(flatten)]
    pub subject: Subject,
    /// The record's name, when one was kept.
    pub run: Option<String>,
    #[serde(flatten)]
    pub place: Place,
    pub started_at: String,
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
    pub exit_code: u8,
    pub result: Option<Value>,
    pub verdict: Option<Verdict>,
    pub errors: Vec<ErrorDocument>,
    pub warnings: Vec<Warning>,
    pub plan: Vec<PlannedStep>,
    pub steps: Vec<Span>,
    pub task: Option<TaskSeen>,
    pub log_lines: u64,
    pub links: Vec<Link>,
}

impl Summary {
    pub fn new(
        timeline: &Timeline,
        started_at: String,
        took: Duration,
        exit_code: u8,
        verdict: Option<Verdict>,
        error: Option<&anyhow::Error>,
    ) -> Self {
        Summary {
            schema: SCHEMA,
            subject: timeline.subject.clone(),
            run: timeline.run.clone(),
            place: timeline.place.clone(),
            started_at,
            took,
            exit_code,
            result: timeline.result.clone(),
            verdict,
            errors: error.map(errors_of).unwrap_or_default(),
            warnings: timeline.warnings.clone(),
            plan: timeline.planned.clone(),
            steps: timeline.spans.clone(),
            task: timeline.task.clone(),
            log_lines: timeline.log_lines,
            links: links(timeline),
        }
    }

    /// How many steps were more than skipped.
    pub fn steps_run(&self) -> usize {
        let spans = self.steps.iter();
        spans.filter(|span| span.state != State::Skipped).count()
    }

    /// The last lines: where the time went, what was skipped and why, where to look further.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<8}  {value}\n"));
        let spans = self
            .steps
            .iter()
            .filter(|span| span.state != State::Skipped);
        let worth_it = spans.filter(|span| span.took >= Duration::from_millis(50));
        let times: Vec<String> = worth_it
            .map(|span| format!("{} {}", span.step.name(), seconds(span.took)))
            .collect();
        line(
            "time",
            &format!("{} in all: {}", seconds(self.took), times.join(", ")),
        );
        for span in self
            .steps
            .iter()
            .filter(|span| span.state == State::Skipped)
        {
            line("skipped", &format!("{}: {}", span.step.name(), span.what));
        }
        for link in &self.links {
            line(link.name, &link.url);
        }
        text
    }
}

pub fn errors_of(error: &anyhow::Error) -> Vec<ErrorDocument> {
    let document = |problem: &Problem| ErrorDocument {
        kind: kind_name(problem.kind),
        message: problem.message.clone(),
        causes: Vec::new(),
        hint: problem.hint.clone(),
    };
    if let Some(problems) = error.downcast_ref::<Problems>() {
        return problems.0.iter().map(document).collect();
    }
    let problem = error.downcast_ref::<Problem>();
    vec![ErrorDocument {
        kind: kind_name(problem.map_or(Kind::Failed, |problem| problem.kind)),
        message: error.to_string(),
        causes: error.chain().skip(1).map(ToString::to_string).collect(),
        hint: problem.and_then(|problem| problem.hint.clone()),
    }]
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "failed",
        Kind::Refused => "refused",
        Kind::Interrupted => "interrupted",
        Kind::Usage => "usage",
        Kind::Detached => "detached",
        Kind::TimedOut => "timed_out",
    }
}

/// Where people look next. The sandbox has no console.
fn links(timeline: &Timeline) -> Vec<Link> {
    let place = &timeline.place;
    let mut links = Vec::new();
    let mut link = |name: &'static str, url: String| links.push(Link { name, url });
    let region = &place.region;
    if let Some(task) = timeline.task.as_ref().filter(|_| !place.sandbox) {
        link(
            "ECS",
            format!(
                "https://{region}.console.aws.amazon.com/ecs/v2/clusters/{}/tasks/{}/configuration?region={region}",
                task.cluster,
                task.id()
            ),
        );
        if let Some(group) = &task.log_group {
            let stream = task.log_stream.as_ref();
            let stream = stream.map(|stream| format!("/log-events/{}", console_part(stream)));
            link(
                "logs",
                format!(
                    "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{}{}",
                    console_part(group),
                    stream.unwrap_or_default()
                ),
            );
        }
    }
    let deployed = timeline.has_seen(Step::Pause) || timeline.has_seen(Step::Apply);
    if deployed && !place.sandbox {
        for workflow in &place.auto_deploy_workflows {
            link(
                "workflow",
                format!(
                    "https://github.com/{}/actions/workflows/{workflow}",
                    place.github_repository
                ),
            );
        }
    }
    if let Some(run) = &timeline.run {
        link("record", format!("cargo xtask report {run}"));
    }
    links
}

/// CloudWatch's console wants names percent-encoded twice, with `$` for the `%` of the second time.
fn console_part(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("$25{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consoles_way_of_writing_names() {
        assert_eq!(
            console_part("service/api-test/ecs-tasks"),
            "service$252Fapi-test$252Fecs-tasks"
        );
    }

    #[test]
    fn the_summary_says_where_the_time_went_and_what_was_skipped() {
        let span = |step, state, what: &str, took| Span {
            id: 0,
            step,
            state,
            what: what.into(),
            start: Duration::ZERO,
            took: Duration::from_millis(took),
            progress: None,
        };
        let timeline = Timeline {
            run: Some("20260102-030405-abc".into()),
            place: Place {
                region: "eu-west-1".into(),
                github_repository: "o/r".into(),
                auto_deploy_workflows: vec!["a.yml".into()],
                ..Place::default()
            },
            spans: vec![
                span(Step::Check, State::Done, "", 400),
                span(Step::Build, State::Skipped, "is in ECR", 0),
                span(Step::Apply, State::Done, "", 12_000),
            ],
            task: Some(TaskSeen {
                arn: "arn:aws:ecs:x:1:task/api-test/0f9".into(),
                cluster: "api-test".into(),
                log_group: Some("g/x".into()),
                log_stream: Some("t/t/0f9".into()),
                ..TaskSeen::default()
            }),
            ..Timeline::default()
        };
        let took = Duration::from_secs(13);
        let summary = Summary::new(&timeline, String::new(), took, 0, None, None);
        assert_eq!(
            summary.render(),
            "  time      13 s in all: check 0.4 s, apply 12 s
  skipped   build: is in ECR
  ECS       https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/api-test/tasks/0f9/configuration?region=eu-west-1
  logs      https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/g$252Fx/log-events/t$252Ft$252F0f9
  workflow  https://github.com/o/r/actions/workflows/a.yml
  record    cargo xtask report 20260102-030405-abc
"
        );
    }
}
