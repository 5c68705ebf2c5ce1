//! `cargo xtask sandbox up|down|status|reset`.

use serde_json::json;

use crate::cli::Sandbox as Action;
use crate::sandbox::Sandbox;
use crate::session::Session;

pub async fn run(action: Action, session: &Session) -> anyhow::Result<u8> {
    let sandbox = Sandbox::of(&session.settings);
    match action {
        Action::Up => up(&sandbox, session).await,
        Action::Reset => {
            sandbox.down()?;
            up(&sandbox, session).await
        }
        Action::Down => {
            let was_running = sandbox.down()?;
            session.reporter.result(if was_running {
                "the sandbox is stopped"
            } else {
                "the sandbox was not running"
            });
            Ok(0)
        }
        Action::Status => {
            match sandbox.status()? {
                Some(status) => session.reporter.answer(
                    &json!({
                        "running": true,
                        "endpoint": status.address.endpoint,
                        "engine": status.engine.as_str(),
                        "process": status.pid,
                        "log": status.log,
                    }),
                    format!(
                        "running at {}, engine {} (process {}, log {})",
                        status.address.endpoint,
                        status.engine,
                        status.pid,
                        status.log.display()
                    ),
                ),
                None => session
                    .reporter
                    .answer(&json!({ "running": false }), "not running"),
            }
            Ok(0)
        }
    }
}

async fn up(sandbox: &Sandbox<'_>, session: &Session) -> anyhow::Result<u8> {
    let address = sandbox.up(&session.reporter, &session.interrupt).await?;
    session.reporter.answer(
        &json!({ "running": true, "endpoint": address.endpoint }),
        format!("running at {}", address.endpoint),
    );
    Ok(0)
}
