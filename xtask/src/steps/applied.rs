//! What the last apply left: two cheap reads prove that it still stands. What that spares is decided in
//! the plan.
//!
//! The record is a file of this machine and may be deleted at any time. A state that somebody else has
//! written or a newer revision of the task means that it no longer stands.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::clients::own_files;
use crate::clients::terraform::Basis;
use crate::clients::terraform::outputs::Outputs;
use crate::clients::terraform::tags::Tags;
use crate::plan::in_common::{Applied, Standing};
use crate::session::Session;

/// The last apply, if nobody has applied or registered anything since. Two reads, side by side, which
/// need no plan and so go beside preflight.
pub async fn still_stands(session: &Session, task: &str) -> Option<Standing> {
    let text = std::fs::read_to_string(file(session)).ok()?;
    let applied: Applied = serde_json::from_str(&text).ok()?;
    let arn = applied.outputs.task_definitions.get(task)?;
    let (family, _revision) = arn.rsplit('/').next()?.rsplit_once(':')?;
    let aws = session.aws().await;
    let (ecs, state) = (aws.ecs(), aws.state(applied.place.clone()));
    let (latest, version, inputs) = tokio::join!(
        ecs.task_definition(family),
        state.version(),
        session.plan_inputs()
    );
    let same_revision = latest.ok()?.is_some_and(|latest| latest.arn == *arn);
    let same_state = version
        .ok()?
        .is_some_and(|version| version == applied.version);
    let stands = same_revision && same_state;
    inputs
        .filter(|_| stands)
        .map(|inputs| Standing { applied, inputs })
}

/// Writes down what was applied, if the state says the same. It is the last word of an apply that was
/// a success: a record that cannot be written costs the next call its plan, and no more.
pub async fn remember(session: &Session, basis: &Basis, outputs: &Outputs) -> anyhow::Result<()> {
    let state = session.aws().await.state(basis.inputs.place.clone());
    let Some((in_state, version)) = state.outputs().await? else {
        return Ok(());
    };
    // Somebody else may have applied in this very moment.
    if Outputs::read(&in_state)? != *outputs {
        return Ok(());
    }
    let tags = outputs.tags();
    let applied = Applied {
        inputs: basis.inputs.hash.clone(),
        contents: in_use(&basis.contents, &tags),
        tags,
        place: basis.inputs.place.clone(),
        version,
        outputs: outputs.clone(),
        refreshed: basis.refreshed,
    };
    let text = serde_json::to_vec_pretty(&applied).context("the record of an apply")?;
    own_files::write(&file(session), &text)
}

/// The contents of the images that some definition names.
fn in_use(contents: &BTreeMap<String, String>, tags: &Tags) -> BTreeMap<String, String> {
    let mut contents = contents.clone();
    contents.retain(|tag, _| *tag == tags.all || tags.own.values().any(|own| own == tag));
    contents
}

/// In the data directory, which each environment and the sandbox have of their own.
fn file(session: &Session) -> PathBuf {
    session.terraform().data_dir.join("xtask-applied.json")
}
