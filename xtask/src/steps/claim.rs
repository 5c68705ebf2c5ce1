//! An environment for one process: under a hold of the same person, or by a claim of its own that
//! is renewed while the process lives and given back when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clients::hold::{Holds, Stored, Written};
use crate::clients::process::seen;
use crate::clients::terraform::outputs::Outputs;
use crate::failure::Problem;
use crate::hold::process::Process;
use crate::hold::record::{Hold, Moment, Purpose};
use crate::hold::{self, Found, Me, Standing, Take};
use crate::interrupt::Interrupt;
use crate::rounds::{Bound, RACE};
use crate::session::{Session, env_var};
use crate::steps::preflight::as_problem;
use crate::steps::require_paused::{is_auto_deploy, own_run};
use crate::ui::Step;

/// How a claim of another process is waited for, which ends with that process or with its lease.
const LOOK: Duration = Duration::from_secs(3);
/// A try that is renewed may take longer than this; then the deploy fails, and is started again.
const MIN_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// An environment that is ours for now. [`Claim::give_back`] ends it; a process that is killed
/// leaves a claim that names it, which its owner's next call replaces and which expires.
pub struct Claim {
    holds: Holds,
    id: String,
    /// Made by this process for its own duration; a person's hold outlives the process.
    own: bool,
    /// Tasks that were tried alone under a person's hold, with their tags.
    pub tried: BTreeMap<String, String>,
    renewer: tokio::task::JoinHandle<()>,
}

/// Who this process works for.
pub async fn me(session: &Session, author: Option<&str>) -> anyhow::Result<Me> {
    let identity = session.aws().await.identity().await?.arn;
    // Two runs of CI share an identity and must not take each other for themselves.
    let author = match (author, own_run(&env_var)) {
        (None, Some(run)) => format!("{} run {}", run.workflow, run.id),
        (author, _) => session.author(author),
    };
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    Ok(Me {
        identity,
        author,
        host,
        process: seen::own(),
    })
}

/// What is kept now, and what it is to `me`. What cannot be read is unknown, never free.
pub async fn stand(holds: &Holds, me: &Me) -> (Option<Stored>, Standing) {
    match holds.read().await {
        Ok(stored) => {
            let found = stored.found.clone();
            let standing = hold::standing(found, me, Moment::now(), |of| is_dead(of, me));
            (Some(stored), standing)
        }
        Err(error) => (None, Standing::Unreadable(as_problem(&error).message)),
    }
}

/// The same, when no claim of another process is in the way any more, or after `patience`. Whose hold a
/// person has is not waited for, since that may take days.
pub async fn stand_when_over(
    session: &Session,
    holds: &Holds,
    me: &Me,
    patience: Duration,
) -> anyhow::Result<(Option<Stored>, Standing)> {
    let waiting = "waiting for a deploy or a try to end";
    let mut rounds = Bound::every(LOOK, patience).rounds(&session.interrupt, waiting);
    let mut found = (None, Standing::Free);
    let mut told = String::new();
    while rounds.again().await? {
        found = stand(holds, me).await;
        match &found.1 {
            Standing::Theirs(hold) if hold.purpose != Purpose::Hold => {
                if told != hold.id {
                    told.clone_from(&hold.id);
                    let held = hold::describe(hold, Moment::now());
                    session
                        .reporter
                        .detail(Step::Hold, format!("{waiting}: {held}"));
                }
            }
            _ => break,
        }
    }
    Ok(found)
}

/// Is that process proved dead? Only one of this machine can be.
pub fn is_dead(of: &Process, me: &Me) -> bool {
    of.is_proved_dead(&me.process, seen::seen)
}

/// How long the auto-deploy waits for a claim: one that nobody renews is over by then.
pub fn patience(session: &Session) -> Duration {
    session.settings.hold_lease.max(MIN_PATIENCE) + LOOK
}

/// Takes the environment for this process, or refuses in the words of whoever has it. `seen_free`:
/// nobody had it a moment ago, so that it is not looked at again before it is taken.
pub async fn claim(
    session: &Session,
    me: &Me,
    purpose: Purpose,
    seen_free: bool,
) -> anyhow::Result<Claim> {
    let holds = session.holds().await;
    let lease = session.settings.hold_lease;
    let mut seen_free = seen_free;
    let mut words = String::new();
    let mut rounds = RACE.rounds(&session.interrupt, "taking the environment");
    while rounds.again().await? {
        let (stored, standing) = if std::mem::take(&mut seen_free) {
            (Some(Stored::nothing()), Standing::Free)
        } else {
            stand_for_change(session, &holds, me).await?
        };
        let leftover = matches!(standing, Standing::Leftover(_));
        let take = may_take(session, standing)?;
        let Some(stored) = stored else { continue };
        let environment = session.settings.environment.name.as_str();
        let mut new = Hold::new(me, environment, purpose, lease);
        new.commit = head(session);
        let new = match take {
            Take::Keep(hold) => {
                if hold.expires <= Moment::now() {
                    session.reporter.detail(
                        Step::Hold,
                        "your hold has expired and nobody took it: it is renewed",
                    );
                }
                return Claim::of(&holds, &hold, lease).await;
            }
            Take::Replace(old) => {
                if leftover {
                    session.reporter.warning(
                        Step::Hold,
                        format!("a process of yours ({}) ended without giving {} back: its claim is taken over", old.process, old.environment),
                    );
                }
                new.inherit(&old)
            }
            Take::Create | Take::Break(_) | Take::Overwrite => new,
        };
        match holds.write(&new, &stored).await? {
            Written::Done => {
                session.reporter.detail(
                    Step::Hold,
                    format!("{} is yours while this runs", new.environment),
                );
                return Ok(Claim::began(holds, new.id, lease));
            }
            Written::Overtaken(said) => words = said,
        }
    }
    Err(overtaken(&holds, me, &words).await.into())
}

/// The auto-deploy has its turn after a claim; whoever sits in front of a terminal is told of it.
async fn stand_for_change(
    session: &Session,
    holds: &Holds,
    me: &Me,
) -> anyhow::Result<(Option<Stored>, Standing)> {
    if is_auto_deploy(&session.settings, own_run(&env_var).as_ref()) {
        stand_when_over(session, holds, me, patience(session)).await
    } else {
        Ok(stand(holds, me).await)
    }
}

fn may_take(session: &Session, standing: Standing) -> Result<Take, Problem> {
    let flags = session.flags();
    match own_run(&env_var) {
        Some(own) if is_auto_deploy(&session.settings, Some(&own)) => {
            hold::may_deploy_main(standing, &own.workflow, &flags)
        }
        _ => hold::may_change(standing, &flags),
    }
}

/// After as many attempts as there may be: what was seen, and what is there now.
pub async fn overtaken(holds: &Holds, me: &Me, words: &str) -> Problem {
    let (_, standing) = stand(holds, me).await;
    hold::overtaken(RACE.count(), &holds.place(), words, &standing)
}

impl Claim {
    /// A hold as the ground for changes; it stays when this ends.
    pub async fn of(holds: &Holds, hold: &Hold, lease: Duration) -> anyhow::Result<Self> {
        // What is left of it may be less than a lease.
        extend(holds, &hold.id, lease).await?;
        Ok(Claim {
            holds: holds.clone(),
            id: hold.id.clone(),
            own: false,
            tried: hold.tried.clone(),
            renewer: renew(holds.clone(), hold.id.clone(), lease),
        })
    }

    /// A claim of this process, just written.
    fn began(holds: Holds, id: String, lease: Duration) -> Self {
        Claim {
            renewer: renew(holds.clone(), id.clone(), lease),
            holds,
            id,
            own: true,
            tried: BTreeMap::new(),
        }
    }

    /// Is the environment still ours? Asked before anything is changed in it.
    pub async fn verify(&self) -> Result<(), Problem> {
        let found = self.holds.read().await.map(|stored| stored.found);
        match found {
            Ok(Found::Record(hold)) if hold.id == self.id => Ok(()),
            Ok(Found::Record(hold)) => Err(Problem::refused(
                format!(
                    "the environment was taken while this ran: it {}",
                    hold::describe(&hold, Moment::now())
                        .trim_start_matches(&hold.environment)
                        .trim_start()
                ),
                format!("ask {} what they do", hold.author),
            )),
            Ok(Found::Nothing) => Err(Problem::refused(
                "the hold was released while this ran",
                "look who did it: cargo xtask status",
            )),
            Ok(Found::Garbled(why)) => Err(unknown(&why)),
            Err(error) => Err(unknown(&as_problem(&error).message)),
        }
    }

    /// After an apply: what is deployed for single tasks is of this hold now, since everything else was
    /// taken back. A claim of a process ends before another try could go on from it.
    pub async fn note_tried(&self, session: &Session, outputs: &Outputs) {
        let tried = &outputs.task_docker_tags;
        if self.own || self.tried == *tried {
            return;
        }
        let note = async {
            let mut rounds = RACE.rounds(&Interrupt::never(), "noting what is tried alone");
            while rounds.again().await? {
                let stored = self.holds.read().await?;
                let Found::Record(hold) = &stored.found else {
                    return Ok(());
                };
                if hold.id != self.id {
                    return Ok(());
                }
                let noted = Hold {
                    tried: tried.clone(),
                    ..hold.clone()
                };
                if self.holds.write(&noted.marked(), &stored).await? == Written::Done {
                    return Ok(());
                }
            }
            anyhow::bail!("others were faster each time")
        };
        if let Err(error) = note.await {
            session.reporter.warning(
                Step::Hold,
                format!("the hold does not say what is tried alone, so that the next try takes it back: {error:#}"),
            );
        }
    }

    /// Ends a claim of this process; a person's hold stays.
    pub async fn give_back(self, session: &Session) {
        self.renewer.abort();
        if !self.own {
            return;
        }
        let problem = match remove(&self.holds, &self.id).await {
            Ok(true) => return,
            Ok(false) => "somebody else has taken the environment meanwhile".to_owned(),
            Err(error) => format!("the claim could not be given back and will expire: {error:#}"),
        };
        session.reporter.warning(Step::Hold, problem);
    }
}

fn unknown(why: &str) -> Problem {
    Problem::refused(
        format!("nobody can tell whether the environment is still yours: {why}"),
        "look at it: cargo xtask status",
    )
}

/// Removes the record with this ID; false when another one is there. Also after an interrupt: what is
/// ours must not stay.
pub async fn remove(holds: &Holds, id: &str) -> anyhow::Result<bool> {
    let mut words = String::new();
    let mut rounds = RACE.rounds(&Interrupt::never(), "giving the environment back");
    while rounds.again().await? {
        let stored = holds.read().await?;
        match &stored.found {
            Found::Nothing => return Ok(true),
            Found::Record(hold) if hold.id == id => match holds.remove(&stored).await? {
                Written::Done => return Ok(true),
                Written::Overtaken(said) => words = said,
            },
            Found::Record(_) | Found::Garbled(_) => return Ok(false),
        }
    }
    anyhow::bail!(
        "{} could not be removed in {} attempts, although it is still ours: {words}",
        holds.place(),
        RACE.count()
    )
}

/// Renews three times a lease. A renewal that fails is no error yet: whoever is about to change
/// something asks [`Claim::verify`].
fn renew(holds: Holds, id: String, lease: Duration) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(lease / 3).await;
            let _ = extend(&holds, &id, lease).await;
        }
    })
}

/// Sees to it that the hold lasts for a lease from now, if it is still the one with this ID.
async fn extend(holds: &Holds, id: &str, lease: Duration) -> anyhow::Result<()> {
    let mut rounds = RACE.rounds(&Interrupt::never(), "renewing the hold");
    while rounds.again().await? {
        let stored = holds.read().await?;
        let Found::Record(hold) = &stored.found else {
            return Ok(());
        };
        let expires = Moment::now().after(lease);
        if hold.id != id || hold.expires >= Moment::now().after(lease * 2 / 3) {
            return Ok(());
        }
        let renewed = Hold {
            expires,
            ..hold.clone()
        };
        if holds.write(&renewed.marked(), &stored).await? == Written::Done {
            return Ok(());
        }
    }
    Ok(())
}

/// HEAD, for people who wonder what is being tried.
pub fn head(session: &Session) -> Option<String> {
    let head = session.git().ok()?.head().ok()?;
    Some(head.sha.to_string())
}
