//! A saved plan: made by a provider that is started once for plan and apply, where that is known to be
//! safe, and by one that Terraform starts, where it is not.

use serde_json::Value;

use crate::clients::terraform::provider::Provider;
use crate::clients::terraform::tags::Tags;
use crate::clients::terraform::{SavedPlan, Terraform, Thoroughness};
use crate::failure::{Kind, exit_code};
use crate::session::Session;
use crate::steps::own_tags::takes_own;
use crate::ui::Step;

/// Changes nothing, so that whatever goes wrong with our provider is done again in the ordinary way.
pub async fn make(
    session: &Session,
    terraform: &Terraform,
    tags: &Tags,
    how: Thoroughness,
) -> anyhow::Result<SavedPlan> {
    let plan = async |provider: Option<&Provider>| {
        let on_line = |line: &str| session.reporter.output(Step::Plan, line);
        let takes_own = takes_own(&session.settings).variable;
        let interrupt = &session.interrupt;
        let plan = terraform.plan(tags, takes_own, how, provider, interrupt, on_line);
        plan.await
    };
    let Some(mut provider) = start(session, terraform).await else {
        return plan(None).await;
    };
    match plan(Some(&provider)).await {
        Ok(mut made) if provider.is_proved => {
            made.provider = Some(provider);
            Ok(made)
        }
        Ok(made) => {
            let ordinary = plan(None).await?;
            // Whatever comes of it, this plan is a good one.
            let proved = async {
                let is_same = same(session, terraform, &made, &ordinary, &provider).await?;
                anyhow::ensure!(is_same, "its plan differs from the one of Terraform's own");
                provider.prove()
            };
            if let Err(why) = proved.await {
                in_the_ordinary_way(session, &format!("{why:#}"));
            }
            Ok(ordinary)
        }
        Err(error) if exit_code(&error) == Kind::Interrupted.exit_code() => Err(error),
        Err(error) => {
            drop(provider);
            in_the_ordinary_way(session, &format!("the plan failed: {error:#}"));
            plan(None).await
        }
    }
}

async fn start(session: &Session, terraform: &Terraform) -> Option<Provider> {
    if !session.settings.reattach_provider {
        return None;
    }
    let memory = session.settings.work_dir().join("provider");
    let started = async {
        let version = session.terraform_version().await?;
        let state = state(session, terraform).await?;
        terraform.start_provider(&state, &version, &memory).await
    };
    match started.await {
        Ok(provider) => {
            let line = "the AWS provider is started once, for the plan and its apply";
            session.reporter.output(Step::Plan, line);
            Some(provider)
        }
        Err(why) => {
            in_the_ordinary_way(session, &format!("{why:#}"));
            None
        }
    }
}

/// The text of the state: from its object, where we know it, and otherwise Terraform is asked.
async fn state(session: &Session, terraform: &Terraform) -> anyhow::Result<Vec<u8>> {
    match terraform.place(&session.settings.environment.region) {
        Some(place) => session.aws().await.state(place).text().await,
        None => terraform.pull_state(&session.interrupt).await,
    }
}

fn in_the_ordinary_way(session: &Session, why: &str) {
    let line = format!("Terraform starts the AWS provider itself: {why}");
    session.reporter.output(Step::Plan, &line);
}

/// Are two plans of one configuration and state the same, but for when they were made?
async fn same(
    session: &Session,
    terraform: &Terraform,
    made: &SavedPlan,
    ordinary: &SavedPlan,
    provider: &Provider,
) -> anyhow::Result<bool> {
    let mut shown = Vec::new();
    for (plan, provider) in [(made, Some(provider)), (ordinary, None)] {
        let file = plan.file()?;
        let text = terraform.show(&file, provider, &session.interrupt).await?;
        let mut plan: Value = serde_json::from_str(&text)?;
        if let Some(plan) = plan.as_object_mut() {
            plan.remove("timestamp");
        }
        shown.push(plan);
    }
    Ok(shown[0] == shown[1])
}
