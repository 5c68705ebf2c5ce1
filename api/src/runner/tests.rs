//! What each end of a task means.

use anyhow::anyhow;

use super::{Outcome, judge};
use crate::background_task::Exit;

fn error(error: &str, code: u8) -> Outcome {
    Outcome::Error {
        error: error.to_owned(),
        code,
    }
}

#[test]
fn every_end_has_its_outcome_and_exit_code() {
    let stopped = Some(143);
    let chain = || anyhow!("c").context("b").context("a");
    let cases = [
        (Ok(Exit::Done), None, Outcome::Success, 0),
        (Ok(Exit::Done), stopped, Outcome::Stopped { code: 143 }, 143),
        (Ok(Exit::Code(0)), None, Outcome::Success, 0),
        // The task says itself that this stop is a good end.
        (Ok(Exit::Code(0)), stopped, Outcome::Success, 0),
        (
            Ok(Exit::Code(3)),
            None,
            error("the task chose exit code 3", 3),
            3,
        ),
        (
            Ok(Exit::Code(3)),
            stopped,
            error("the task chose exit code 3", 3),
            3,
        ),
        (Err(chain()), None, error("a: b: c", 1), 1),
        // A clean-up that fails is an error, not a stop.
        (Err(chain()), stopped, error("a: b: c", 1), 1),
    ];
    for (ended, stopped, outcome, code) in cases {
        let judged = judge(Ok(ended), stopped);
        assert_eq!(judged.exit_code(), code);
        assert_eq!(judged, outcome);
    }
}

#[test]
fn a_panic_keeps_its_message() {
    let payloads: [(Box<dyn std::any::Any + Send>, &str); 3] = [
        (Box::new("static"), "static"),
        (Box::new("formatted".to_owned()), "formatted"),
        (Box::new(1), "a panic without a message"),
    ];
    for (payload, message) in payloads {
        let outcome = judge(Err(payload), None);
        assert_eq!(outcome.exit_code(), 101);
        assert!(matches!(outcome, Outcome::Panic { error, .. } if error == message));
    }
}
