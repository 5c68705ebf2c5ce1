//! What is deployed, by the outputs in the state. Terraform is asked only for a state that we cannot
//! find: it needs half a second to read one object.

use serde_json::{Map, Value};

use crate::clients::state::Version;
use crate::clients::terraform::outputs::Outputs;
use crate::failure::Problem;
use crate::session::Session;

pub async fn deployed_outputs(session: &Session) -> anyhow::Result<Outputs> {
    let Some((outputs, _)) = outputs_in_state(session).await? else {
        let root = session.settings.terraform_root();
        return Err(Problem::failed(
            format!("nothing is deployed from {} yet", root.display()),
            "deploy first: `cargo xtask try TASK` does that too, with the same --env or --sandbox",
        )
        .into());
    };
    Outputs::read(&outputs)
}

/// `{name: {value: …}}`, and the version of the state that has them, unless Terraform had to be asked;
/// None when nothing is deployed.
pub async fn outputs_in_state(
    session: &Session,
) -> anyhow::Result<Option<(Value, Option<Version>)>> {
    let terraform = session.terraform();
    // It says where the state is, also after somebody has moved it.
    terraform.init(&session.interrupt, |_| {}).await?;
    let found = match terraform.place(&session.settings.environment.region) {
        Some(place) => {
            let state = session.aws().await.state(place);
            let found = state.outputs().await?;
            found.map(|(outputs, version)| (outputs, Some(version)))
        }
        None => {
            let outputs = terraform.outputs(&session.interrupt).await?;
            Some((outputs, None))
        }
    };
    // None is what `terraform destroy` leaves, too.
    Ok(found.filter(|(outputs, _)| outputs.as_object().is_some_and(|it| !Map::is_empty(it))))
}
