//! What the next apply has in common with the last one, which still stands. Pure.
//!
//! Whatever is not clearly the same is planned in full: another byte that Terraform reads, another
//! variable, another Terraform, a record of yesterday.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clients::state::{Place, Version};
use crate::clients::terraform::inputs::Inputs;
use crate::clients::terraform::outputs::Outputs;
use crate::names::ImageTag;

/// What no read proves (a subnet that is gone, a role that was edited by hand) is planned for at
/// least this often.
const MAX_AGE: Duration = Duration::from_secs(12 * 3600);

/// Written after an apply, or after a plan that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub inputs: String,
    pub tag: String,
    /// The content of the image under the tag; None when it has no such name.
    pub content: Option<String>,
    pub place: Place,
    pub version: Version,
    pub outputs: Outputs,
    /// When all that exists was last compared with the state.
    pub refreshed: SystemTime,
}

/// An apply that nobody has undone since, and what a plan would be made of now.
#[derive(Debug, Clone)]
pub struct Standing {
    pub applied: Applied,
    pub inputs: Inputs,
}

/// What the last apply, which still stands, has in common with the next.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Standing {
    /// Compared with the image of this tag; `content` is its content's name, where it is known.
    pub fn in_common(
        self,
        tag: &ImageTag,
        content: Option<&ImageTag>,
        now: SystemTime,
    ) -> InCommon {
        let Standing { applied, inputs } = self;
        let same_content =
            applied.content.is_some() && applied.content == content.map(ToString::to_string);
        let same_image = applied.tag == tag.as_str() || same_content;
        let same_inputs = applied.inputs == inputs.hash;
        let refreshed = applied.refreshed;
        let age = now.duration_since(refreshed).unwrap_or(Duration::MAX);
        if applied.place != inputs.place || age >= MAX_AGE {
            return InCommon::Nothing;
        }
        match (same_image, same_inputs, ImageTag::parse(&applied.tag)) {
            (true, true, _) => InCommon::All(Box::new(applied.outputs), applied.version),
            (true, false, Ok(applied)) => InCommon::Image { applied, refreshed },
            (false, true, _) => InCommon::Inputs { refreshed },
            (_, false, _) => InCommon::Nothing,
        }
    }
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
        let record = Applied {
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
            let standing = Standing {
                applied: record.clone(),
                inputs: inputs(hash),
            };
            let found = standing.in_common(&tag(name), content.as_ref(), when);
            assert_eq!(named(&found), expected, "{hash} {name} {content:?}");
        }
        let nameless = Standing {
            applied: Applied {
                content: None,
                ..record.clone()
            },
            inputs: inputs("h"),
        };
        let found = nameless.in_common(&tag("sha2"), None, later);
        assert_eq!(named(&found), "inputs");
        let elsewhere = Inputs {
            place: Place {
                bucket: "b".into(),
                key: "other".into(),
            },
            ..inputs("h")
        };
        let standing = Standing {
            applied: record,
            inputs: elsewhere,
        };
        let found = standing.in_common(&tag("sha1"), None, later);
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
