//! What a hold says of itself: the JSON object beside the Terraform state.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Me;
use super::process::Process;

/// The form of the record; another one is unreadable, and unreadable refuses.
const FORMAT: u32 = 1;

/// A point in time, to the second, as RFC 3339 says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(SystemTime);

impl Moment {
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs();
        Moment(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    pub fn after(self, duration: Duration) -> Self {
        Moment(self.0 + duration)
    }

    /// How long ago `self` was at `now`; zero for what is still to come.
    pub fn until(self, now: Moment) -> Duration {
        now.0.duration_since(self.0).unwrap_or_default()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = humantime::TimestampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        humantime::parse_rfc3339_weak(&text).map(Moment)
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        humantime::format_rfc3339_seconds(self.0).fmt(f)
    }
}

/// What an environment is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A person reserved it, until `release`.
    Hold,
    /// One process claims it for its own duration: a `try` …
    Try,
    /// … or a deploy.
    Deploy,
}

/// Whose hold was broken by this one, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    pub author: String,
    pub identity: String,
    pub since: Moment,
    pub reason: Option<String>,
    pub broken: Moment,
}

/// How far a release has come, so that a second one goes on from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    #[default]
    Held,
    /// What was asked for is deployed; the workflows are next.
    Restored,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub format: u32,
    /// One claim has one, from its creation to its end.
    pub id: String,
    /// Another one with every write: no two writes have the same ETag, and a writer whose answer
    /// was lost finds its own write again.
    pub write: String,
    pub purpose: Purpose,
    pub environment: String,
    /// The ARN that STS gave.
    pub identity: String,
    pub author: String,
    pub host: String,
    /// The process on that host; with the next two it tells a `try` at work from one that was killed.
    pub process: u32,
    #[serde(default)]
    pub process_started: Option<String>,
    #[serde(default)]
    pub boot: Option<String>,
    pub since: Moment,
    pub expires: Moment,
    pub reason: Option<String>,
    /// HEAD of the holder's clone.
    pub commit: Option<String>,
    /// The service_docker_tag that was deployed; None when nothing was.
    pub previous_tag: Option<String>,
    /// Each auto-deploy workflow with the state in which it was found.
    pub workflows: Vec<(String, String)>,
    /// Those of them that this hold disables, and release enables.
    pub pauses: Vec<String>,
    pub progress: Progress,
    /// Tasks that were tried alone under this hold, and the tags that they have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tried: BTreeMap<String, String>,
    pub broke: Vec<Broken>,
}

impl Hold {
    pub fn new(me: &Me, environment: &str, purpose: Purpose, length: Duration) -> Self {
        let now = Moment::now();
        Hold {
            format: FORMAT,
            id: nonce(),
            write: nonce(),
            purpose,
            environment: environment.to_owned(),
            identity: me.identity.clone(),
            author: me.author.clone(),
            host: me.host.clone(),
            process: me.process.id,
            process_started: me.process.started.clone(),
            boot: me.process.boot.clone(),
            since: now,
            expires: now.after(length),
            reason: None,
            commit: None,
            previous_tag: None,
            workflows: Vec::new(),
            pauses: Vec::new(),
            progress: Progress::Held,
            tried: BTreeMap::new(),
            broke: Vec::new(),
        }
    }

    /// Who wrote it.
    pub fn process(&self) -> Process {
        Process {
            id: self.process,
            started: self.process_started.clone(),
            boot: self.boot.clone(),
        }
    }

    /// The text that is written, under a new mark.
    pub fn marked(mut self) -> Self {
        self.write = nonce();
        self
    }

    /// Takes the duties of a hold that this one replaces: what was deployed before it, and the
    /// workflows that it disabled and nobody has enabled since.
    pub fn inherit(mut self, old: &Hold) -> Self {
        self.previous_tag.clone_from(&old.previous_tag);
        for file in &old.pauses {
            if !self.pauses.contains(file) {
                self.pauses.push(file.clone());
            }
        }
        self.broke.clone_from(&old.broke);
        self
    }

    /// Remembers whose hold it broke.
    pub fn breaking(mut self, old: &Hold) -> Self {
        self.broke.push(Broken {
            author: old.author.clone(),
            identity: old.identity.clone(),
            since: old.since,
            reason: old.reason.clone(),
            broken: Moment::now(),
        });
        self
    }

    /// Has it something to put back?
    pub fn owes(&self) -> bool {
        self.purpose == Purpose::Hold || !self.pauses.is_empty()
    }

    /// Reads a record; the error says what does not fit.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let hold: Hold = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if hold.format == FORMAT {
            Ok(hold)
        } else {
            Err(format!("its format is {}, not {FORMAT}", hold.format))
        }
    }
}

fn nonce() -> String {
    format!("{:032x}", fastrand::u128(..))
}
