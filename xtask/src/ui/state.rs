//! What a reporter knows so far, and where each event goes.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::event::{Event, Place, SCHEMA, Stamped, Subject};
use super::gate::Safe;
use super::screen::{Outputs, Screen, Stream, Surroundings};
use super::summary::Summary;
use super::task_log::{self, LogLine};
use super::timeline::{self, Timeline};
use super::{Json, Options, Step, github_log};
use crate::failure;
use crate::outcome::Verdict;
use crate::record::recorder::Recorder;

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
    recorder: Option<Recorder>,
    /// A step has failed; the ones that stop after it were given up.
    failed: bool,
    ended: bool,
    last_progress: Duration,
}

impl State {
    pub fn new(options: Options, surroundings: Surroundings, outputs: Outputs) -> Self {
        State {
            options,
            surroundings,
            screen: Screen::new(surroundings, outputs),
            timeline: Timeline::default(),
            since: Instant::now(),
            started_at: SystemTime::now(),
            spans: 0,
            verdict: None,
            recorder: None,
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

    pub fn begun(&mut self, subject: Subject, place: Place, record: Option<(&Path, String)>) {
        if let Some((runs, run)) = record {
            let started = Recorder::start(runs, &run);
            self.recorder = self.recorded(started);
        }
        self.emit(Event::Begun {
            schema: SCHEMA,
            subject,
            run: self.run(),
            place,
        });
    }

    /// The record's name, when one is kept.
    pub fn run(&self) -> Option<String> {
        self.recorder.as_ref().map(|recorder| recorder.run.clone())
    }

    /// Another loop of the same command: its times, steps and verdict are its own.
    pub fn begin_again(&mut self, record: Option<(&Path, String)>) {
        let before = std::mem::take(&mut self.timeline);
        self.since = Instant::now();
        self.started_at = SystemTime::now();
        self.failed = false;
        self.begun(before.subject, before.place, record);
    }

    pub fn is_cancellable(&self) -> bool {
        !self.timeline.has_seen(Step::Apply) && !self.timeline.has_seen(Step::Launch)
    }

    /// A record that cannot be written is no reason to fail; it is said once.
    fn recorded<T>(&mut self, written: std::io::Result<T>) -> Option<T> {
        written
            .map_err(|error| {
                self.recorder = None;
                let text = format!("warning: no record of this run is kept: {error}\n");
                self.screen.stderr(Safe::words(&text));
            })
            .ok()
    }

    pub fn verdict(&mut self, verdict: &Verdict) {
        self.emit(Event::Text {
            text: verdict.render(self.timeline.place.engine),
        });
        self.verdict = Some(verdict.clone());
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
        if let Some(recorder) = &mut self.recorder {
            let flushed = recorder.flush();
            self.recorded(flushed);
        }
        self.screen.tick(&self.timeline, self.since.elapsed());
    }

    pub fn task_line(&mut self, line: &LogLine<'_>) {
        let at = self.since.elapsed();
        self.timeline.log_lines += 1;
        if self.options.json == Json::Events || self.recorder.is_some() {
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
        self.screen.line(stream, shown, &self.timeline, at);
    }

    pub fn result(&mut self, value: Value, text: &str) {
        self.emit(Event::Result { value });
        if self.options.json == Json::No {
            let at = self.since.elapsed();
            let text = Safe::words(text);
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
        let code = self.end_loop(outcome);
        self.ended = true;
        code
    }

    /// The error, the summary, the document, the record.
    pub fn end_loop(&mut self, outcome: anyhow::Result<u8>) -> u8 {
        let (code, error) = match outcome {
            Ok(code) => (code, None),
            Err(error) => (failure::exit_code(&error), Some(error)),
        };
        if let Some(error) = &error {
            self.show_error(error);
        }
        let summary = self.summary(code, error.as_ref());
        // A command of one or two steps has no time to account for.
        if summary.steps_run() > 2 {
            self.screen.stderr(Safe::words(&summary.render()));
        }
        self.close_loop(summary);
        code
    }

    /// What stops from now on was given up; it has not failed.
    pub fn giving_up(&mut self) {
        self.failed = true;
    }

    /// The end of a loop that was given up: the record says why, and there is nothing to account for.
    pub fn end_given_up(&mut self, why: &anyhow::Error) {
        let summary = self.summary(failure::exit_code(why), Some(why));
        self.close_loop(summary);
    }

    fn summary(&mut self, code: u8, error: Option<&anyhow::Error>) -> Summary {
        Summary::new(
            &self.timeline,
            humantime::format_rfc3339_millis(self.started_at).to_string(),
            self.since.elapsed(),
            code,
            self.verdict.take(),
            error,
        )
    }

    fn close_loop(&mut self, summary: Summary) {
        let at = summary.took;
        let dry = summary.exit_code == 0 && summary.steps_run() < 2;
        let document = serde_json::to_string_pretty(&summary).unwrap_or_default();
        if self.options.json == Json::Document {
            self.screen.close();
            self.screen
                .line(Stream::Stdout, Safe::json(&document), &self.timeline, at);
        }
        self.tell(
            at,
            &Event::Ended {
                summary: Box::new(summary),
            },
        );
        self.screen.close();
        if let Some(recorder) = self.recorder.take() {
            let ended = if dry {
                recorder.discard()
            } else {
                recorder.end(&document)
            };
            self.recorded(ended);
        }
    }

    fn show_error(&mut self, error: &anyhow::Error) {
        let mut text = failure::render(error);
        let failed = self.timeline.spans.iter();
        let failed = failed.filter(|span| span.state == timeline::State::Failed);
        let files = failed.filter_map(|span| self.recorder.as_ref()?.output_file(span.step));
        for file in files {
            text.push_str(&format!("\nall of its output: {}\n", file.display()));
        }
        let shown = self.screen.quoted(&text);
        self.screen.stderr(shown);
        if self.screen.is_github() {
            self.screen.stderr(github_log::error(&text));
        }
    }

    /// To those who read events: `--json=events` and the record.
    fn tell(&mut self, at: Duration, event: &Event) {
        let to_stdout = self.options.json == Json::Events;
        if !to_stdout && self.recorder.is_none() {
            return;
        }
        let stamped = Stamped {
            time: humantime::format_rfc3339_millis(self.started_at + at).to_string(),
            at,
            event,
        };
        let line = stamped.line();
        if let Some(recorder) = &mut self.recorder {
            let written = match event {
                Event::Log { .. } => recorder.log(&line),
                Event::Output { step, line } => recorder.output(*step, line),
                _ => recorder.event(&line),
            };
            self.recorded(written);
        }
        if to_stdout {
            let line = Safe::json(&line);
            self.screen.line(Stream::Stdout, line, &self.timeline, at);
        }
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
