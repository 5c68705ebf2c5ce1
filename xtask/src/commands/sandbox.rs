//! `cargo xtask sandbox up|down|status|reset`.

use serde_json::{Value, json};

use crate::cli::Sandbox as Action;
use crate::clients::process::quote;
use crate::sandbox::{Sandbox, Status};
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
            match sandbox.status() {
                Some(status) => session.reporter.answer(&json(&status), text(&status)),
                None => session
                    .reporter
                    .answer(&json!({ "running": false }), "not running"),
            }
            Ok(0)
        }
    }
}

/// Where the keys are, and never the keys.
fn json(status: &Status) -> Value {
    json!({
        "running": true,
        "endpoint": status.address.endpoint,
        "engine": status.engine.as_str(),
        "process": status.pid,
        "log": status.log,
        "credentials": status.credentials,
        "files": status.has_files,
    })
}

fn text(status: &Status) -> String {
    let running = format!(
        "running at {}, engine {} (process {}, log {})",
        status.address.endpoint,
        status.engine,
        status.pid,
        status.log.display()
    );
    if !status.has_files {
        return format!("{running}\nits files are gone: the next command starts it anew");
    }
    // One line, for a shell.
    format!(
        "{running}\nyour own AWS CLI: export AWS_SHARED_CREDENTIALS_FILE={} AWS_PROFILE=sandbox AWS_REGION={} AWS_ENDPOINT_URL={}",
        quote(&status.credentials.to_string_lossy()),
        status.address.region,
        status.address.endpoint
    )
}

async fn up(sandbox: &Sandbox<'_>, session: &Session) -> anyhow::Result<u8> {
    let address = sandbox.up(&session.reporter, &session.interrupt).await?;
    session.reporter.answer(
        &json!({ "running": true, "endpoint": address.endpoint }),
        format!("running at {}", address.endpoint),
    );
    Ok(0)
}
