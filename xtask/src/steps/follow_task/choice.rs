//! What becomes of a running task when the user asks us to stop.

use tokio::sync::oneshot;

use crate::cli::OnInterrupt;
use crate::ui::{self, Reporter};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Stop,
    Detach,
    KeepWaiting,
}

/// None: the user is to be asked. Off a terminal nobody can be, and the task is stopped, as a
/// cancelled CI job or `kill` means it; so it is on SIGTERM, which no person at a terminal sends.
pub fn of(wish: Option<OnInterrupt>, terminate: bool) -> Option<Choice> {
    decide(wish, ui::can_ask() && !terminate)
}

fn decide(wish: Option<OnInterrupt>, can_ask: bool) -> Option<Choice> {
    match wish {
        Some(OnInterrupt::Stop) => Some(Choice::Stop),
        Some(OnInterrupt::Detach) => Some(Choice::Detach),
        Some(OnInterrupt::Ask) | None if can_ask => None,
        Some(OnInterrupt::Ask) | None => Some(Choice::Stop),
    }
}

/// Asks on the terminal while the log goes on. The thread that waits for the line is left behind
/// when the process ends first.
pub fn ask(reporter: &Reporter, id: &str) -> oneshot::Receiver<Choice> {
    let (sender, receiver) = oneshot::channel();
    let question =
        format!("\nthe task {id} is running: [s]top it, [d]etach from it, or [k]eep waiting? ");
    let reporter = reporter.clone();
    std::thread::spawn(move || {
        loop {
            let answer = reporter.ask(&question);
            // The end of the input answers like nobody: the task is not stopped behind one's back.
            let choice = match answer {
                Ok(line) if !line.is_empty() => parse(&line),
                _ => Some(Choice::Detach),
            };
            if let Some(choice) = choice {
                let _ = sender.send(choice);
                return;
            }
        }
    });
    receiver
}

/// The answer, once there is one; never when there is no question.
pub async fn answer(question: &mut Option<oneshot::Receiver<Choice>>) -> Choice {
    match question {
        Some(receiver) => receiver.await.unwrap_or(Choice::Detach),
        None => std::future::pending().await,
    }
}

fn parse(line: &str) -> Option<Choice> {
    match line.trim().to_lowercase().as_str() {
        "s" | "stop" => Some(Choice::Stop),
        "d" | "detach" => Some(Choice::Detach),
        "k" | "keep" | "keep waiting" => Some(Choice::KeepWaiting),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_where_nobody_can_answer() {
        for (wish, can_ask, expected) in [
            (None, true, None),
            (None, false, Some(Choice::Stop)),
            (Some(OnInterrupt::Ask), true, None),
            (Some(OnInterrupt::Ask), false, Some(Choice::Stop)),
            (Some(OnInterrupt::Stop), true, Some(Choice::Stop)),
            (Some(OnInterrupt::Detach), false, Some(Choice::Detach)),
        ] {
            assert_eq!(decide(wish, can_ask), expected, "{wish:?} {can_ask}");
        }
    }

    #[test]
    fn an_answer_is_a_letter_or_a_word() {
        for (line, expected) in [
            ("s\n", Some(Choice::Stop)),
            ("Detach\n", Some(Choice::Detach)),
            (" k ", Some(Choice::KeepWaiting)),
            ("\n", None),
            ("yes", None),
        ] {
            assert_eq!(parse(line), expected, "{line:?}");
        }
    }
}
