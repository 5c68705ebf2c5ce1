//! Ctrl-C and SIGTERM: counted in one place, seen by everything that waits.

use std::sync::{Arc, Mutex};

use tokio::signal::unix::{SignalKind, signal};
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
    /// SIGTERM was among them: whoever sent it answers no questions.
    terminate: bool,
}

impl Interrupt {
    /// Takes over SIGINT and SIGTERM. The second one leaves at once: children that must finish
    /// (Terraform) are in process groups of their own and go on with their graceful stop.
    pub fn install() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, asked) = watch::channel(Asked::default());
        let ask = Arc::new(sender);
        let last_words = Arc::new(Mutex::new(String::new()));
        let (sender, words) = (ask.clone(), last_words.clone());
        tokio::spawn(async move {
            loop {
                let terminate = tokio::select! {
                    _ = interrupt.recv() => false,
                    _ = terminate.recv() => true,
                };
                if sender.borrow().times >= 1 {
                    leave(&words);
                }
                sender.send_modify(|asked| {
                    asked.times += 1;
                    asked.terminate |= terminate;
                });
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

    /// SIGTERM, which nobody sits behind to be asked anything.
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

fn leave(words: &Mutex<String>) -> ! {
    if let Ok(words) = words.lock()
        && !words.is_empty()
    {
        ui::last_words(&words);
    }
    std::process::exit(i32::from(Kind::Interrupted.exit_code()))
}
