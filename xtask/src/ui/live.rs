//! The part of the terminal that is redrawn: what runs now, and what waits for what.
//!
//! It is always the last thing on the screen. Everything that is to stay is printed above it once,
//! so that nothing is lost when it scrolls.

use std::time::Duration;

use super::Step;
use super::gate::{Safe, Sequence};
use super::lines::{columns, shorten};
use super::plural::count;
use super::seconds;
use super::timeline::{Progress, State, Timeline};

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const BAR: usize = 12;
/// The columns that a row keeps for its time: `9.9 s` and `119 s` are as long as it gets for two
/// minutes, and a text that is cut must not jump when `10 s` is shorter.
const ELAPSED: usize = 5;

const LINE_ABOVE: Sequence = Safe::escape("\r\x1b[A");
const CLEAR_LINE_ABOVE: Sequence = Safe::escape("\x1b[A\x1b[2K");
const CLEAR_TO_THE_RIGHT: Sequence = Safe::escape("\x1b[K\n");
const CLEAR_BELOW: Sequence = Safe::escape("\r\x1b[J");
/// What is written between the two appears at once.
const HOLD_THE_SCREEN: Sequence = Safe::escape("\x1b[?2026h");
const SHOW_THE_SCREEN: Sequence = Safe::escape("\x1b[?2026l");

/// The rows at a moment, each at most `width` columns. Pure.
pub fn rows(timeline: &Timeline, now: Duration, width: usize, height: usize) -> Vec<Row> {
    let frame = FRAMES[(now.as_millis() / 100) as usize % FRAMES.len()];
    let mut rows = Vec::new();
    for span in timeline
        .spans
        .iter()
        .filter(|span| span.state == State::Running)
    {
        let elapsed = seconds(now.saturating_sub(span.start));
        let mut what = String::new();
        if let Some(progress) = &span.progress {
            what.push_str(&progress_text(progress));
            what.push(' ');
        }
        what.push_str(Safe::line(span.what.lines().next().unwrap_or_default()).as_str());
        if span.step == Step::Task && timeline.log_lines > 0 {
            let lines = usize::try_from(timeline.log_lines).unwrap_or(usize::MAX);
            what.push_str(&format!(" · {}", count(lines, "line")));
        }
        rows.push(row(frame, span.step, &what, &elapsed, width));
    }
    for (step, after) in timeline.waiting() {
        let names: Vec<&str> = after.iter().map(|step| step.name()).collect();
        let what = match names.as_slice() {
            [] => "next".to_owned(),
            names => format!("waits for {}", names.join(" and ")),
        };
        rows.push(row("·", step, &what, "", width));
    }
    // A region that is higher than the screen could not be erased again.
    rows.truncate(height.saturating_sub(2).max(1));
    rows
}

/// A row in its parts, so that colours do not count as columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub sign: String,
    pub name: String,
    pub rest: String,
}

impl Row {
    pub fn columns(&self) -> usize {
        columns(&self.sign) + columns(&self.name) + columns(&self.rest)
    }

    fn paint(&self, color: bool) -> Safe {
        let style = if self.sign.starts_with('·') {
            "2"
        } else {
            "36"
        };
        let mut row = Safe::line(&format!("{}{}", self.sign, self.name)).painted(style, color);
        row.push(&Safe::line(&self.rest));
        row
    }
}

fn row(sign: &str, step: Step, what: &str, elapsed: &str, width: usize) -> Row {
    let name = format!("{:<8}", step.name());
    // The last column stays free: a terminal may wrap when it is written to.
    let room = width.saturating_sub(12 + 1).max(8);
    let rest = if elapsed.is_empty() {
        shorten(what, room)
    } else {
        let elapsed_room = elapsed.len().max(ELAPSED);
        let what = shorten(what, room.saturating_sub(elapsed_room + 2));
        format!("{what}  {elapsed}")
    };
    Row {
        sign: format!("{sign} "),
        name,
        rest: format!("  {rest}"),
    }
}

fn progress_text(progress: &Progress) -> String {
    match progress.total {
        Some(total) if total > 0 => {
            let filled = (progress.done.min(total) as usize * BAR) / total as usize;
            format!(
                "{}{} {}/{total}",
                "█".repeat(filled),
                "░".repeat(BAR - filled),
                progress.done
            )
        }
        _ => progress.done.to_string(),
    }
}

/// What is on the screen now, and how to replace it.
#[derive(Debug, Default)]
pub struct Region {
    /// The columns of each row that was drawn.
    drawn: Vec<usize>,
}

impl Region {
    /// The characters that take the region off the screen. Rows may have wrapped since they were
    /// drawn, when the window became narrower.
    pub fn erase(&mut self, width: usize) -> Safe {
        let lines = self.lines(width);
        self.drawn.clear();
        let mut text = Safe::default();
        if lines > 0 {
            // Line by line first: where all that is cleared at once begins in the first line, tmux
            // takes it for a cleared screen and keeps what was on it among what has scrolled away.
            text.push_escape(CLEAR_LINE_ABOVE, lines);
            text.push_escape(CLEAR_BELOW, 1);
        }
        text
    }

    /// The characters that put `rows` where the region is. Each row is overwritten in place, and the
    /// terminal is asked to show it all at once: nothing flickers.
    pub fn redraw(&mut self, rows: &[Row], width: usize, color: bool) -> Safe {
        if rows.is_empty() {
            return self.erase(width);
        }
        let lines = self.lines(width);
        let mut text = Safe::default();
        text.push_escape(HOLD_THE_SCREEN, 1);
        text.push_escape(LINE_ABOVE, lines);
        for row in rows {
            text.push(&row.paint(color));
            text.push_escape(CLEAR_TO_THE_RIGHT, 1);
        }
        text.push_escape(CLEAR_BELOW, 1);
        text.push_escape(SHOW_THE_SCREEN, 1);
        self.drawn = rows.iter().map(Row::columns).collect();
        text
    }

    pub fn is_empty(&self) -> bool {
        self.drawn.is_empty()
    }

    fn lines(&self, width: usize) -> usize {
        let width = width.max(1);
        self.drawn
            .iter()
            .map(|columns| columns.max(&1).div_ceil(width))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::event::{Decision, Event, PlannedStep};

    fn timeline() -> Timeline {
        let mut timeline = Timeline::default();
        let planned = |step, after: &[Step]| PlannedStep {
            step,
            decision: Decision::Run(String::new()),
            after: after.to_vec(),
        };
        let steps = vec![
            planned(Step::Build, &[]),
            planned(Step::Push, &[Step::Build]),
            planned(Step::Plan, &[]),
            planned(Step::Apply, &[Step::Push, Step::Plan]),
        ];
        let at = Duration::from_secs(1);
        timeline.apply(at, &Event::Planned { steps });
        for (span, step) in [(1, Step::Build), (2, Step::Plan)] {
            let what = "a rather long text about what is being done just now".into();
            timeline.apply(at, &Event::StepStarted { span, step, what });
        }
        timeline.apply(
            at,
            &Event::StepProgress {
                step: Step::Build,
                done: 3,
                total: Some(6),
                what: "crates, now serde".into(),
            },
        );
        timeline
    }

    fn shown(width: usize) -> Vec<String> {
        shown_after(Duration::from_secs(12), width)
    }

    fn shown_after(elapsed: Duration, width: usize) -> Vec<String> {
        let rows = rows(&timeline(), Duration::from_secs(1) + elapsed, width, 24);
        rows.iter()
            .map(|row| row.paint(false).as_str().to_owned())
            .collect()
    }

    #[test]
    fn rows_fit_the_width() {
        assert_eq!(
            shown(80),
            [
                "⠋ build     ██████░░░░░░ 3/6 crates, now serde  12 s",
                "⠋ plan      a rather long text about what is being done just now  12 s",
                "· push      waits for build",
                "· apply     waits for push and plan",
            ]
        );
        assert_eq!(
            shown(50)[1],
            "⠋ plan      a rather long text about what…  12 s"
        );
        for width in [20, 40, 60] {
            let rows = rows(&timeline(), Duration::from_secs(13), width, 24);
            assert!(
                rows.iter().all(|row| row.columns() < width.max(21)),
                "{width}: {rows:?}"
            );
        }
    }

    #[test]
    fn a_text_that_is_cut_stays_as_it_is_while_the_time_goes_on() {
        for (seconds, time) in [(2, "2.0 s"), (10, "10 s"), (100, "100 s")] {
            assert_eq!(
                shown_after(Duration::from_secs(seconds), 50)[1]
                    .trim_start_matches(|sign: char| FRAMES.concat().contains(sign)),
                format!(" plan      a rather long text about what…  {time}"),
            );
        }
    }

    #[test]
    fn a_region_takes_away_what_it_drew_even_when_it_wrapped() {
        let mut region = Region::default();
        assert!(region.erase(80).is_empty());
        let rows = rows(&timeline(), Duration::from_secs(13), 80, 24);
        region.redraw(&rows, 80, false);
        assert_eq!(
            region.erase(40).as_str(),
            format!("{}\r\x1b[J", "\x1b[A\x1b[2K".repeat(6))
        );
        assert!(region.is_empty());
    }
}
