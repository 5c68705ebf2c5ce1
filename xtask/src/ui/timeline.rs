//! The state of a loop, grown from its events. The live view, the summary and the JSON read it. Pure.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::Step;
use super::event::{Event, Place, PlannedStep, Subject, TaskSeen, milliseconds};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Running,
    Done,
    Skipped,
    Failed,
    /// Given up, since something else failed or the user interrupted.
    Cancelled,
}

/// How far a step is, when it can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: Option<u64>,
}

/// One run of a step. Times count from the beginning of the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    #[serde(skip)]
    pub id: u32,
    pub step: Step,
    pub state: State,
    /// Its last words.
    pub what: String,
    #[serde(rename = "start_ms", serialize_with = "milliseconds")]
    pub start: Duration,
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
    #[serde(skip)]
    pub progress: Option<Progress>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub step: Step,
    pub what: String,
}

#[derive(Debug, Clone, Default)]
pub struct Timeline {
    pub subject: Subject,
    pub run: Option<String>,
    pub place: Place,
    pub planned: Vec<PlannedStep>,
    pub spans: Vec<Span>,
    pub warnings: Vec<Warning>,
    pub task: Option<TaskSeen>,
    pub result: Option<Value>,
    pub log_lines: u64,
}

impl Timeline {
    pub fn apply(&mut self, at: Duration, event: &Event) {
        match event {
            Event::Begun {
                subject,
                run,
                place,
                ..
            } => {
                self.subject.clone_from(subject);
                self.run.clone_from(run);
                self.place.clone_from(place);
            }
            Event::Sandbox { engine } => self.place.engine = Some(*engine),
            Event::Planned { steps } => self.planned.clone_from(steps),
            Event::StepStarted { span, step, what } => self.spans.push(Span {
                id: *span,
                step: *step,
                state: State::Running,
                what: what.clone(),
                start: at,
                took: Duration::ZERO,
                progress: None,
            }),
            Event::StepDetail { step, what } => {
                if let Some(span) = self.running(*step) {
                    span.what.clone_from(what);
                }
            }
            Event::StepProgress {
                step,
                done,
                total,
                what,
            } => {
                if let Some(span) = self.running(*step) {
                    span.what.clone_from(what);
                    span.progress = Some(Progress {
                        done: *done,
                        total: *total,
                    });
                }
            }
            Event::StepFinished {
                span, what, took, ..
            } => {
                self.end(*span, State::Done, *took);
                if let Some(span) = self.by_id(*span) {
                    span.what.clone_from(what);
                }
            }
            Event::StepFailed {
                span,
                cancelled,
                took,
                ..
            } => {
                let state = if *cancelled {
                    State::Cancelled
                } else {
                    State::Failed
                };
                self.end(*span, state, *took);
            }
            Event::StepSkipped { step, why } => self.spans.push(Span {
                id: 0,
                step: *step,
                state: State::Skipped,
                what: why.clone(),
                start: at,
                took: Duration::ZERO,
                progress: None,
            }),
            Event::Warning { step, what } => self.warnings.push(Warning {
                step: *step,
                what: what.clone(),
            }),
            Event::Task(task) => self.task = Some(task.clone()),
            Event::Result { value } => self.add_result(value),
            Event::Log { .. } => self.log_lines += 1,
            Event::Command { .. }
            | Event::Output { .. }
            | Event::Text { .. }
            | Event::Ended { .. } => {}
        }
    }

    /// The step's latest span that still runs.
    pub fn running(&mut self, step: Step) -> Option<&mut Span> {
        let mut spans = self.spans.iter_mut().rev();
        spans.find(|span| span.step == step && span.state == State::Running)
    }

    pub fn is_running(&self, step: Step) -> bool {
        let mut spans = self.spans.iter();
        spans.any(|span| span.step == step && span.state == State::Running)
    }

    pub fn is_span_running(&self, id: u32) -> bool {
        let mut spans = self.spans.iter();
        spans.any(|span| span.id == id && span.state == State::Running)
    }

    /// Has this step begun, or been skipped?
    pub fn has_seen(&self, step: Step) -> bool {
        self.spans.iter().any(|span| span.step == step)
    }

    /// Planned steps that have not begun, each with what it still waits for.
    pub fn waiting(&self) -> Vec<(Step, Vec<Step>)> {
        let ended = |step: &Step| {
            self.has_seen(*step)
                && self
                    .spans
                    .iter()
                    .all(|span| span.step != *step || span.state != State::Running)
        };
        let skipped = |step: &Step| {
            self.planned
                .iter()
                .any(|planned| planned.step == *step && planned.decision.is_skip())
        };
        self.planned
            .iter()
            .filter(|planned| !planned.decision.is_skip() && !self.has_seen(planned.step))
            .map(|planned| {
                let after = planned.after.iter().copied();
                let open = after
                    .filter(|step| !ended(step) && !skipped(step))
                    .collect();
                (planned.step, open)
            })
            .collect()
    }

    fn by_id(&mut self, id: u32) -> Option<&mut Span> {
        self.spans.iter_mut().find(|span| span.id == id)
    }

    fn end(&mut self, id: u32, state: State, took: Duration) {
        if let Some(span) = self.by_id(id) {
            span.state = state;
            span.took = took;
            span.progress = None;
        }
    }

    /// Several lines of text are one text; a value that is more than text stands alone.
    fn add_result(&mut self, value: &Value) {
        self.result = Some(match (self.result.take(), value) {
            (Some(Value::String(before)), Value::String(line)) => {
                Value::String(format!("{before}\n{line}"))
            }
            _ => value.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::event::Decision;

    fn planned(step: Step, runs: bool, after: &[Step]) -> PlannedStep {
        let decision = match runs {
            true => Decision::Run(String::new()),
            false => Decision::Skip(String::new()),
        };
        PlannedStep {
            step,
            decision,
            after: after.to_vec(),
        }
    }

    fn started(span: u32, step: Step) -> Event {
        Event::StepStarted {
            span,
            step,
            what: "w".into(),
        }
    }

    #[test]
    fn a_step_waits_for_what_has_not_ended() {
        let mut timeline = Timeline::default();
        let at = Duration::ZERO;
        timeline.apply(
            at,
            &Event::Planned {
                steps: vec![
                    planned(Step::Build, true, &[]),
                    planned(Step::Push, false, &[Step::Build]),
                    planned(Step::Plan, true, &[]),
                    planned(Step::Apply, true, &[Step::Push, Step::Plan]),
                    planned(Step::Launch, true, &[Step::Apply]),
                ],
            },
        );
        timeline.apply(at, &started(1, Step::Build));
        timeline.apply(at, &started(2, Step::Plan));
        assert_eq!(
            timeline.waiting(),
            [
                (Step::Apply, vec![Step::Plan]),
                (Step::Launch, vec![Step::Apply])
            ]
        );
        let took = Duration::from_secs(1);
        timeline.apply(
            at,
            &Event::StepFinished {
                span: 2,
                step: Step::Plan,
                what: "ok".into(),
                took,
            },
        );
        assert_eq!(timeline.waiting()[0], (Step::Apply, vec![]));
        assert_eq!(timeline.spans[1].state, State::Done);
        assert_eq!(timeline.spans[1].what, "ok");
    }

    #[test]
    fn lines_of_a_result_become_one_text() {
        let mut timeline = Timeline::default();
        for line in ["a", "b"] {
            timeline.apply(Duration::ZERO, &Event::Result { value: line.into() });
        }
        assert_eq!(timeline.result, Some("a\nb".into()));
    }
}
