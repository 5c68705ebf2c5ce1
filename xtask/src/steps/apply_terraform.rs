//! Plan while the image is built, apply when it is in: the task definitions of the environment.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::SystemTime;

use crate::clients::state::Version;
use crate::clients::terraform::outputs::Outputs;
use crate::clients::terraform::tags::{Tags, listed};
use crate::clients::terraform::{Basis, Reading, Said, SavedPlan, StalePlan, Thoroughness};
use crate::failure::{Problem, all_clear};
use crate::names::{ImageTag, short_tag};
use crate::plan::Plan;
use crate::plan::in_common::InCommon;
use crate::plan::reach::Reach;
use crate::session::Session;
use crate::steps::applied::remember;
use crate::steps::launch_task::Wishes;
use crate::steps::own_tags::deployed;
use crate::steps::push_image::PushedImage;
use crate::steps::require_paused::Paused;
use crate::steps::saved_plan;
use crate::ui::{Step, plural::count};

/// An environment whose task definitions name the pushed image.
#[derive(Debug)]
pub struct Deployed {
    pub outputs: Outputs,
    pub image: PushedImage,
}

/// The deployed definition may name another commit of the same content: then the task is told which
/// one is tried, for its log. A wish of the user's own goes first.
pub fn name_what_is_tried(
    mut wishes: Wishes,
    outputs: &Outputs,
    task: &str,
    tried: &ImageTag,
) -> Wishes {
    if outputs.tag_of(task) != tried.as_str() {
        let variable = ("SERVICE_DOCKER_TAG".to_owned(), tried.to_string());
        wishes.environment.insert(0, variable);
    }
    wishes
}

/// `terraform init` when needed, then a saved plan. Changes nothing, so that it may run beside the build.
pub async fn plan_terraform(
    session: &Session,
    reach: &Reach,
    tag: &ImageTag,
) -> anyhow::Result<SavedPlan> {
    let deployed = match reach {
        Reach::Whole => None,
        Reach::Only { .. } => deployed(session).await?,
    };
    let tags = reach.tags(tag.as_str(), deployed.as_ref().map(|it| &it.tags));
    let seen = deployed.and_then(|deployed| deployed.seen);
    planned(session, &tags, seen, Thoroughness::FULL).await
}

/// `seen` is the state that the tags were read from, if they were.
async fn planned(
    session: &Session,
    tags: &Tags,
    seen: Option<Version>,
    how: Thoroughness,
) -> anyhow::Result<SavedPlan> {
    // Also for what has no preflight of its own: a release.
    all_clear(session.misleading_terraform())?;
    let timer = session.reporter.started(
        Step::Plan,
        format!(
            "terraform plan in {}",
            session.settings.environment.terraform_root.display()
        ),
    );
    let terraform = session.terraform();
    if terraform
        .init(&session.interrupt, |line| {
            session.reporter.output(Step::Plan, line);
        })
        .await?
    {
        session
            .reporter
            .detail(Step::Plan, "terraform is initialised");
    }
    // Before the plan: a file that changes from here on makes the next loop plan again, and a state
    // that does makes this plan one of the past.
    let now = SystemTime::now();
    let state = async {
        match seen {
            Some(seen) => Some(seen),
            None => state_now(session).await,
        }
    };
    let (inputs, state) = tokio::join!(session.plan_inputs(), state);
    let mut plan = saved_plan::make(session, &terraform, tags, how).await?;
    plan.basis = inputs.map(|inputs| Basis {
        inputs,
        contents: BTreeMap::new(),
        refreshed: now,
    });
    plan.state = state;
    session.reporter.finished(&timer, plan.change.summary());
    Ok(plan)
}

/// None when there is no state, or nobody can tell.
async fn state_now(session: &Session) -> Option<Version> {
    session.state().await.version().await.ok().flatten()
}

/// Is the plan still one of the present, now that the environment is ours? Nothing was held while it
/// was made. Terraform itself refuses a plan of changes that has become stale; one of nothing it is not
/// shown again, and one for a task alone has tags in it that were read before Terraform looked.
pub async fn is_current(session: &Session, plan: &SavedPlan, reach: &Reach) -> bool {
    let changes = plan.unchanged().is_none();
    let is_judged = changes && *reach == Reach::Whole;
    is_judged || (plan.state.is_some() && plan.state == state_now(session).await)
}

/// Another plan, for one that is not current.
pub async fn plan_again(
    session: &Session,
    reach: &Reach,
    tag: &ImageTag,
    yes: bool,
) -> anyhow::Result<SavedPlan> {
    session.reporter.warning(
        Step::Plan,
        "the state is no longer the one that this was planned from: planning again",
    );
    let plan = plan_terraform(session, reach, tag).await?;
    confirm(session, &plan, yes)?;
    Ok(plan)
}

/// As little planning as the last apply, if it still stands, leaves to be done.
pub async fn plan_from(session: &Session, plan: &Plan, yes: bool) -> anyhow::Result<SavedPlan> {
    let how = |reading| Thoroughness {
        refresh: false,
        reading: if is_unasked(session, yes) {
            reading
        } else {
            Reading::Values
        },
    };
    let (tags, how, refreshed) = match &plan.in_common {
        InCommon::All(outputs, state) => {
            session.reporter.skipped(Step::Plan, plan.terraform().why());
            return Ok(SavedPlan::as_applied((**outputs).clone(), state.clone()));
        }
        // The definitions go on naming the image as they do: only what changes is registered anew.
        InCommon::Image { applied, refreshed } => {
            (applied, how(Reading::SameImages), Some(*refreshed))
        }
        InCommon::Inputs { tags, refreshed } => (tags, how(Reading::NewImages), Some(*refreshed)),
        InCommon::Nothing => (&plan.tags, Thoroughness::FULL, None),
    };
    let seen = plan.seen.clone().filter(|_| plan.reach != Reach::Whole);
    let mut saved = planned(session, tags, seen, how).await?;
    if let Some(basis) = &mut saved.basis {
        basis.contents.clone_from(&plan.contents);
        basis.refreshed = refreshed.unwrap_or(basis.refreshed);
    }
    Ok(saved)
}

/// Nobody shares the sandbox: there is nobody to ask for.
fn is_unasked(session: &Session, yes: bool) -> bool {
    yes || session.sandbox.is_some()
}

/// Asks about a plan that changes more than images. Nothing has been changed yet.
pub fn confirm(session: &Session, plan: &SavedPlan, yes: bool) -> anyhow::Result<()> {
    if plan.change.only_images() {
        return Ok(());
    }
    let environment = &session.settings.environment.name;
    let deleted = plan.change.deleted_tasks();
    if !deleted.is_empty() {
        let behind = session
            .git()
            .ok()
            .and_then(|git| git.behind(&session.settings.main_branch))
            .unwrap_or_default();
        let why = if behind > 0 {
            format!("; this branch lacks {}", count(behind, "commit"))
        } else {
            String::new()
        };
        session.reporter.warning(
            Step::Plan,
            format!(
                "this deletes {} from {environment}: {}{why}",
                count(deleted.len(), "task"),
                deleted.join(", ")
            ),
        );
    }
    if is_unasked(session, yes) {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Problem::refused(
            format!("the plan changes more in {environment} than images, and nobody can be asked"),
            "look at the plan above, then add --yes",
        )
        .into());
    }
    ask(session)
}

fn ask(session: &Session) -> anyhow::Result<()> {
    let environment = &session.settings.environment.name;
    let answer = session
        .reporter
        .ask(&format!("apply this to {environment}? [y/N] "))?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Problem::refused("the plan was not agreed to", "nothing was changed").into())
    }
}

/// Applies the saved plan. It takes the image, since a definition must not name one that is not
/// there, and the proof that auto-deploy is paused. A plan that somebody's apply has made stale (a
/// killed call's Terraform that was still writing, for one) is made again, once, and is asked about
/// unless `yes`.
pub async fn apply_terraform(
    session: &Session,
    plan: SavedPlan,
    image: PushedImage,
    reach: &Reach,
    paused: &Paused,
    yes: bool,
) -> anyhow::Result<Deployed> {
    match apply_once(session, plan, &image, paused).await {
        Err(error) if error.downcast_ref::<StalePlan>().is_some() => {
            let why = format!("{StalePlan}: planning again");
            session.reporter.warning(Step::Apply, why);
            let plan = plan_terraform(session, reach, &image.tag).await?;
            confirm(session, &plan, yes)?;
            apply_once(session, plan, &image, paused).await
        }
        applied => applied,
    }
}

/// What the next call goes on from is in the outputs.
fn require_known(tags: &Tags, outputs: &Outputs) -> Result<(), Problem> {
    if tags.own == outputs.task_docker_tags {
        return Ok(());
    }
    Err(Problem::failed(
        format!(
            "{} got tags of their own, but the output task_docker_tags does not say so",
            listed(&tags.own)
        ),
        "the output must be what the variable is: see infra/ecs-tasks/README.md",
    ))
}

async fn apply_once(
    session: &Session,
    plan: SavedPlan,
    image: &PushedImage,
    _paused: &Paused,
) -> anyhow::Result<Deployed> {
    // No await from here to the report: a watch that gives up a loop sees an apply that has begun.
    session.interrupt.check("the apply: nothing was changed")?;
    let basis = plan.basis.clone();
    let tags = plan.tags.clone();
    if plan.change.is_empty() {
        session.reporter.skipped(Step::Apply, "nothing changes");
    }
    let changes = plan.change.changes.len();
    let applies = !plan.change.is_empty();
    let timer = applies.then(|| {
        session
            .reporter
            .started(Step::Apply, count(changes, "change"))
    });
    let mut done = 0;
    let total = u64::try_from(changes).ok();
    let outputs = session
        .terraform()
        .apply(plan, &session.interrupt, |said| {
            let (Said::Line(line) | Said::Applied(line)) = said;
            session.reporter.output(Step::Apply, line);
            if let Said::Applied(what) = said {
                done += 1;
                session.reporter.progress(Step::Apply, done, total, what);
            }
        })
        .await?;
    if let Some(timer) = timer {
        let own = match outputs.task_docker_tags.is_empty() {
            true => String::new(),
            false => format!("; alone: {}", listed(&outputs.task_docker_tags)),
        };
        session.reporter.finished(
            &timer,
            format!(
                "service_docker_tag is {}{own}",
                short_tag(&outputs.service_docker_tag)
            ),
        );
    }
    require_known(&tags, &outputs)?;
    if let Some(basis) = basis
        && let Err(error) = remember(session, &basis, &outputs).await
    {
        // The apply was a success all the same; it is only the next loop that has to plan.
        let why = format!("the next loop will plan in full: {error:#}");
        session.reporter.detail(Step::Apply, why);
    }
    Ok(Deployed {
        outputs,
        image: image.clone(),
    })
}
