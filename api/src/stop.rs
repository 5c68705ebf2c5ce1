//! The request to stop: who made it, and whether the task noticed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Exit codes as a shell reports them: 128 and the signal's number.
pub const EXIT_SIGTERM: u8 = 128 + 15;
pub const EXIT_SIGINT: u8 = 128 + 2;

#[derive(Default)]
pub struct Stop {
    token: CancellationToken,
    interrupted: AtomicBool,
    seen: AtomicBool,
}

impl Stop {
    pub async fn requested(&self) {
        self.token.cancelled().await;
        self.seen.store(true, Ordering::Relaxed);
    }

    pub fn is_requested(&self) -> bool {
        let requested = self.token.is_cancelled();
        if requested {
            self.seen.store(true, Ordering::Relaxed);
        }
        requested
    }

    /// The exit code of a stop that the task has noticed. A task that never looked did all its work.
    pub fn noticed(&self) -> Option<u8> {
        let code = if self.interrupted.load(Ordering::Relaxed) {
            EXIT_SIGINT
        } else {
            EXIT_SIGTERM
        };
        self.seen.load(Ordering::Relaxed).then_some(code)
    }

    /// Takes over SIGTERM and SIGINT: for the process 1 of a container neither has an effect by
    /// itself. `give_up` is called at a second SIGINT, by somebody who waits at a terminal.
    ///
    /// A thread of its own listens, so that a task which blocks cannot delay the log line.
    pub fn watch(give_up: impl FnOnce(u8) + Send + 'static) -> io::Result<Arc<Self>> {
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut terminate, mut interrupt) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            )
        };
        let stop = Arc::new(Self::default());
        let request = Arc::clone(&stop);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        let name = tokio::select! {
                            _ = terminate.recv() => "SIGTERM",
                            _ = interrupt.recv() => "SIGINT",
                        };
                        let interrupted = name == "SIGINT";
                        if !request.token.is_cancelled() {
                            info!(signal = name, "stop requested");
                            request.interrupted.store(interrupted, Ordering::Relaxed);
                            request.token.cancel();
                        } else if interrupted {
                            return give_up(EXIT_SIGINT);
                        }
                    }
                });
            })?;
        Ok(stop)
    }
}
