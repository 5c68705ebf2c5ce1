//! Who may do what while an environment is held: (the record, me, now) → a decision. Pure.

pub mod process;
pub mod record;

use std::time::Duration;

use crate::clients::terraform::tags::listed;
use crate::failure::Problem;
use process::Process;
use record::{Hold, Moment, Purpose};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The ARN that STS gives.
    pub identity: String,
    pub author: String,
    pub host: String,
    pub process: Process,
}

/// What was read where the record is kept.
#[expect(clippy::large_enum_variant, reason = "one is read at a time")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Record(Hold),
    /// There is something, and this is what is wrong with it.
    Garbled(String),
}

/// An environment as one person finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Free,
    /// My hold, expired or not: nobody has taken it.
    Mine(Hold),
    /// The claim of a process of mine, on this machine, that is proved dead.
    Leftover(Hold),
    /// Somebody's, but its time is over.
    Expired(Hold),
    Theirs(Hold),
    Unreadable(String),
}

/// `is_dead` tells whether a process of this machine is proved dead.
pub fn standing(
    found: Found,
    me: &Me,
    now: Moment,
    is_dead: impl Fn(&Process) -> bool,
) -> Standing {
    let hold = match found {
        Found::Nothing => return Standing::Free,
        Found::Garbled(why) => return Standing::Unreadable(why),
        Found::Record(hold) => hold,
    };
    if hold.purpose == Purpose::Hold && is_mine(&hold, me) {
        return Standing::Mine(hold);
    }
    let local = hold.host == me.host && is_mine(&hold, me);
    if hold.purpose != Purpose::Hold && local && is_dead(&hold.process()) {
        return Standing::Leftover(hold);
    }
    if hold.expires <= now {
        Standing::Expired(hold)
    } else {
        Standing::Theirs(hold)
    }
}

/// The same author with the same identity. A role's session may be named anew with every login:
/// the role on the same host is then enough.
fn is_mine(hold: &Hold, me: &Me) -> bool {
    let same_role = role(&hold.identity) == role(&me.identity) && hold.host == me.host;
    hold.author == me.author && (hold.identity == me.identity || same_role)
}

/// `…:assumed-role/NAME` without the session; the whole ARN for everybody else.
fn role(arn: &str) -> &str {
    match arn.rsplit_once('/') {
        Some((role, _)) if arn.contains(":assumed-role/") => role,
        _ => arn,
    }
}

/// What `hold`, or a loop that needs the environment, does with a standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// Nobody has it: create the record.
    Create,
    /// It is mine already: go on with it.
    Keep(Hold),
    /// Take the place of this one; its duties come along.
    Replace(Hold),
    /// Break the hold of somebody who has it.
    Break(Hold),
    /// Write over what cannot be read.
    Overwrite,
}

/// May a person reserve the environment?
pub fn may_hold(standing: Standing, break_it: bool, flags: &str) -> Result<Take, Problem> {
    match standing {
        Standing::Free => Ok(Take::Create),
        Standing::Mine(hold) => Ok(Take::Keep(hold)),
        Standing::Leftover(hold) | Standing::Expired(hold) => Ok(Take::Replace(hold)),
        Standing::Theirs(hold) if break_it => Ok(Take::Break(hold)),
        Standing::Theirs(hold) => Err(held_by(&hold, Moment::now(), flags)),
        Standing::Unreadable(_) if break_it => Ok(Take::Overwrite),
        Standing::Unreadable(why) => Err(unreadable(&why, flags)),
    }
}

/// May a loop change what is deployed, under a hold of mine or a claim of its own?
pub fn may_change(standing: Standing, flags: &str) -> Result<Take, Problem> {
    match standing {
        Standing::Free => Ok(Take::Create),
        Standing::Mine(hold) => Ok(Take::Keep(hold)),
        Standing::Leftover(hold) => Ok(Take::Replace(hold)),
        Standing::Expired(hold) if !hold.owes() => Ok(Take::Replace(hold)),
        Standing::Expired(hold) => Err(Problem::refused(
            format!(
                "{}'s hold on {} expired {} ago and was not released: what it deployed and paused is still there",
                hold.author,
                hold.environment,
                period(hold.expires.until(Moment::now()))
            ),
            format!(
                "put main back:     cargo xtask release{flags}\nor take it over:   cargo xtask hold{flags}"
            ),
        )),
        Standing::Theirs(hold) => Err(held_by(&hold, Moment::now(), flags)),
        Standing::Unreadable(why) => Err(unreadable(&why, flags)),
    }
}

/// May the auto-deploy `workflow` deploy main? An expired hold owes just that, and this workflow,
/// which evidently runs again.
pub fn may_deploy_main(standing: Standing, workflow: &str, flags: &str) -> Result<Take, Problem> {
    match standing {
        Standing::Expired(hold) if hold.pauses.iter().all(|file| file == workflow) => {
            Ok(Take::Replace(hold))
        }
        other => may_change(other, flags),
    }
}

/// What a release may put back and remove; None when nobody holds the environment.
pub fn may_release(
    standing: Standing,
    break_it: bool,
    flags: &str,
) -> Result<Option<Hold>, Problem> {
    match standing {
        Standing::Free => Ok(None),
        Standing::Mine(hold) | Standing::Leftover(hold) | Standing::Expired(hold) => Ok(Some(hold)),
        Standing::Theirs(hold) if break_it => Ok(Some(hold)),
        Standing::Theirs(hold) => Err(Problem {
            hint: Some(format!(
                "ask {}, or wait; `cargo xtask release --break{flags}` releases it all the same",
                hold.author
            )),
            ..held_by(&hold, Moment::now(), flags)
        }),
        Standing::Unreadable(why) => Err(unreadable(&why, flags)),
    }
}

/// The refusal that everybody else meets.
pub fn held_by(hold: &Hold, now: Moment, flags: &str) -> Problem {
    let hint = match hold.purpose {
        Purpose::Hold => format!(
            "ask {}, or wait; if nobody answers, take it: cargo xtask hold --break{flags}",
            hold.author
        ),
        Purpose::Try | Purpose::Deploy => format!(
            "wait until it has ended: cargo xtask hold --wait{flags}\nif its process {} on {} is gone, the environment is free in {} by itself\nwhat is deployed already can be run all the same: cargo xtask run TASK{flags}",
            hold.process,
            hold.host,
            period(now.until(hold.expires))
        ),
    };
    Problem::refused(describe(hold, now), hint)
}

/// The record could not be written, although every look said that it may be: `writes` of them were
/// refused in AWS's `words`, and the last look afterwards found `standing`.
pub fn overtaken(writes: u32, place: &str, words: &str, standing: &Standing) -> Problem {
    let found = match standing {
        Standing::Free => "nobody there".to_owned(),
        Standing::Mine(_) => "your own hold there".to_owned(),
        Standing::Leftover(hold) | Standing::Expired(hold) | Standing::Theirs(hold) => {
            describe(hold, Moment::now())
        }
        Standing::Unreadable(why) => format!("what nobody can read: {why}"),
    };
    Problem::refused(
        format!(
            "{writes} writes to {place} were refused, as if somebody else had been faster each time ({words}), and the last look found {found}"
        ),
        "if others are at it, run the command again; if not, see what the bucket's policy and its replication refuse, and whether its store knows If-Match and If-None-Match",
    )
}

/// One sentence: who, since when, until when, why.
pub fn describe(hold: &Hold, now: Moment) -> String {
    let holds = match hold.purpose {
        Purpose::Hold => "is held by",
        Purpose::Try => "is in use by a try of",
        Purpose::Deploy => "is being deployed to by",
    };
    let until = if hold.expires <= now {
        format!("expired {} ago", period(hold.expires.until(now)))
    } else {
        format!(
            "until {} (in {})",
            hold.expires,
            period(now.until(hold.expires))
        )
    };
    let reason = match &hold.reason {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    };
    let tried = match hold.tried.is_empty() {
        true => String::new(),
        false => format!("; tried alone: {}", listed(&hold.tried)),
    };
    let sentence = format!(
        "{} {holds} {} ({} on {}) since {} ({} ago), {until}{reason}{tried}",
        hold.environment,
        hold.author,
        hold.identity,
        hold.host,
        hold.since,
        period(hold.since.until(now)),
    );
    // One line, whatever somebody has written: a second one would look like the tool's own.
    let words: Vec<&str> = sentence.split_whitespace().collect();
    words.join(" ")
}

fn unreadable(why: &str, flags: &str) -> Problem {
    Problem::refused(
        format!("nobody can tell who holds the environment: {why}"),
        format!("look at the object, or write over it: cargo xtask hold --break{flags}"),
    )
}

/// A period for people: whole seconds below two minutes, else hours and minutes.
pub fn period(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
