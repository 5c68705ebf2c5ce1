//! `cargo xtask deploy-test` and `deploy --env NAME`: the image of HEAD into an environment.

use std::time::Instant;

use crate::cli::Deploy;
use crate::clients::terraform::SavedPlan;
use crate::failure::{self, Kind};
use crate::hold::record::{Moment, Purpose};
use crate::hold::{self, Standing};
use crate::plan::reach::Reach;
use crate::plan::{Goal, Request};
use crate::session::{Session, env_var};
use crate::steps::apply_terraform::{
    apply_terraform, confirm, is_current, plan_again, plan_terraform,
};
use crate::steps::attest::require_attested;
use crate::steps::claim::{Claim, claim, me, patience, stand, stand_when_over};
use crate::steps::preflight::preflight;
use crate::steps::protected::{require_confirmed, require_on_main};
use crate::steps::push_image::{PushedImage, publish};
use crate::steps::require_paused::{is_auto_deploy, own_run, require_paused};
use crate::ui::Step;

pub async fn run(args: &Deploy, session: &Session) -> anyhow::Result<u8> {
    let itself = is_auto_deploy(&session.settings, own_run(&env_var).as_ref());
    if !itself || args.dry_run {
        return deploy(args, session).await;
    }
    let me = me(session, args.author.as_deref()).await?;
    let holds = session.holds().await;
    let (_, standing) = stand_when_over(session, &holds, &me, patience(session)).await?;
    if is_left_alone(session, standing) {
        return Ok(0);
    }
    let deployed = deploy(args, session).await;
    match &deployed {
        // Somebody may have reserved it since. What failed otherwise has failed.
        Err(error) if failure::exit_code(error) == Kind::Refused.exit_code() => {
            let (_, standing) = stand(&holds, &me).await;
            if is_left_alone(session, standing) {
                return Ok(0);
            }
            deployed
        }
        _ => deployed,
    }
}

async fn deploy(args: &Deploy, session: &Session) -> anyhow::Result<u8> {
    let request = Request {
        task: None,
        goal: Goal::Deploy,
        // A protected environment gets what a commit holds, and nothing else.
        allow_dirty: args.allow_dirty && !session.settings.environment.protected,
        reserves: false,
        only: false,
        refresh: false,
        author: args.author.clone(),
    };
    require_confirmed(session)?;
    let looked = Instant::now();
    let plan = preflight(session, &request).await?;
    require_on_main(session, &plan.sha.to_string())?;
    if args.dry_run {
        session.reporter.text(plan);
        return Ok(0);
    }
    // Preflight has refused an image that is not in ECR, so that this finds it and builds nothing.
    let image = publish(session, &plan).await?;
    require_attested(session, &image).await?;
    let change = plan_terraform(session, &plan.reach, &plan.tag).await?;
    confirm(session, &change, args.yes)?;
    let me = me(session, args.author.as_deref()).await?;
    let claim = claim(session, &me, Purpose::Deploy, false).await?;
    let deployed = async {
        let change = if is_current(session, &change, &plan.reach).await {
            change
        } else {
            plan_again(session, &plan.reach, &plan.tag, args.yes).await?
        };
        apply(session, change, image, &claim, looked, args.yes).await
    };
    let deployed = deployed.await;
    claim.give_back(session).await;
    session.reporter.result(deployed?);
    Ok(0)
}

async fn apply(
    session: &Session,
    change: SavedPlan,
    image: PushedImage,
    claim: &Claim,
    looked: Instant,
    yes: bool,
) -> anyhow::Result<String> {
    let paused = require_paused(session, claim, Some(looked)).await?;
    let deployed = apply_terraform(session, change, image, &Reach::Whole, &paused, yes).await?;
    claim.note_tried(session, &deployed.outputs).await;
    Ok(deployed.outputs.service_docker_tag)
}

/// A person's hold: main gets there when it is released. A claim of a process deploys nothing when it
/// ends, and so is no reason to leave main out.
fn is_left_alone(session: &Session, standing: Standing) -> bool {
    let Standing::Theirs(hold) = standing else {
        return false;
    };
    if hold.purpose != Purpose::Hold {
        return false;
    }
    let held = hold::describe(&hold, Moment::now());
    // GitHub shows it beside the run, which is green.
    session.reporter.warning(
        Step::Hold,
        format!("not deployed: {held}. Its release deploys main."),
    );
    true
}
