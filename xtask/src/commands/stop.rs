//! `cargo xtask stop ID`.

use serde_json::json;

use crate::cli::Stop;
use crate::clients::ecs::id_of;
use crate::commands::run::require_right_account;
use crate::session::Session;
use crate::steps::deployed_outputs::deployed_outputs;

pub async fn run(args: &Stop, session: &Session) -> anyhow::Result<u8> {
    require_right_account(session).await?;
    let outputs = deployed_outputs(session).await?;
    let id = id_of(&args.id);
    let reason = match &args.reason {
        Some(reason) => reason.clone(),
        None => format!("stopped by {}", session.author(None)),
    };
    let task = session
        .aws()
        .await
        .ecs()
        .stop(&outputs.cluster, id, &reason)
        .await?;
    let status = task.last_status.to_lowercase();
    session.reporter.answer(
        &json!({ "task": id, "status": status, "reason": reason }),
        format!("{id} is asked to stop ({status})"),
    );
    Ok(0)
}
