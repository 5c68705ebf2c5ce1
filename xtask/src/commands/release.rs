//! `cargo xtask release`: put back what a hold changed, in an order that a second call can finish.

use crate::cli::{Release, Restore};
use crate::clients::hold::Written;
use crate::clients::terraform::tags::listed;
use crate::commands::run::require_right_account;
use crate::failure::Problem;
use crate::hold::record::{Hold, Moment, Progress, Purpose};
use crate::hold::{self, Found, Me};
use crate::names::ImageTag;
use crate::rounds::RACE;
use crate::session::Session;
use crate::steps::claim::{Claim, me, overtaken, remove, stand};
use crate::steps::protected::require_confirmed;
use crate::steps::require_paused::workflow_states;
use crate::steps::restore::{deploy_commit, main_commit};
use crate::ui::Step;

pub async fn run(args: &Release, session: &Session) -> anyhow::Result<u8> {
    require_confirmed(session)?;
    require_right_account(session).await?;
    let text = release(session, args).await?;
    session.reporter.result(text);
    Ok(0)
}

/// What is deployed first, then the workflows, the record last: whoever is interrupted in between
/// still holds the environment, and a second release goes on where the first one stopped.
pub async fn release(session: &Session, args: &Release) -> anyhow::Result<String> {
    let environment = session.settings.environment.name.to_string();
    let holds = session.holds().await;
    let me = me(session, args.author.as_deref()).await?;
    let (_, standing) = stand(&holds, &me).await;
    let Some(hold) = hold::may_release(standing, args.break_it, &session.flags())? else {
        return Ok(format!("{environment} is not held"));
    };
    if hold.author != me.author {
        session.reporter.warning(
            Step::Hold,
            format!(
                "releasing what {} held: {}",
                hold.author,
                hold::describe(&hold, Moment::now())
            ),
        );
    }
    let mut done = Vec::new();
    // A killed try or deploy paused nothing and owes nothing, but what it deployed may be half.
    let restored = hold.progress == Progress::Restored;
    if !restored && args.restore != Restore::None {
        let claim = Claim::of(&holds, &hold, session.settings.hold_lease).await?;
        let result = restore(session, args.restore, &hold, &claim).await;
        claim.give_back(session).await;
        done.push(result?);
    }
    if args.restore == Restore::None && !hold.tried.is_empty() {
        let tried = listed(&hold.tried);
        done.push(format!("what was tried alone stays deployed: {tried}"));
    }
    if !restored {
        mark_restored(session, &me, &hold).await?;
    }
    let enabled = resume(session, &hold).await?;
    if !enabled.is_empty() {
        done.push(format!("{} enabled", enabled.join(", ")));
    }
    if !remove(&holds, &hold.id).await? {
        return Err(Problem::refused(
            format!("somebody else has taken {environment} while it was released"),
            "see who: cargo xtask status",
        )
        .into());
    }
    warn_if_main_moved(session, args, &hold);
    done.push("nobody holds it".to_owned());
    Ok(format!("{environment} is released: {}", done.join(", ")))
}

async fn restore(
    session: &Session,
    what: Restore,
    hold: &Hold,
    claim: &Claim,
) -> anyhow::Result<String> {
    let (commit, tag) = match what {
        Restore::Main => (main_commit(session)?, None),
        Restore::Previous => previous(hold)?,
        Restore::None => anyhow::bail!("there is nothing to restore"),
    };
    let timer = session.reporter.started(
        Step::Restore,
        format!(
            "deploying {} to {}",
            &commit[..commit.len().min(7)],
            hold.environment
        ),
    );
    let deployed = deploy_commit(session, &commit, tag.as_ref(), claim).await?;
    let deployed = match what {
        Restore::Main => format!(
            "{} ({deployed}) is deployed again",
            session.settings.main_branch
        ),
        _ => format!("{deployed} is deployed again"),
    };
    session.reporter.finished(&timer, &deployed);
    Ok(deployed)
}

/// The commit of the tag that was deployed before, and the tag itself when it says more.
fn previous(hold: &Hold) -> anyhow::Result<(String, Option<ImageTag>)> {
    let tag = hold.previous_tag.as_deref().ok_or_else(|| {
        Problem::failed(
            format!(
                "nothing was deployed to {} before it was held",
                hold.environment
            ),
            "choose another: cargo xtask release --restore main|none",
        )
    })?;
    let tag = ImageTag::parse(tag).map_err(anyhow::Error::msg)?;
    match tag.commit() {
        Some(commit) if commit == tag.as_str() => Ok((commit.to_owned(), None)),
        Some(commit) => Ok((commit.to_owned(), Some(tag.clone()))),
        None => Err(Problem::failed(
            format!("the tag {tag} that was deployed before names no commit"),
            "choose another: cargo xtask release --restore main|none",
        )
        .into()),
    }
}

/// From here on a second release goes on with the workflows, since they may be enabled already.
async fn mark_restored(session: &Session, me: &Me, hold: &Hold) -> anyhow::Result<()> {
    let holds = session.holds().await;
    let mut words = String::new();
    let mut rounds = RACE.rounds(&session.interrupt, "noting what is released");
    while rounds.again().await? {
        let stored = holds.read().await?;
        let now = match &stored.found {
            Found::Record(now) if now.id == hold.id => now.clone(),
            _ => {
                return Err(Problem::refused(
                    "somebody else has taken the environment while it was released",
                    "see who: cargo xtask status",
                )
                .into());
            }
        };
        let marked = Hold {
            progress: Progress::Restored,
            ..now
        };
        match holds.write(&marked.marked(), &stored).await? {
            Written::Done => return Ok(()),
            Written::Overtaken(said) => words = said,
        }
    }
    Err(overtaken(&holds, me, &words).await.into())
}

/// Enables what the hold disabled, and nothing that was disabled before it.
async fn resume(session: &Session, hold: &Hold) -> anyhow::Result<Vec<String>> {
    let mut enabled = Vec::new();
    if hold.pauses.is_empty() {
        return Ok(enabled);
    }
    let github = session.github()?;
    for (file, state) in workflow_states(session).await? {
        if hold.pauses.iter().any(|paused| **paused == *file) && state.starts_with("disabled_") {
            github.enable(&file).await?;
            enabled.push(file.to_string());
        }
    }
    Ok(enabled)
}

/// A push that came while the workflows were still disabled started nothing.
fn warn_if_main_moved(session: &Session, args: &Release, hold: &Hold) {
    if args.restore != Restore::Main || hold.purpose != Purpose::Hold {
        return;
    }
    let before = session
        .git()
        .ok()
        .and_then(|git| git.main_tip(&session.settings.main_branch));
    let now = main_commit(session).ok();
    if let (Some(before), Some(now)) = (before, now)
        && before != now
    {
        session.reporter.warning(
            Step::Restore,
            format!("{} has moved to {} meanwhile, and nothing was started for it: deploy it, or start auto-deploy by hand", session.settings.main_branch, &now[..7]),
        );
    }
}
