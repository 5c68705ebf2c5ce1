//! Everything that is printed goes through the [`Reporter`]; steps report, this decides what is shown.
//!
//! A report becomes an [`event::Event`]; the terminal's view, the log of a CI job, `--json` and the
//! run's record are made from events alone. stdout carries the result alone (an image reference, a
//! task's log, JSON); progress is on stderr.

pub mod event;
pub mod gate;
mod github_log;
mod lines;
mod live;
pub mod plural;
mod screen;
mod state;
pub mod summary;
pub mod task_log;
pub mod timeline;
mod without_reporter;

use std::fmt::Display;
use std::io::BufRead as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::outcome::Verdict;
use crate::sandbox::engine::Engine;
use event::{Event, Place, PlannedStep, Subject, TaskSeen};
use screen::{Outputs, Surroundings};
use state::State;
use task_log::LogLine;

pub use screen::can_ask;
pub use without_reporter::{last_words, show_usage};

/// How often rows are redrawn and lines are written that have come since.
const TICK: Duration = Duration::from_millis(80);

/// The steps of a loop, in the words of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Sandbox,
    Check,
    Build,
    Push,
    Plan,
    Pause,
    Hold,
    Apply,
    Restore,
    Launch,
    Task,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Step::Sandbox => "sandbox",
            Step::Check => "check",
            Step::Build => "build",
            Step::Push => "push",
            Step::Plan => "plan",
            Step::Pause => "pause",
            Step::Hold => "hold",
            Step::Apply => "apply",
            Step::Restore => "restore",
            Step::Launch => "launch",
            Step::Task => "task",
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What stdout carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Json {
    /// The result, for people and pipes.
    #[default]
    No,
    /// One document, at the end.
    Document,
    /// Every event, a line each.
    Events,
}

/// How the outputs are to be used, from flags.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub raw_logs: bool,
    pub verbose: bool,
    pub json: Json,
    /// None: as the terminal and NO_COLOR say.
    pub color: Option<bool>,
}

/// Cheap to clone: all clones report to the same outputs.
#[derive(Clone)]
pub struct Reporter {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

impl Reporter {
    pub fn new(options: Options) -> Self {
        let surroundings = Surroundings::look(options.color, options.verbose);
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(options, surroundings, Outputs::of_the_process())),
            ended: Condvar::new(),
        });
        // A thread, since a step may block the runtime's only one; it ends with the last reporter.
        let weak = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            while let Some(shared) = weak.upgrade() {
                let state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = shared.ended.wait_timeout(state, TICK);
                let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                if state.has_ended() {
                    return;
                }
                state.tick();
            }
        });
        Reporter { shared }
    }

    pub fn started(&self, step: Step, what: impl Display) -> Timer {
        let mut state = self.state();
        let span = state.next_span();
        let what = what.to_string();
        state.emit(Event::StepStarted { span, step, what });
        Timer {
            reporter: self.clone(),
            span,
            step,
            since: Instant::now(),
        }
    }

    /// One line about a running step.
    pub fn detail(&self, step: Step, what: impl Display) {
        let what = what.to_string();
        self.state().emit(Event::StepDetail { step, what });
    }

    /// How far a running step is: `done` of `total`, when the total is known.
    pub fn progress(&self, step: Step, done: u64, total: Option<u64>, what: impl Display) {
        let what = what.to_string();
        let event = Event::StepProgress {
            step,
            done,
            total,
            what,
        };
        self.state().emit(event);
    }

    pub fn finished(&self, timer: &Timer, what: impl Display) {
        self.state().emit(Event::StepFinished {
            span: timer.span,
            step: timer.step,
            what: what.to_string(),
            took: timer.since.elapsed(),
        });
    }

    pub fn skipped(&self, step: Step, why: impl Display) {
        let why = why.to_string();
        self.state().emit(Event::StepSkipped { step, why });
    }

    pub fn warning(&self, step: Step, what: impl Display) {
        let what = what.to_string();
        self.state().emit(Event::Warning { step, what });
    }

    /// A command that is about to run; people see it with `--verbose` only.
    pub fn command(&self, command: &str) {
        let command = command.to_owned();
        self.state().emit(Event::Command { command });
    }

    /// A line that a step's child printed; people see it with `--verbose` only, the record keeps it.
    pub fn output(&self, step: Step, line: &str) {
        let line = line.to_owned();
        self.state().emit(Event::Output { step, line });
    }

    /// A block of text for people: a plan, a verdict, a hint.
    pub fn text(&self, text: impl Display) {
        let text = text.to_string();
        self.state().emit(Event::Text { text });
    }

    /// What is going to be done. The view shows what waits for what.
    pub fn planned(&self, steps: Vec<PlannedStep>) {
        self.state().emit(Event::Planned { steps });
    }

    /// Where the command works, once the settings are known.
    /// `record` is the folder of all records and the name of this one.
    pub fn begun(&self, subject: Subject, place: Place, record: Option<(&Path, String)>) {
        self.state().begun(subject, place, record);
    }

    /// What runs the tasks of the sandbox that is used.
    pub fn sandbox_is_up(&self, engine: Engine) {
        self.state().emit(Event::Sandbox { engine });
    }

    /// The name of the record that is kept, if one is.
    pub fn run(&self) -> Option<String> {
        self.state().run()
    }

    /// The end of one loop of several; the next one has a record of its own.
    pub fn end_loop(&self, outcome: anyhow::Result<u8>) -> u8 {
        self.state().end_loop(outcome)
    }

    /// What stops from now on was given up for another loop.
    pub fn giving_up(&self) {
        self.state().giving_up();
    }

    /// The end of a loop that was given up.
    pub fn end_given_up(&self, why: &anyhow::Error) {
        self.state().end_given_up(why);
    }

    pub fn begin_again(&self, record: Option<(&Path, String)>) {
        self.state().begin_again(record);
    }

    /// True until the loop changes something that others see.
    pub fn is_cancellable(&self) -> bool {
        self.state().is_cancellable()
    }

    /// A task as ECS describes it now.
    pub fn task_seen(&self, task: TaskSeen) {
        self.state().emit(Event::Task(task));
    }

    /// What the stopped task means.
    pub fn verdict(&self, verdict: &Verdict) {
        self.state().verdict(verdict);
    }

    /// A line of a task's log, on stdout: it is what `run`, `try` and `logs` are for.
    pub fn task_line(&self, line: &LogLine<'_>) {
        self.state().task_line(line);
    }

    /// The result of a command, on stdout.
    pub fn result(&self, text: impl Display) {
        let text = text.to_string();
        self.state().result(Value::String(text.clone()), &text);
    }

    /// A result that is more than text: `text` for people, `value` for `--json`.
    pub fn answer(&self, value: &impl Serialize, text: impl Display) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.state().result(value, &text.to_string());
    }

    /// A result for `--json` alone: people have been told in other words.
    pub fn answer_json(&self, value: &impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.state().emit(Event::Result { value });
    }

    /// Asks on stderr and reads one line of stdin.
    pub fn ask(&self, question: &str) -> std::io::Result<String> {
        self.state().begin_question(question);
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        self.state().end_question();
        read.map(|_| answer)
    }

    /// The end: the error, the summary, the JSON document. Returns the process's exit code.
    pub fn end(&self, outcome: anyhow::Result<u8>) -> u8 {
        let code = self.state().end(outcome);
        self.shared.ended.notify_all();
        code
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running step; [`Reporter::finished`] says how long it took. One that is dropped before that has
/// failed, or was given up.
pub struct Timer {
    reporter: Reporter,
    span: u32,
    step: Step,
    since: Instant,
}

impl Drop for Timer {
    fn drop(&mut self) {
        let took = self.since.elapsed();
        self.reporter.state().dropped(self.span, self.step, took);
    }
}

/// `0.3 s`, `12 s`, `3 min 20 s`.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 119.5 {
        format!("{seconds:.0} s")
    } else {
        format!(
            "{} min {} s",
            duration.as_secs() / 60,
            duration.as_secs() % 60
        )
    }
}

#[cfg(test)]
mod tests;
