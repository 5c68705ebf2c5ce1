//! Ctrl-C, SIGTERM and the end of the terminal: counted in one place, seen by everything that waits.

use std::sync::{Arc, Mutex};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::failure::{Kind, Problem};
use crate::ui;

/// How often the user has asked to stop. Cheap to clone; every wait holds one.
#[derive(Debug, Clone)]
pub struct Interrupt {
    asked: watch::Receiver<Asked>,
    ask: Arc<watch::Sender<Asked>>,
    /// What is said when the second one leaves at once.
    last_words: Arc<Mutex<String>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    times: u32,
    /// SIGTERM or SIGHUP was among them: whoever sent it answers no questions.
    terminate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// Ctrl-C.
    Interrupt,
    Terminate,
    /// The terminal is gone. The shell and the kernel may both say so, one right after the other.
    HangUp,
}

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP. The second one leaves at once: children that must finish
    /// (Terraform) are in process groups of their own and go on with their graceful stop. Below
    /// `nohup`, SIGHUP stays nothing.
    pub fn install() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = match is_hang_up_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        let (sender, asked) = watch::channel(Asked::default());
        let ask = Arc::new(sender);
        let last_words = Arc::new(Mutex::new(String::new()));
        let (sender, words) = (ask.clone(), last_words.clone());
        tokio::spawn(async move {
            loop {
                let sent = tokio::select! {
                    _ = interrupt.recv() => Sent::Interrupt,
                    _ = terminate.recv() => Sent::Terminate,
                    () = received(&mut hang_up) => Sent::HangUp,
                };
                if sender.borrow().leaves_at(sent) {
                    leave(&words);
                }
                sender.send_modify(|asked| asked.count(sent));
            }
        });
        Ok(Interrupt {
            asked,
            ask,
            last_words,
        })
    }

    /// One that is never asked for: what must be put back is put back after an interrupt too.
    pub fn never() -> Self {
        let (ask, asked) = watch::channel(Asked::default());
        Interrupt {
            asked,
            ask: Arc::new(ask),
            last_words: Arc::default(),
        }
    }

    /// Returns once the user has asked to stop; never otherwise.
    pub async fn requested(&mut self) {
        if self.asked.wait_for(|asked| asked.times > 0).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub fn is_requested(&self) -> bool {
        self.asked.borrow().times > 0
    }

    /// SIGTERM or SIGHUP, which nobody sits behind to be asked anything.
    pub fn is_terminate(&self) -> bool {
        self.asked.borrow().terminate
    }

    /// Asks as a first Ctrl-C would: a watch gives up a loop for the next one.
    pub fn ask_to_stop(&self) {
        self.ask.send_modify(|asked| asked.times += 1);
    }

    /// The user has thought better of it: the next Ctrl-C is the first one again.
    pub fn carry_on(&self) {
        self.ask.send_replace(Asked::default());
    }

    /// What the second Ctrl-C prints before it leaves: what goes on without us.
    pub fn set_last_words(&self, words: impl Into<String>) {
        if let Ok(mut last_words) = self.last_words.lock() {
            *last_words = words.into();
        }
    }

    /// An error when the user has asked to stop: looked at before a step that changes something.
    pub fn check(&self, before: &str) -> anyhow::Result<()> {
        if self.is_requested() {
            return Err(Problem::interrupted(format!("interrupted before {before}")).into());
        }
        Ok(())
    }

    /// Ends a wait that has nothing to clean up as soon as the user asks to stop.
    pub async fn or<T>(
        &self,
        waiting_for: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let mut interrupt = self.clone();
        tokio::select! {
            result = work => result,
            () = interrupt.requested() => {
                Err(Problem::interrupted(format!("interrupted while {waiting_for}")).into())
            }
        }
    }
}

impl Asked {
    /// Who asks again is in a hurry. Nobody says a second time that the terminal is gone.
    fn leaves_at(self, sent: Sent) -> bool {
        self.times >= 1 && sent != Sent::HangUp
    }

    fn count(&mut self, sent: Sent) {
        self.times += 1;
        self.terminate |= sent != Sent::Interrupt;
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whoever started us said that we outlive the terminal.
fn is_hang_up_ignored() -> bool {
    // Only Linux tells without unsafe code; elsewhere a lost terminal ends us in good order.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hang_up(&status)
}

/// `SigIgn:` is a mask in hexadecimal digits, whose lowest bit is signal 1, SIGHUP.
fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

fn leave(words: &Mutex<String>) -> ! {
    if let Ok(words) = words.lock()
        && !words.is_empty()
    {
        ui::last_words(&words);
    }
    std::process::exit(i32::from(Kind::Interrupted.exit_code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_terminal_asks_once_and_hurries_nobody() {
        for (first, second, leaves) in [
            (Sent::Interrupt, Sent::Interrupt, true),
            (Sent::HangUp, Sent::Terminate, true),
            (Sent::HangUp, Sent::HangUp, false),
            (Sent::Interrupt, Sent::HangUp, false),
        ] {
            let mut asked = Asked::default();
            assert!(!asked.leaves_at(first));
            asked.count(first);
            assert_eq!(asked.terminate, first == Sent::HangUp);
            assert_eq!(asked.leaves_at(second), leaves, "{first:?} {second:?}");
        }
    }

    #[test]
    fn nohup_is_seen() {
        for (mask, expected) in [
            ("0000000000000001", true),
            ("0000000000001001", true),
            ("0000000000001000", false),
            ("", false),
        ] {
            let status = format!("Name:\txtask\nSigIgn:\t{mask}\nSigCgt:\t1\n");
            assert_eq!(ignores_hang_up(&status), expected, "{mask}");
        }
        assert!(!ignores_hang_up(""));
    }
}
