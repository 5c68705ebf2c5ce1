//! A person's hold: the record first, then the workflows that it pauses, then a look whether
//! anything of them still runs.

use std::time::{Duration, Instant};

use crate::clients::hold::{Holds, Written};
use crate::failure::Problem;
use crate::hold::record::{Hold, Moment, Progress, Purpose};
use crate::hold::{self, Me, Standing, Take};
use crate::names::github::WorkflowFile;
use crate::session::Session;
use crate::steps::claim::{head, me, remove, stand};
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
    let started = Instant::now();
    let environment = session.settings.environment.name.as_str();
    let flags = session.flags();
    loop {
        let (stored, standing) = stand(holds, me).await;
        if wanted.wait && may_end_by_itself(&standing) && started.elapsed() < MAX_WAIT {
            pause_for(session, "a deploy or a try to end").await?;
            continue;
        }
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
        let new = match take {
            Take::Create => new,
            Take::Keep(old) => Hold {
                id: old.id.clone(),
                since: old.since,
                reason: wanted.reason.clone().or_else(|| old.reason.clone()),
                workflows: old.workflows.clone(),
                progress: Progress::Held,
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
        };
        if holds.write(&new, &stored).await? == Written::Done {
            return Ok((new, place));
        }
    }
}

/// A claim of a process ends when the process does; a person's hold may take days.
fn may_end_by_itself(standing: &Standing) -> bool {
    matches!(standing, Standing::Theirs(hold) if hold.purpose != Purpose::Hold)
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

/// A hold that could not pause anything is none: everything as it was before.
async fn undo(session: &Session, holds: &Holds, hold: &Hold, workflows: &[(WorkflowFile, String)]) {
    let undone = async {
        let github = session.github()?;
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
    let started = Instant::now();
    loop {
        let state = look(session).await;
        if !wait || !matches!(state, AutoDeploy::Live { .. }) || started.elapsed() >= MAX_WAIT {
            return Ok(state);
        }
        pause_for(session, "a live run of auto-deploy to end").await?;
    }
}

async fn pause_for(session: &Session, what: &str) -> anyhow::Result<()> {
    session
        .reporter
        .detail(Step::Hold, format!("waiting for {what}"));
    let mut interrupt = session.interrupt.clone();
    tokio::select! {
        () = tokio::time::sleep(WAIT_PAUSE) => Ok(()),
        () = interrupt.requested() => Err(Problem::interrupted(format!("interrupted while waiting for {what}")).into()),
    }
}
