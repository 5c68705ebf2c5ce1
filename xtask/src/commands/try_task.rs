//! `cargo xtask try TASK`: the whole loop.

use std::time::{Duration, Instant};

use crate::cli::{LaunchOptions, Release, Restore, Try};
use crate::clients::terraform::SavedPlan;
use crate::clients::terraform::outputs::Outputs;
use crate::commands::release::release;
use crate::commands::run::{wait, wishes};
use crate::commands::{try_isolated, watch};
use crate::hold::record::Purpose;
use crate::outcome::Verdict;
use crate::plan::reach::Reach;
use crate::plan::{Goal, Plan, Request};
use crate::session::Session;
use crate::steps::apply_terraform::{
    Deployed, apply_terraform, confirm, is_current, name_what_is_tried, plan_again, plan_from,
    plan_terraform,
};
use crate::steps::claim::{Claim, claim, me};
use crate::steps::follow_task::follow_task;
use crate::steps::launch_task::{Sought, launch_task, seek_task};
use crate::steps::preflight::preflight;
use crate::steps::push_image::{PushedImage, publish};
use crate::steps::require_paused::{Paused, require_paused};
use crate::steps::reserve::{Wanted, reserve};
use crate::steps::stayed_deployed::stayed_deployed;
use crate::ui::Step;
use crate::verdict::verdict;

/// For how long `try --hold` reserves the environment at first; the loop renews it.
const RESERVED: Duration = Duration::from_secs(1800);

pub async fn run(args: &Try, session: &Session) -> anyhow::Result<u8> {
    if args.watch {
        watch::run(args, session).await
    } else {
        once(args, session).await
    }
}

pub async fn once(args: &Try, session: &Session) -> anyhow::Result<u8> {
    if args.isolated {
        return try_isolated::run(args, session).await;
    }
    let request = Request {
        task: Some(args.launch.task.to_string()),
        goal: Goal::Try,
        allow_dirty: true,
        reserves: args.hold,
        only: args.only || session.settings.try_only,
        refresh: args.refresh,
        author: args.launch.author.clone(),
    };
    let looked = Instant::now();
    let plan = session
        .interrupt
        .or("looking at what is there", preflight(session, &request))
        .await?;
    if args.dry_run {
        session.reporter.text(plan);
        return Ok(0);
    }
    // The tag is known before the build, so that Terraform plans beside it. Nothing is held meanwhile.
    let (image, mut change) =
        tokio::try_join!(publish(session, &plan), plan_from(session, &plan, args.yes))?;
    if !names(&plan, &change, &image) {
        change = plan_terraform(session, &plan.reach, &image.tag).await?;
    }
    if let (Some(basis), Some(content)) = (&mut change.basis, &image.content) {
        let tag = change.tags.of(args.launch.task.as_str()).to_owned();
        basis.contents.insert(tag, content.to_string());
    }
    confirm(session, &change, args.yes)?;
    let tried = Tried {
        args,
        image,
        change,
        reach: plan.reach,
        looked,
        free: plan.free && !args.hold,
    };
    let verdict = if args.hold {
        reserved(session, tried).await?
    } else {
        claimed(session, tried).await?
    };
    session.reporter.verdict(&verdict);
    Ok(verdict.exit_code)
}

/// Does the change name this image, or one of the same content? What the compiler read may have given
/// it another tag, and ECR may have lost the image that the definitions name.
fn names(plan: &Plan, change: &SavedPlan, image: &PushedImage) -> bool {
    let tag = change.tags.of(plan.task.as_deref().unwrap_or_default());
    let by_content = tag != plan.tag.as_str() && image.tag == plan.tag;
    tag == image.tag.as_str() || (by_content && !image.is_new)
}

/// What is ready to be applied.
struct Tried<'a> {
    args: &'a Try,
    image: PushedImage,
    change: SavedPlan,
    reach: Reach,
    /// When auto-deploy was looked at first.
    looked: Instant,
    /// Nobody had the environment then.
    free: bool,
}

/// Under a hold that begins and ends with the loop, unless it was there before.
async fn reserved(session: &Session, tried: Tried<'_>) -> anyhow::Result<Verdict> {
    let args = tried.args;
    let author = args.launch.author.clone();
    let wanted = Wanted {
        length: RESERVED,
        reason: Some(format!("trying {}", args.launch.task)),
        author: author.clone(),
        break_it: false,
        wait: true,
    };
    let held = reserve(session, &wanted).await?;
    let verdict = claimed(session, tried).await;
    if held.kept {
        return verdict;
    }
    let release_args = Release {
        restore: Restore::Main,
        author,
        break_it: false,
    };
    // The answer is the task's; an interrupt was for the task, and main is put back all the same.
    match release(&session.unhurried(), &release_args).await {
        Ok(text) => session.reporter.detail(Step::Hold, text),
        Err(error) => session.reporter.warning(
            Step::Hold,
            format!(
                "{error:#}\nthe environment is still held: cargo xtask release{}",
                session.flags()
            ),
        ),
    }
    verdict
}

/// Under a claim of this process, or under the hold that is there.
async fn claimed(session: &Session, tried: Tried<'_>) -> anyhow::Result<Verdict> {
    let me = me(session, tried.args.launch.author.as_deref()).await?;
    let claim = claim(session, &me, Purpose::Try, tried.free).await?;
    let verdict = apply_and_run(session, tried, &claim).await;
    claim.give_back(session).await;
    verdict
}

async fn apply_and_run(
    session: &Session,
    tried: Tried<'_>,
    claim: &Claim,
) -> anyhow::Result<Verdict> {
    let launch = &tried.args.launch;
    let (yes, tag) = (tried.args.yes, tried.image.tag.clone());
    let seek = async |outputs: &Outputs| {
        let wishes =
            name_what_is_tried(wishes(launch, session), outputs, launch.task.as_str(), &tag);
        seek_task(session, outputs, &launch.task, &wishes).await
    };
    let mut change = tried.change;
    // The hold may be another one than preflight saw.
    let reach = tried.reach.under(&claim.tried);
    let same_reach = reach == tried.reach;
    // Where nothing is applied, one look is both: the one before the apply and the one before the
    // launch. Whether the plan is still true is asked beside it.
    let only_look = match change.unchanged().filter(|_| same_reach) {
        Some(outputs) => {
            let look =
                async { tokio::try_join!(require_paused(session, claim, None), seek(outputs)) };
            let (current, found) = tokio::join!(is_current(session, &change, &reach), look);
            current.then_some(found).transpose()?
        }
        None => None,
    };
    let (deployed, sought, paused) = match only_look {
        Some((paused, sought)) => {
            let deployed =
                apply_terraform(session, change, tried.image, &reach, &paused, yes).await?;
            claim.note_tried(session, &deployed.outputs).await;
            (deployed, sought, paused)
        }
        None => {
            // Nothing was to be applied, and that is no longer true; or others are deployed now than
            // those that are to keep their image.
            let is_past = change.unchanged().is_some() || !same_reach;
            if is_past || !is_current(session, &change, &reach).await {
                change = plan_again(session, &reach, &tag, yes).await?;
            }
            let paused = require_paused(session, claim, Some(tried.looked)).await?;
            let deployed =
                apply_terraform(session, change, tried.image, &reach, &paused, yes).await?;
            let look = async {
                let outputs = &deployed.outputs;
                tokio::try_join!(require_paused(session, claim, None), seek(outputs))
            };
            let note = claim.note_tried(session, &deployed.outputs);
            let ((), look) = tokio::join!(note, look);
            let (paused, sought) = look?;
            (deployed, sought, paused)
        }
    };
    follow(session, launch, sought, &paused, &deployed, claim).await
}

/// What was applied, from its launch to what became of it.
async fn follow(
    session: &Session,
    launch: &LaunchOptions,
    sought: Sought,
    paused: &Paused,
    deployed: &Deployed,
    claim: &Claim,
) -> anyhow::Result<Verdict> {
    let running = launch_task(session, sought, Some(paused)).await?;
    let digest = Some(&deployed.image.digest);
    let end = follow_task(session, &running, wait(launch), digest).await?;
    let mut verdict = verdict(&end);
    if let Some(change) = stayed_deployed(session, claim, &deployed.outputs).await {
        verdict.also(&change);
    }
    Ok(verdict)
}
