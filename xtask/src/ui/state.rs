//! What a reporter knows so far, and where each event goes.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::event::{Event, Place, SCHEMA, Stamped};
use super::screen::{Screen, Stream, Surroundings};
use super::summary::Summary;
use super::task_log::{self, LogLine};
use super::timeline::{self, Timeline};
use super::{Json, Options, Step, github_log};
use crate::failure;
use crate::outcome::Verdict;

/// Progress comes in bursts; the JSON and the record take one in so much time.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

pub struct State {
    options: Options,
    surroundings: Surroundings,
    screen: Screen,
    timeline: Timeline,
    since: Instant,
    started_at: SystemTime,
    spans: u32,
    verdict: Option<Verdict>,
    /// A step has failed; the ones that stop after it were given up.
    failed: bool,
    ended: bool,
    last_progress: Duration,
}

impl State {
    pub fn new(options: Options, surroundings: Surroundings) -> Self {
        State {
            options,
            surroundings,
            screen: Screen::new(surroundings),
            timeline: Timeline::default(),
            since: Instant::now(),
            started_at: SystemTime::now(),
            spans: 0,
            verdict: None,
            failed: false,
            ended: false,
            last_progress: Duration::ZERO,
        }
    }

    pub fn next_span(&mut self) -> u32 {
        self.spans += 1;
        self.spans
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    pub fn begun(&mut self, command: &str, place: Place) {
        self.emit(Event::Begun {
            schema: SCHEMA,
            command: command.to_owned(),
            run: None,
            place,
        });
    }

    pub fn set_verdict(&mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
    }

    /// Every event goes through here.
    pub fn emit(&mut self, event: Event) {
        let at = self.since.elapsed();
        self.timeline.apply(at, &event);
        if !matches!(event, Event::StepProgress { .. }) || self.is_worth_telling(at) {
            self.tell(at, &event);
        }
        let clock = clock(SystemTime::now());
        self.screen.show(&event, &self.timeline, at, &clock);
    }

    pub fn tick(&mut self) {
        self.screen.tick(&self.timeline, self.since.elapsed());
    }

    pub fn task_line(&mut self, line: &LogLine<'_>) {
        let at = self.since.elapsed();
        self.timeline.log_lines += 1;
        if self.tells() {
            let event = Event::Log {
                container: line.container.map(str::to_owned),
                message: line.message.to_owned(),
            };
            self.tell(at, &event);
        }
        let stream = match self.options.json {
            Json::No => Stream::Stdout,
            Json::Document => Stream::Stderr,
            Json::Events => return,
        };
        let color = match stream {
            Stream::Stdout => self.surroundings.color_stdout,
            Stream::Stderr => self.surroundings.color_stderr,
        };
        let shown = if self.options.raw_logs {
            task_log::raw(line)
        } else {
            task_log::readable(line, color)
        };
        self.screen.line(stream, &shown, &self.timeline, at);
    }

    pub fn result(&mut self, value: Value, text: &str) {
        self.emit(Event::Result { value });
        if self.options.json == Json::No {
            let at = self.since.elapsed();
            self.screen.line(Stream::Stdout, text, &self.timeline, at);
        }
    }

    pub fn begin_question(&mut self, question: &str) {
        self.screen.begin_question(question);
    }

    pub fn end_question(&mut self) {
        self.screen.end_question();
    }

    /// A step's timer went away; unless the step has ended, it has no result.
    pub fn dropped(&mut self, span: u32, step: Step, took: Duration) {
        if self.ended || !self.timeline.is_span_running(span) {
            return;
        }
        let cancelled = std::mem::replace(&mut self.failed, true);
        self.emit(Event::StepFailed {
            span,
            step,
            cancelled,
            took,
        });
    }

    pub fn end(&mut self, outcome: anyhow::Result<u8>) -> u8 {
        let (code, error) = match outcome {
            Ok(code) => (code, None),
            Err(error) => (failure::exit_code(&error), Some(error)),
        };
        if let Some(error) = &error {
            let text = failure::render(error);
            self.screen.stderr(&text);
            if self.screen.is_github() {
                self.screen.stderr(&github_log::error(&text));
            }
        }
        let summary = Summary::new(
            &self.timeline,
            humantime::format_rfc3339_millis(self.started_at).to_string(),
            self.since.elapsed(),
            code,
            self.verdict.take(),
            error.as_ref(),
        );
        // A command of one or two steps has no time to account for.
        let spans = summary.steps.iter();
        let ran = spans.filter(|span| span.state != timeline::State::Skipped);
        if ran.count() > 2 {
            self.screen.stderr(&summary.render());
        }
        if self.options.json == Json::Document {
            let document = serde_json::to_string_pretty(&summary).unwrap_or_default();
            self.screen.close();
            let at = self.since.elapsed();
            self.screen
                .line(Stream::Stdout, &document, &self.timeline, at);
        }
        let at = self.since.elapsed();
        self.tell(
            at,
            &Event::Ended {
                summary: Box::new(summary),
            },
        );
        self.screen.close();
        self.ended = true;
        code
    }

    fn tells(&self) -> bool {
        self.options.json == Json::Events
    }

    /// To those who read events: `--json=events` and the record.
    fn tell(&mut self, at: Duration, event: &Event) {
        if !self.tells() {
            return;
        }
        let stamped = Stamped {
            time: humantime::format_rfc3339_millis(self.started_at + at).to_string(),
            at,
            event,
        };
        self.screen
            .line(Stream::Stdout, &stamped.line(), &self.timeline, at);
    }

    fn is_worth_telling(&mut self, at: Duration) -> bool {
        let enough = at.saturating_sub(self.last_progress) >= PROGRESS_EVERY;
        if enough {
            self.last_progress = at;
        }
        enough
    }
}

/// The time of day, in UTC as every log says it: `03:04:05Z`.
fn clock(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.split('T').nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(3 * 3600 + 4 * 60 + 5);
        assert_eq!(clock(time), "03:04:05Z");
    }
}
