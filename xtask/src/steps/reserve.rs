//! A person's hold: the record first, then the workflows that it pauses, then a look whether
//! anything of them still runs.

use std::time::Duration;

use crate::clients::hold::{Holds, Written};
use crate::failure::Problem;
use crate::hold::record::{Hold, Moment, Progress, Purpose};
use crate::hold::{self, Me, Take};
use crate::names::github::WorkflowFile;
use crate::rounds::{Bound, RACE};
use crate::session::Session;
use crate::steps::claim::{head, me, overtaken, remove, stand, stand_when_over};
use crate::steps::require_paused::{AutoDeploy, look, workflow_states};
use crate::ui::Step;

/// How long `--wait` waits, and how often it looks.
const MAX_WAIT: Duration = Duration::from_secs(3600);
const WAIT_PAUSE: Duration = Duration::from_secs(3);

pub struct Wanted {
    pub length: Duration,
    pub reason: Option<String>,
    pub author: Option<String>,
    pub break_it: bool,
    pub wait: bool,
}

/// A hold that is written, with its workflows disabled.
pub struct Reserved {
    pub hold: Hold,
    /// It was there before, and only has a new time.
    pub kept: bool,
}

/// Reserves the environment and pauses its auto-deploy.
pub async fn reserve(session: &Session, wanted: &Wanted) -> anyhow::Result<Reserved> {
    let environment = &session.settings.environment.name;
    let timer = session
        .reporter
        .started(Step::Hold, format!("reserving {environment}"));
    let me = me(session, wanted.author.as_deref()).await?;
    // An unknown state refuses before anything is changed: it could not be put back.
    let workflows = workflow_states(session).await?;
    let holds = session.holds().await;
    let (hold, place) = write(session, &holds, &me, &workflows, wanted).await?;
    if let Err(error) = pause(session, &hold, &workflows).await {
        if place == Place::Empty {
            undo(session, &holds, &hold, &workflows).await;
        }
        return Err(error);
    }
    let state = wait_for_quiet(session, wanted.wait).await?;
    session
        .reporter
        .finished(&timer, hold::describe(&hold, Moment::now()));
    match &state {
        AutoDeploy::Live { runs } => session.reporter.warning(
            Step::Pause,
            format!(
                "auto-deploy is disabled, but still running: {}\nnothing is applied before that has ended; `hold --wait` waits for it",
                runs.join(", ")
            ),
        ),
        AutoDeploy::Unknown(problem) => session.reporter.warning(
            Step::Pause,
            format!("nobody can tell whether a run of auto-deploy is live, and nothing is applied before that is known: {}", problem.message),
        ),
        _ => session.reporter.detail(
            Step::Pause,
            format!("auto-deploy: {}", state.describe()),
        ),
    }
    Ok(Reserved {
        hold,
        kept: place == Place::Mine,
    })
}

/// What was there before the record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Empty,
    Mine,
    Theirs,
}

/// Writes the record.
async fn write(
    session: &Session,
    holds: &Holds,
    me: &Me,
    workflows: &[(WorkflowFile, String)],
    wanted: &Wanted,
) -> anyhow::Result<(Hold, Place)> {
    let environment = session.settings.environment.name.as_str();
    let flags = session.flags();
    let mut words = String::new();
    let mut rounds = RACE.rounds(&session.interrupt, format!("reserving {environment}"));
    while rounds.again().await? {
        let (stored, standing) = match wanted.wait {
            true => stand_when_over(session, holds, me, MAX_WAIT).await?,
            false => stand(holds, me).await,
        };
        let take = hold::may_hold(standing, wanted.break_it, &flags)?;
        let Some(stored) = stored else {
            return Err(Problem::refused(
                "the record of the hold cannot be read, and so not be broken",
                "see `cargo xtask status` for why",
            )
            .into());
        };
        let mut new = Hold::new(me, environment, Purpose::Hold, wanted.length);
        new.reason.clone_from(&wanted.reason);
        new.commit = head(session);
        new.workflows = recorded(workflows);
        new.pauses = active(workflows).map(ToString::to_string).collect();
        let place = match &take {
            Take::Create => Place::Empty,
            Take::Keep(_) => Place::Mine,
            Take::Replace(_) | Take::Break(_) | Take::Overwrite => Place::Theirs,
        };
        if place != Place::Mine {
            new.previous_tag = deployed_tag(holds).await?;
        }
        let new = in_place_of(session, new, take, wanted);
        match holds.write(&new, &stored).await? {
            Written::Done => return Ok((new, place)),
            Written::Overtaken(said) => words = said,
        }
    }
    Err(overtaken(holds, me, &words).await.into())
}

/// The new record with what it takes over from the one that is there.
fn in_place_of(session: &Session, new: Hold, take: Take, wanted: &Wanted) -> Hold {
    match take {
        Take::Create => new,
        Take::Keep(old) => Hold {
            id: old.id.clone(),
            since: old.since,
            reason: wanted.reason.clone().or_else(|| old.reason.clone()),
            workflows: old.workflows.clone(),
            progress: Progress::Held,
            tried: old.tried.clone(),
            ..new.inherit(&old)
        },
        Take::Replace(old) => new.inherit(&old),
        Take::Break(old) => {
            session.reporter.warning(
                Step::Hold,
                format!("breaking a hold: {}", hold::describe(&old, Moment::now())),
            );
            new.inherit(&old).breaking(&old)
        }
        Take::Overwrite => {
            session.reporter.warning(
                Step::Hold,
                "writing over a record that cannot be read: what it had paused stays paused",
            );
            new
        }
    }
}

fn active(workflows: &[(WorkflowFile, String)]) -> impl Iterator<Item = &WorkflowFile> {
    let active = workflows.iter().filter(|(_, state)| state == "active");
    active.map(|(file, _)| file)
}

fn recorded(workflows: &[(WorkflowFile, String)]) -> Vec<(String, String)> {
    let recorded = workflows.iter();
    recorded
        .map(|(file, state)| (file.to_string(), state.clone()))
        .collect()
}

async fn deployed_tag(holds: &Holds) -> anyhow::Result<Option<String>> {
    let outputs = holds.deployed_outputs().await?;
    let tag = outputs.map(|outputs| outputs["service_docker_tag"]["value"].clone());
    Ok(tag.and_then(|tag| tag.as_str().map(str::to_owned)))
}

async fn pause(
    session: &Session,
    hold: &Hold,
    workflows: &[(WorkflowFile, String)],
) -> anyhow::Result<()> {
    let paused = |file: &WorkflowFile| hold.pauses.iter().any(|paused| **paused == **file);
    let active: Vec<&WorkflowFile> = active(workflows).filter(|file| paused(file)).collect();
    if active.is_empty() {
        return Ok(());
    }
    let github = session.github()?;
    for file in active {
        github.disable(file).await?;
    }
    Ok(())
}

/// A hold that could not pause anything is none: everything as it was before, also after an interrupt.
async fn undo(session: &Session, holds: &Holds, hold: &Hold, workflows: &[(WorkflowFile, String)]) {
    let undone = async {
        let github = session.unhurried().github()?;
        for (file, state) in workflows {
            if state == "active" && github.workflow(file).await?.state != "active" {
                github.enable(file).await?;
            }
        }
        remove(holds, &hold.id).await
    };
    if let Err(error) = undone.await {
        session.reporter.warning(
            Step::Hold,
            format!("the hold stays, since not everything could be undone (`cargo xtask release` tries again): {error:#}"),
        );
    }
}

/// With `wait` until no run is live; otherwise one look.
pub async fn wait_for_quiet(session: &Session, wait: bool) -> anyhow::Result<AutoDeploy> {
    let what = "waiting for a live run of auto-deploy to end";
    let time = if wait { MAX_WAIT } else { Duration::ZERO };
    let mut rounds = Bound::every(WAIT_PAUSE, time).rounds(&session.interrupt, what);
    let mut state = AutoDeploy::None;
    while rounds.again().await? {
        state = look(session).await;
        if !matches!(state, AutoDeploy::Live { .. }) {
            break;
        }
        if wait {
            session.reporter.detail(Step::Hold, what);
        }
    }
    Ok(state)
}
