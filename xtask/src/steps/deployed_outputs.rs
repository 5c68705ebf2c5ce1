//! What is deployed, by the outputs in the state. Terraform is asked only for a state that we cannot
//! find: it needs half a second to read one object.

use anyhow::Context as _;
use serde_json::Value;

use crate::clients::terraform::outputs::Outputs;
use crate::session::Session;

pub async fn deployed_outputs(session: &Session) -> anyhow::Result<Outputs> {
    let terraform = session.terraform();
    let interrupt = &session.interrupt;
    // It says where the state is, also after somebody has moved it.
    terraform.init(interrupt, |_| {}).await?;
    let Some(place) = terraform.place(&session.settings.environment.region) else {
        return terraform.outputs(interrupt).await;
    };
    let text = session.aws().await.state(place).text().await?;
    let mut state = Value::Null;
    if !text.is_empty() {
        state = serde_json::from_slice(&text).context("reading the state")?;
    }
    terraform.read_outputs(&state["outputs"])
}
