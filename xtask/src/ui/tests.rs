//! Whoever wrote the words: nothing but what the gate lets through is written, in any view.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use super::event::Decision;
use super::*;
use crate::failure::Problem;

/// What an attacker would put into a reason, a branch's name or the body of an error.
const NASTY: [&str; 14] = [
    "plain",
    "\x1b]0;title\x07",
    "\x1b[8mhidden",
    "\x1b[41m",
    "\x1b[2J\x1b[H",
    "\x1bc",
    "\u{9b}2J",
    "\r",
    "\n",
    "\n::add-mask::x",
    "\n  ::stop-commands::x",
    "##[add-mask]x",
    "\u{202e}",
    "\u{1}::add-mask::x",
];

/// The sequences of the live view; colours are looked at apart.
const OURS: [&str; 7] = [
    "\x1b[?2026h",
    "\x1b[?2026l",
    "\r\x1b[A",
    "\x1b[A\x1b[2K",
    "\x1b[K",
    "\r\x1b[J",
    "\x1b[0m",
];
const STYLES: [&str; 7] = ["1", "2", "31", "32", "33", "36", "1;4"];

fn nasty() -> String {
    let parts = (0..fastrand::usize(1..5)).map(|_| fastrand::choice(NASTY).unwrap_or_default());
    parts.collect()
}

/// One event of each kind, every text in it nasty.
fn events() -> Vec<Event> {
    let step = Step::Build;
    let took = Duration::from_secs(1);
    let (engine, schema) = (Engine::Docker, event::SCHEMA);
    let planned = PlannedStep {
        step,
        decision: Decision::Run(nasty()),
        after: vec![],
    };
    vec![
        Event::Begun {
            schema,
            subject: Subject {
                command: nasty(),
                task: Some(nasty()),
            },
            run: Some(nasty()),
            place: Place {
                environment: nasty(),
                region: nasty(),
                github_repository: nasty(),
                auto_deploy_workflows: vec![nasty()],
                ..Place::default()
            },
        },
        Event::Sandbox { engine },
        Event::Planned {
            steps: vec![planned],
        },
        Event::StepStarted {
            span: 1,
            step,
            what: nasty(),
        },
        Event::StepDetail {
            step,
            what: nasty(),
        },
        Event::StepProgress {
            step,
            done: 1,
            total: None,
            what: nasty(),
        },
        Event::Output {
            step,
            line: nasty(),
        },
        Event::StepFinished {
            span: 1,
            step,
            what: nasty(),
            took,
        },
        Event::StepFailed {
            span: 2,
            step,
            cancelled: false,
            took,
        },
        Event::StepSkipped { step, why: nasty() },
        Event::Warning {
            step,
            what: nasty(),
        },
        Event::Command { command: nasty() },
        Event::Text { text: nasty() },
        Event::Log {
            container: Some(nasty()),
            message: nasty(),
        },
        Event::Task(TaskSeen {
            arn: nasty(),
            cluster: nasty(),
            log_group: Some(nasty()),
            log_stream: Some(nasty()),
            ..TaskSeen::default()
        }),
        Event::Result {
            value: nasty().into(),
        },
    ]
}

/// A new kind of event does not compile until it stands here, and fails until it is in `events`.
fn kind(event: &Event) -> u8 {
    match event {
        Event::Begun { .. } => 0,
        Event::Sandbox { .. } => 1,
        Event::Planned { .. } => 2,
        Event::StepStarted { .. } => 3,
        Event::StepDetail { .. } => 4,
        Event::StepProgress { .. } => 5,
        Event::Output { .. } => 6,
        Event::StepFinished { .. } => 7,
        Event::StepFailed { .. } => 8,
        Event::StepSkipped { .. } => 9,
        Event::Warning { .. } => 10,
        Event::Command { .. } => 11,
        Event::Text { .. } => 12,
        Event::Log { .. } => 13,
        Event::Task(..) => 14,
        Event::Result { .. } => 15,
        // Made by the state at its end, of all the others.
        Event::Ended { .. } => 16,
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Both outputs of a command that reported all there is to report.
fn shown(options: Options, surroundings: Surroundings) -> (String, String) {
    let (stdout, stderr) = (Written::default(), Written::default());
    let outputs = Outputs {
        stdout: Box::new(stdout.clone()),
        stderr: Box::new(stderr.clone()),
    };
    let mut state = State::new(options, surroundings, outputs);
    for event in events() {
        state.emit(event);
        state.tick();
    }
    let text = nasty();
    state.result(Value::String(text.clone()), &text);
    let json =
        serde_json::json!({"message": nasty(), "level": nasty(), "time": nasty(), "k": nasty()});
    for message in [nasty(), json.to_string()] {
        state.task_line(&LogLine {
            container: Some(&nasty()),
            message: &message,
        });
    }
    state.begin_question(&nasty());
    state.end_question();
    let problem = anyhow::Error::from(Problem::failed(nasty(), nasty()));
    state.end(Err(problem.context(nasty())));
    (stdout.text(), stderr.text())
}

/// Without our own sequences there must be nothing left that drives a terminal.
fn check_terminal(text: &str, surroundings: Surroundings) {
    let mut rest = text.to_owned();
    if surroundings.live {
        for sequence in OURS {
            rest = rest.replace(sequence, "");
        }
    }
    if surroundings.color_stderr {
        for style in STYLES {
            rest = rest.replace(&format!("\x1b[{style}m"), "");
        }
        rest = rest.replace("\x1b[0m", "");
    }
    let bad = rest.chars().find(|c| {
        (c.is_control() && *c != '\n' && *c != '\t') || matches!(c, '\u{202a}'..='\u{202e}')
    });
    assert_eq!(bad, None, "{surroundings:?}: {text:?}");
}

fn check_runner(text: &str) {
    let ours = ["::group::", "::endgroup::", "::warning title=", "::error::"];
    for line in text.split(['\n', '\r']) {
        if ours.iter().any(|command| line.starts_with(command)) {
            continue;
        }
        let is_command = line.trim_start().starts_with("::") || line.contains("##[");
        assert!(!is_command, "{line:?} in {text:?}");
    }
}

#[test]
fn the_events_are_all_there_is_to_report() {
    let kinds: BTreeSet<u8> = events().iter().map(kind).collect();
    assert_eq!(kinds, (0..16).collect());
}

#[test]
fn nothing_that_anybody_wrote_drives_a_terminal_or_a_runner() {
    for seed in 0..30 {
        fastrand::seed(seed);
        for json in [Json::No, Json::Document, Json::Events] {
            for bits in 0..16_u8 {
                let set = |bit: u8| bits & (1 << bit) != 0;
                let (color, github) = (set(0), set(2));
                let surroundings = Surroundings {
                    color_stdout: color,
                    color_stderr: color,
                    live: set(1) && !github,
                    github,
                    verbose: set(3),
                    tools_colors: color,
                };
                let options = Options {
                    raw_logs: seed % 2 == 0,
                    verbose: set(3),
                    json,
                    color: None,
                };
                let (stdout, stderr) = shown(options, surroundings);
                for text in [&stdout, &stderr] {
                    check_terminal(text, surroundings);
                    if github {
                        check_runner(text);
                    }
                }
                let documents = serde_json::Deserializer::from_str(&stdout).into_iter::<Value>();
                assert!(json == Json::No || documents.map(Result::unwrap).count() > 0);
            }
        }
    }
}

#[test]
fn durations() {
    for (millis, expected) in [
        (40, "0.0 s"),
        (9_900, "9.9 s"),
        (59_000, "59 s"),
        (200_000, "3 min 20 s"),
    ] {
        assert_eq!(seconds(Duration::from_millis(millis)), expected);
    }
}
