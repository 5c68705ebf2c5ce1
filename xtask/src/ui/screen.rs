//! The one place that writes to stdout and stderr.
#![expect(clippy::disallowed_methods, reason = "this is where the gate leads to")]

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use super::Step;
use super::event::Event;
use super::gate::Safe;
use super::github_log::GithubLog;
use super::lines::{Layout, block, lines};
use super::live::{Region, rows};
use super::timeline::Timeline;

/// More than this is written at once; less waits for the next tick.
const BUFFER: usize = 64 * 1024;

/// How progress is shown on stderr.
enum View {
    /// A terminal: what runs is redrawn below what stays.
    Live(Region),
    /// Lines with their times.
    Plain,
    Github(GithubLog),
}

/// Which of the two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// What flags and the surroundings say about the two outputs.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    pub color_stdout: bool,
    pub color_stderr: bool,
    pub live: bool,
    pub github: bool,
    pub verbose: bool,
    /// Whether the colours of cargo and rustc pass; GitHub shows them as well.
    pub tools_colors: bool,
}

/// Where bytes go.
pub struct Outputs {
    pub stdout: Box<dyn Write + Send>,
    pub stderr: Box<dyn Write + Send>,
}

impl Outputs {
    pub fn of_the_process() -> Self {
        Outputs {
            stdout: Box::new(std::io::stdout()),
            stderr: Box::new(std::io::stderr()),
        }
    }
}

impl Surroundings {
    /// `color` is `--color`: None means auto, which heeds NO_COLOR.
    pub fn look(color: Option<bool>, verbose: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let allowed = !set("NO_COLOR") && !dumb;
        let stderr = std::io::stderr().is_terminal();
        let github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        Surroundings {
            color_stdout: color.unwrap_or(allowed && std::io::stdout().is_terminal()),
            color_stderr: color.unwrap_or(allowed && stderr),
            live: stderr && !dumb,
            github,
            verbose,
            tools_colors: color.unwrap_or(allowed && (stderr || github)),
        }
    }
}

pub struct Screen {
    view: View,
    surroundings: Surroundings,
    outputs: Outputs,
    /// Log lines and results that are not written yet, and where they go.
    buffer: Vec<u8>,
    buffer_stream: Stream,
    /// Whoever read our stdout has gone away (`| head`).
    stdout_closed: bool,
    /// A question waits for its answer: nothing may be redrawn.
    suspended: bool,
    last_progress: Duration,
}

impl Screen {
    pub fn new(surroundings: Surroundings, outputs: Outputs) -> Self {
        let view = if surroundings.github {
            View::Github(GithubLog::new(surroundings.tools_colors))
        } else if surroundings.live {
            View::Live(Region::default())
        } else {
            View::Plain
        };
        Screen {
            view,
            surroundings,
            outputs,
            buffer: Vec::new(),
            buffer_stream: Stream::Stdout,
            stdout_closed: false,
            suspended: false,
            last_progress: Duration::ZERO,
        }
    }

    pub fn is_github(&self) -> bool {
        matches!(self.view, View::Github(_))
    }

    /// Shows an event on stderr. `clock` is the time of day, for lines that stay.
    pub fn show(&mut self, event: &Event, timeline: &Timeline, now: Duration, clock: &str) {
        let verbose = self.surroundings.verbose;
        let text = match event {
            Event::Text { text } => block(text),
            Event::Command { command } if verbose => block(&format!("             $ {command}")),
            Event::Output { step, line } if verbose && !self.is_github() => {
                self.output(*step, line)
            }
            event => match &mut self.view {
                View::Github(log) => log.show(event),
                View::Live(_) => match event {
                    // The row shows it; a step that has no row keeps its words.
                    Event::StepStarted { .. } | Event::StepProgress { .. } => Safe::default(),
                    Event::StepDetail { step, .. } if timeline.is_running(*step) && !verbose => {
                        Safe::default()
                    }
                    event => lines(
                        event,
                        Layout {
                            color: self.surroundings.color_stderr,
                            width: Some(window().0),
                        },
                    ),
                },
                View::Plain => {
                    if matches!(event, Event::StepProgress { .. }) {
                        // Every ten seconds is enough to say that it is alive.
                        if now.saturating_sub(self.last_progress) < Duration::from_secs(10) {
                            return;
                        }
                        self.last_progress = now;
                    }
                    let layout = Layout {
                        color: self.surroundings.color_stderr,
                        width: None,
                    };
                    with_time(&lines(event, layout), clock)
                }
            },
        };
        let has_text = !text.is_empty();
        if has_text {
            self.stderr(text);
        }
        if let View::Live(region) = &self.view
            && (has_text || region.is_empty())
        {
            self.redraw(timeline, now);
        }
    }

    /// A line of a log or a result. It is written with the next tick, or when many have come.
    pub fn line(&mut self, stream: Stream, line: Safe, timeline: &Timeline, now: Duration) {
        self.buffer_stream = stream;
        self.buffer.extend(line.into_bytes(self.is_github()));
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER {
            self.flush();
            self.redraw(timeline, now);
        }
    }

    /// Regularly: writes what has come and brings the rows up to date.
    pub fn tick(&mut self, timeline: &Timeline, now: Duration) {
        self.flush();
        self.redraw(timeline, now);
    }

    /// A question on stderr; the answer is read while nothing is redrawn.
    pub fn begin_question(&mut self, question: &str) {
        self.stderr(Safe::words(question));
        self.suspended = true;
    }

    pub fn end_question(&mut self) {
        self.suspended = false;
    }

    /// Takes the rows away and writes what is left.
    pub fn close(&mut self) {
        self.flush();
        self.erase();
    }

    /// Text that stays, above the rows.
    pub fn stderr(&mut self, text: Safe) {
        self.flush();
        self.erase();
        self.write_stderr(text);
    }

    /// Words that a child printed, in its colours where they can be shown.
    pub fn quoted(&self, text: &str) -> Safe {
        Safe::colored(text, self.surroundings.tools_colors)
    }

    fn output(&self, step: Step, line: &str) -> Safe {
        let mut text = Safe::line(&format!("  {:<8}  | ", step.name()));
        text.push(&self.quoted(line));
        text.push_words("\n");
        text
    }

    fn write_stderr(&mut self, text: Safe) {
        let bytes = text.into_bytes(self.is_github());
        // There is nobody left to tell when stderr is closed.
        let _ = self.outputs.stderr.write_all(&bytes);
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        self.erase();
        match self.buffer_stream {
            Stream::Stderr => drop(self.outputs.stderr.write_all(&self.buffer)),
            Stream::Stdout if self.stdout_closed => {}
            Stream::Stdout => {
                let stdout = &mut self.outputs.stdout;
                let written = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
                if let Err(error) = written {
                    // Nothing more can be said there, and the loop goes on, since a task must not be
                    // lost over it.
                    self.stdout_closed = true;
                    if error.kind() != std::io::ErrorKind::BrokenPipe {
                        let text = format!("warning: writing to stdout: {error}\n");
                        self.write_stderr(Safe::words(&text));
                    }
                }
            }
        }
        self.buffer.clear();
    }

    fn erase(&mut self) {
        if let View::Live(region) = &mut self.view {
            let text = region.erase(window().0);
            self.write_stderr(text);
        }
    }

    fn redraw(&mut self, timeline: &Timeline, now: Duration) {
        if self.suspended {
            return;
        }
        let color = self.surroundings.color_stderr;
        if let View::Live(region) = &mut self.view {
            let (width, height) = window();
            let rows = rows(timeline, now, width, height);
            if !(rows.is_empty() && region.is_empty()) {
                let text = region.redraw(&rows, width, color);
                self.write_stderr(text);
            }
        }
    }
}

/// The time of day before the first line; the others stay under its text.
fn with_time(text: &Safe, clock: &str) -> Safe {
    text.each_line_after(|index| {
        let clock = if index == 0 { clock } else { "" };
        format!("{clock:<9} ")
    })
}

/// Whether somebody sits there who reads a question and answers it.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Columns and rows of the terminal on stderr.
fn window() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        _ => (80, 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_has_the_time() {
        assert_eq!(
            with_time(&Safe::words("! plan      a\n            b\n"), "03:04:05Z").as_str(),
            "03:04:05Z ! plan      a\n                      b\n"
        );
    }
}
