//! Trying again, and waiting for something outside: in rounds, with a bound, a pause between two, and
//! an end when the user asks to stop. Nothing else waits in a loop of its own; a test sees to it.

use std::time::{Duration, Instant};

use crate::failure::Problem;
use crate::interrupt::Interrupt;

/// A call that another service refuses for the moment: about half a minute in all.
pub const CALL: Bound = Bound::attempts(9, Duration::from_millis(500), Duration::from_secs(8));
/// A write under a condition, which somebody else's write may overtake: some seconds in all.
pub const RACE: Bound = Bound::attempts(10, Duration::from_millis(50), Duration::from_secs(2));

/// The pages of one list, of which none is waited for. More of them is a mistake.
pub const PAGES: Bound = Bound::attempts(1000, Duration::ZERO, Duration::ZERO);

/// How often, for how long, and how far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    rounds: u32,
    time: Duration,
    pause: Pause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// Between two looks at what takes its time.
    Even(Duration),
    /// A random part of a ceiling that doubles, so that teammates' attempts do not come in step.
    Growing { first: Duration, longest: Duration },
}

impl Bound {
    /// So many attempts, further and further apart.
    pub const fn attempts(rounds: u32, first: Duration, longest: Duration) -> Self {
        Bound {
            rounds,
            time: Duration::MAX,
            pause: Pause::Growing { first, longest },
        }
    }

    /// A look every so often, for so long.
    pub const fn every(pause: Duration, time: Duration) -> Self {
        Bound {
            rounds: u32::MAX,
            time,
            pause: Pause::Even(pause),
        }
    }

    /// For what a user waits for without a time in mind, and ends.
    pub const fn until_interrupted(pause: Duration) -> Self {
        Bound::every(pause, Duration::MAX)
    }

    /// `doing` completes "interrupted while …".
    pub fn rounds(self, interrupt: &Interrupt, doing: impl Into<String>) -> Rounds {
        Rounds {
            bound: self,
            interrupt: interrupt.clone(),
            doing: doing.into(),
            begun: 0,
            since: Instant::now(),
        }
    }

    /// At most this many.
    pub fn count(self) -> u32 {
        self.rounds
    }

    /// As often, without a pause worth a test's time.
    #[cfg(test)]
    pub const fn at_once(self) -> Self {
        Bound {
            pause: Pause::Even(Duration::from_millis(1)),
            ..self
        }
    }

    /// Before the round after `begun` others; `part` is from 0 to 1.
    fn pause(self, begun: u32, part: f64) -> Duration {
        match self.pause {
            Pause::Even(pause) => pause,
            Pause::Growing { first, longest } => {
                let doubled = first.saturating_mul(1 << begun.saturating_sub(1).min(20));
                doubled.min(longest).mul_f64(part)
            }
        }
    }
}

/// The rounds of one wait: `while rounds.again().await? { … }`.
#[derive(Debug)]
pub struct Rounds {
    bound: Bound,
    interrupt: Interrupt,
    doing: String,
    begun: u32,
    since: Instant,
}

impl Rounds {
    /// The first round begins at once, every other one after a pause. False when there have been
    /// enough of them; an error when the user has asked to stop.
    pub async fn again(&mut self) -> anyhow::Result<bool> {
        if self.begun > 0 {
            let left = self.bound.time.saturating_sub(self.since.elapsed());
            if self.begun >= self.bound.rounds || left.is_zero() {
                return Ok(false);
            }
            let pause = self.bound.pause(self.begun, fastrand::f64()).min(left);
            let mut interrupt = self.interrupt.clone();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = interrupt.requested() => {}
            }
        }
        if self.interrupt.is_requested() {
            return Err(Problem::interrupted(format!("interrupted while {}", self.doing)).into());
        }
        self.begun += 1;
        Ok(true)
    }

    /// The first round has begun already: the next one comes after a pause.
    pub fn after_one(mut self) -> Self {
        self.begun = 1;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::answering::block_on;

    #[test]
    fn pauses_double_up_to_the_longest_one() {
        let ceilings: Vec<u128> = (1..CALL.rounds)
            .map(|begun| CALL.pause(begun, 1.0).as_millis())
            .collect();
        assert_eq!(ceilings, [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
        assert_eq!(CALL.pause(3, 0.25).as_millis(), 500);
        // Of the many rounds that nothing counts, none overflows.
        assert_eq!(CALL.pause(u32::MAX, 1.0).as_secs(), 8);
    }

    #[test]
    fn there_are_as_many_rounds_as_the_bound_has() {
        for (bound, expected) in [
            (CALL.at_once(), 9),
            (RACE.at_once(), 10),
            // The first round comes whatever the time.
            (Bound::every(Duration::ZERO, Duration::ZERO), 1),
        ] {
            let mut count = 0;
            block_on(async {
                let mut rounds = bound.rounds(&Interrupt::never(), "counting");
                while rounds.again().await.unwrap() {
                    count += 1;
                }
            });
            assert_eq!(count, expected, "{bound:?}");
        }
    }

    #[test]
    fn an_interrupt_ends_the_pause_and_the_rounds() {
        block_on(async {
            let interrupt = Interrupt::never();
            let day = Duration::from_secs(86_400);
            let mut rounds = Bound::every(day, day).rounds(&interrupt, "waiting for the test");
            assert!(rounds.again().await.unwrap());
            let (again, ()) = tokio::join!(rounds.again(), async { interrupt.ask_to_stop() });
            let error = again.unwrap_err();
            assert_eq!(error.to_string(), "interrupted while waiting for the test");
            assert_eq!(crate::failure::exit_code(&error), 130);
        });
    }
}
