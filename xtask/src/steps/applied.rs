//! What the last apply left: when two cheap reads prove that it still stands, and that another
//! would be the same, there is nothing to plan.
//!
//! The record is a file of this machine and may be deleted at any time. Whatever is not clearly the
//! same is planned in full: another byte in infra, another variable, another Terraform, a state that
//! somebody else has written, a newer revision of the task, a record of yesterday.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::clients::state::{Place, Version};
use crate::clients::terraform::Basis;
use crate::clients::terraform::inputs::Inputs;
use crate::clients::terraform::outputs::Outputs;
use crate::names::ImageTag;
use crate::plan::Plan;
use crate::session::Session;
use crate::steps::content::content_tags;

/// What no read proves (a subnet that is gone, a role that was edited by hand) is planned for at
/// least this often.
const MAX_AGE: Duration = Duration::from_secs(12 * 3600);

/// Written after an apply, or after a plan that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    inputs: String,
    tag: String,
    /// The content of the image under the tag; None when it has no such name.
    content: Option<String>,
    place: Place,
    version: Version,
    outputs: Outputs,
    /// When all that exists was last compared with the state.
    refreshed: SystemTime,
}

/// An apply that still stands, and what it was made of compared with what there is now.
#[derive(Debug)]
pub struct Standing {
    record: Record,
    inputs: Inputs,
}

/// The last apply, if nobody has applied or registered anything since. Two reads, side by side, which
/// need no plan and so go beside preflight.
pub async fn still_stands(session: &Session, task: &str) -> Option<Standing> {
    let text = std::fs::read_to_string(file(session)).ok()?;
    let record: Record = serde_json::from_str(&text).ok()?;
    let arn = record.outputs.task_definitions.get(task)?;
    let (family, _revision) = arn.rsplit('/').next()?.rsplit_once(':')?;
    let aws = session.aws().await;
    let (ecs, state) = (aws.ecs(), aws.state(record.place.clone()));
    let (latest, version, inputs) = tokio::join!(
        ecs.task_definition(family),
        state.version(),
        session.plan_inputs()
    );
    let same_revision = latest.ok()?.is_some_and(|latest| latest.arn == *arn);
    let same_state = version
        .ok()?
        .is_some_and(|version| version == record.version);
    let stands = same_revision && same_state;
    inputs
        .filter(|_| stands)
        .map(|inputs| Standing { record, inputs })
}

/// What the last apply, which still stands, has in common with the next.
#[derive(Debug)]
pub enum InCommon {
    /// Everything: the plan's tag or an image of the same content, and the same inputs.
    All(Box<Outputs>, Version),
    /// The image, which is applied under this tag.
    Image {
        applied: ImageTag,
        refreshed: SystemTime,
    },
    /// All inputs but the tag.
    Inputs {
        refreshed: SystemTime,
    },
    Nothing,
}

pub async fn in_common(session: &Session, plan: &Plan, standing: Standing) -> InCommon {
    let Standing { record, inputs } = standing;
    let content = if record.tag == plan.tag.as_str() {
        None
    } else {
        content_tags(session, plan).await.ok().flatten()
    };
    let content = content.map(|content| content.own);
    record.in_common(&inputs, &plan.tag, content.as_ref(), SystemTime::now())
}

/// Writes down what was applied, if the state says the same. It is the last word of an apply that was
/// a success: a record that cannot be written costs the next call its plan, and no more.
pub async fn remember(session: &Session, basis: &Basis, outputs: &Outputs) -> anyhow::Result<()> {
    let state = session.aws().await.state(basis.inputs.place.clone());
    let (in_state, version) = state.outputs().await?;
    // Somebody else may have applied in this very moment.
    if Outputs::read(&in_state)? != *outputs {
        return Ok(());
    }
    let record = Record {
        inputs: basis.inputs.hash.clone(),
        tag: basis.tag.to_string(),
        content: basis.content.as_ref().map(ToString::to_string),
        place: basis.inputs.place.clone(),
        version,
        outputs: outputs.clone(),
        refreshed: basis.refreshed,
    };
    let file = file(session);
    let text = serde_json::to_vec_pretty(&record).context("the record of an apply")?;
    // Two loops at once must not leave a mixture.
    let new = file.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&new, text).with_context(|| format!("writing {}", new.display()))?;
    std::fs::rename(&new, &file).with_context(|| format!("writing {}", file.display()))
}

impl Record {
    fn in_common(
        self,
        inputs: &Inputs,
        tag: &ImageTag,
        content: Option<&ImageTag>,
        now: SystemTime,
    ) -> InCommon {
        let same_content =
            self.content.is_some() && self.content == content.map(ToString::to_string);
        let same_image = self.tag == tag.as_str() || same_content;
        let same_inputs = self.inputs == inputs.hash;
        let refreshed = self.refreshed;
        let age = now.duration_since(refreshed).unwrap_or(Duration::MAX);
        if self.place != inputs.place || age >= MAX_AGE {
            return InCommon::Nothing;
        }
        match (same_image, same_inputs, ImageTag::parse(&self.tag)) {
            (true, true, _) => InCommon::All(Box::new(self.outputs), self.version),
            (true, false, Ok(applied)) => InCommon::Image { applied, refreshed },
            (false, true, _) => InCommon::Inputs { refreshed },
            (_, false, _) => InCommon::Nothing,
        }
    }
}

/// In the data directory, which each environment and the sandbox have of their own.
fn file(session: &Session) -> PathBuf {
    session.terraform().data_dir.join("xtask-applied.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(hash: &str) -> Inputs {
        Inputs {
            hash: hash.into(),
            place: Place {
                bucket: "b".into(),
                key: "k".into(),
            },
        }
    }

    #[test]
    fn what_is_in_common_decides_what_is_planned() {
        let tag = |text: &str| ImageTag::parse(text).unwrap();
        let now = SystemTime::now();
        let outputs = Outputs::read(&serde_json::json!({
            "cluster": { "value": "c" }, "subnets": { "value": [] },
            "security_groups": { "value": [] }, "assign_public_ip": { "value": true },
            "platform_version": { "value": "1.4.0" }, "log_group": { "value": "l" },
            "task_definitions": { "value": {} }, "container_names": { "value": {} },
            "service_docker_tag": { "value": "sha1" },
        }));
        let record = Record {
            inputs: "h".into(),
            tag: "sha1".into(),
            content: Some("content-1".into()),
            place: inputs("h").place,
            version: Version {
                etag: "e".into(),
                version_id: None,
            },
            outputs: outputs.unwrap(),
            refreshed: now,
        };
        let later = now + Duration::from_secs(60);
        let old = now + MAX_AGE;
        // A clock that was set back tells nothing.
        let before = now - Duration::from_secs(1);
        for (hash, name, content, when, expected) in [
            ("h", "sha1", None, later, "all"),
            ("h", "sha2", Some("content-1"), later, "all"),
            ("h", "sha2", Some("content-2"), later, "inputs"),
            ("h", "sha2", Some("content-dirty-1"), later, "inputs"),
            ("h", "sha2", None, later, "inputs"),
            ("other", "sha1", None, later, "image sha1"),
            ("other", "sha2", Some("content-1"), later, "image sha1"),
            ("other", "sha2", Some("content-2"), later, "nothing"),
            ("h", "sha1", None, old, "nothing"),
            ("other", "sha1", None, old, "nothing"),
            ("h", "sha2", None, old, "nothing"),
            ("h", "sha1", None, before, "nothing"),
        ] {
            let content = content.map(tag);
            let found = record
                .clone()
                .in_common(&inputs(hash), &tag(name), content.as_ref(), when);
            assert_eq!(named(&found), expected, "{hash} {name} {content:?}");
        }
        let nameless = Record {
            content: None,
            ..record.clone()
        };
        let found = nameless.in_common(&inputs("h"), &tag("sha2"), None, later);
        assert_eq!(named(&found), "inputs");
        let elsewhere = Inputs {
            place: Place {
                bucket: "b".into(),
                key: "other".into(),
            },
            ..inputs("h")
        };
        let found = record.in_common(&elsewhere, &tag("sha1"), None, later);
        assert_eq!(named(&found), "nothing");
    }

    fn named(found: &InCommon) -> String {
        match found {
            InCommon::All(..) => "all".into(),
            InCommon::Image { applied, .. } => format!("image {applied}"),
            InCommon::Inputs { .. } => "inputs".into(),
            InCommon::Nothing => "nothing".into(),
        }
    }
}
