//! Ctrl-C and SIGTERM: counted in one place, seen by everything that waits.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often the user has asked to stop. Cheap to clone; every wait holds one.
#[derive(Debug, Clone)]
pub struct Interrupt {
    asked: watch::Receiver<u32>,
}

impl Interrupt {
    /// Takes over SIGINT and SIGTERM. The second one leaves at once: children that must finish
    /// (Terraform) are in process groups of their own and go on with their graceful stop.
    pub fn install() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, asked) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if *sender.borrow() >= 1 {
                    std::process::exit(i32::from(crate::failure::Kind::Interrupted.exit_code()));
                }
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Interrupt { asked })
    }

    /// Returns once the user has asked to stop; never otherwise.
    pub async fn requested(&mut self) {
        if self.asked.wait_for(|count| *count > 0).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
