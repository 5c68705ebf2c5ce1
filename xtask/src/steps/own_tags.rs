//! What is deployed for all tasks and for single ones, and whether a root takes tags of single tasks.

use crate::clients::terraform::tags::Tags;
use crate::clients::terraform::takes_own::Takes;
use crate::failure::Problem;
use crate::plan::reach::Deployed;
use crate::session::Session;
use crate::settings::Settings;
use crate::steps::deployed_outputs::outputs_in_state;

/// Before a task is tried alone: with a guess, all others would get another image.
pub async fn deployed(session: &Session) -> anyhow::Result<Option<Deployed>> {
    let Some((outputs, seen)) = outputs_in_state(session).await? else {
        return Ok(None);
    };
    let tags = Tags::read(&outputs).ok_or_else(|| names_no_tag(session))?;
    Ok(Some(Deployed { tags, seen }))
}

/// For a word about what is deployed: one read of the state, where the last init or the settings have
/// it. None when it is not there.
pub async fn in_state(session: &Session) -> anyhow::Result<Option<Deployed>> {
    let place = session
        .terraform()
        .place(&session.settings.environment.region);
    let state = match place {
        Some(place) => session.aws().await.state(place),
        None => session.state().await,
    };
    let Some((outputs, version)) = state.outputs().await? else {
        return Ok(None);
    };
    // What `terraform destroy` leaves.
    if outputs.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(None);
    }
    let tags = Tags::read(&outputs).ok_or_else(|| names_no_tag(session))?;
    Ok(Some(Deployed {
        tags,
        seen: Some(version),
    }))
}

fn names_no_tag(session: &Session) -> Problem {
    let environment = &session.settings.environment.name;
    Problem::failed(
        format!(
            "the state of {environment} has no output service_docker_tag, so that nobody can tell what is deployed"
        ),
        "the outputs are a contract: see infra/ecs-tasks/README.md",
    )
}

/// What this checkout's Terraform has of the tags of single tasks.
pub fn takes_own(settings: &Settings) -> Takes {
    let tasks_file = settings.root.join(&settings.tasks_file);
    let template = tasks_file.parent().unwrap_or(&settings.root);
    Takes::read(&settings.terraform_root(), template)
}

/// The lines that it lacks.
pub fn lacks(settings: &Settings) -> Option<String> {
    let template = settings.tasks_file.parent()?;
    takes_own(settings).missing(&settings.environment.terraform_root, template)
}
