//! What the next apply has in common with the last one, which still stands. Pure.
//!
//! Whatever is not clearly the same is planned in full: another byte that Terraform reads, another
//! variable, another Terraform, a record of yesterday.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clients::state::{Place, Version};
use crate::clients::terraform::inputs::Inputs;
use crate::clients::terraform::outputs::Outputs;
use crate::clients::terraform::tags::Tags;
use crate::names::ImageTag;

/// What no read proves (a subnet that is gone, a role that was edited by hand) is planned for at
/// least this often.
const MAX_AGE: Duration = Duration::from_secs(12 * 3600);

/// Written after an apply, or after a plan that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub inputs: String,
    pub tags: Tags,
    /// Tag → the content of its image, as far as it has such a name.
    pub contents: BTreeMap<String, String>,
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
    /// Everything: the plan's tags or images of the same content, and the same inputs.
    All(Box<Outputs>, Version),
    /// The images, which are applied under these tags.
    Image {
        applied: Tags,
        refreshed: SystemTime,
    },
    /// All inputs but the tags, which are to be these.
    Inputs {
        tags: Tags,
        refreshed: SystemTime,
    },
    Nothing,
}

impl Applied {
    /// The wanted tags, where the definitions go on naming the images that they name: `tried` is the task
    /// that gets an image of its own, None when all get it; `content` is that image's.
    fn same_images(&self, wanted: &Tags, tried: Option<&str>, content: Option<&ImageTag>) -> Tags {
        let is_same = |tag: &str| {
            let known = self.contents.get(tag);
            known.is_some_and(|known| content.is_some_and(|content| content.as_str() == known))
        };
        let mut tags = wanted.clone();
        match tried {
            None if is_same(&self.tags.all) => tags.all.clone_from(&self.tags.all),
            Some(task) if is_same(self.tags.of(task)) => {
                tags.own
                    .insert(task.to_owned(), self.tags.of(task).to_owned());
            }
            Some(task) if is_same(&self.tags.all) => drop(tags.own.remove(task)),
            _ => {}
        }
        tags.own.retain(|_, own| *own != tags.all);
        tags
    }
}

impl Standing {
    /// Compared with these tags; `content` is the name of the new image's content, where it is known, and
    /// `tried` the one task that gets it, if not all do.
    pub fn in_common(
        self,
        wanted: &Tags,
        tried: Option<&str>,
        content: Option<&ImageTag>,
        now: SystemTime,
    ) -> InCommon {
        let Standing { applied, inputs } = self;
        let tags = applied.same_images(wanted, tried, content);
        let same_images = applied.tags == tags;
        let same_inputs = applied.inputs == inputs.hash;
        let refreshed = applied.refreshed;
        let age = now.duration_since(refreshed).unwrap_or(Duration::MAX);
        if applied.place != inputs.place || age >= MAX_AGE {
            return InCommon::Nothing;
        }
        match (same_images, same_inputs) {
            (true, true) => InCommon::All(Box::new(applied.outputs), applied.version),
            (true, false) => InCommon::Image {
                applied: applied.tags,
                refreshed,
            },
            (false, true) => InCommon::Inputs { tags, refreshed },
            (false, false) => InCommon::Nothing,
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

    fn tags(all: &str, own: &[(&str, &str)]) -> Tags {
        let own = own.iter();
        Tags {
            all: all.into(),
            own: own
                .map(|(task, tag)| ((*task).to_owned(), (*tag).to_owned()))
                .collect(),
        }
    }

    fn record(tags: Tags, contents: &[(&str, &str)], refreshed: SystemTime) -> Applied {
        let outputs = Outputs::read(&serde_json::json!({
            "cluster": { "value": "c" }, "subnets": { "value": [] },
            "security_groups": { "value": [] }, "assign_public_ip": { "value": true },
            "platform_version": { "value": "1.4.0" }, "log_group": { "value": "l" },
            "task_definitions": { "value": {} }, "container_names": { "value": {} },
            "service_docker_tag": { "value": tags.all }, "task_docker_tags": { "value": tags.own },
        }));
        let contents = contents.iter();
        Applied {
            inputs: "h".into(),
            tags,
            contents: contents
                .map(|(tag, content)| ((*tag).to_owned(), (*content).to_owned()))
                .collect(),
            place: inputs("h").place,
            version: Version {
                etag: "e".into(),
                version_id: None,
            },
            outputs: outputs.unwrap(),
            refreshed,
        }
    }

    #[test]
    fn what_is_in_common_decides_what_is_planned() {
        let tag = |text: &str| ImageTag::parse(text).unwrap();
        let now = SystemTime::now();
        let record = record(tags("sha1", &[]), &[("sha1", "content-1")], now);
        let later = now + Duration::from_secs(60);
        let old = now + MAX_AGE;
        // A clock that was set back tells nothing.
        let before = now - Duration::from_secs(1);
        for (hash, name, content, when, expected) in [
            ("h", "sha1", None, later, "all"),
            ("h", "sha2", Some("content-1"), later, "all"),
            ("h", "sha2", Some("content-2"), later, "inputs sha2"),
            ("h", "sha2", Some("content-dirty-1"), later, "inputs sha2"),
            ("h", "sha2", None, later, "inputs sha2"),
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
            let found = standing.in_common(&tags(name, &[]), None, content.as_ref(), when);
            assert_eq!(named(&found), expected, "{hash} {name} {content:?}");
        }
        let nameless = Standing {
            applied: Applied {
                contents: BTreeMap::new(),
                ..record.clone()
            },
            inputs: inputs("h"),
        };
        let found = nameless.in_common(&tags("sha2", &[]), None, None, later);
        assert_eq!(named(&found), "inputs sha2");
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
        let found = standing.in_common(&tags("sha1", &[]), None, None, later);
        assert_eq!(named(&found), "nothing");
    }

    #[test]
    fn a_tag_of_a_single_task_is_never_passed_over() {
        let now = SystemTime::now();
        let later = now + Duration::from_secs(60);
        let contents = [("main", "content-m"), ("t1", "content-1")];
        let tried = tags("main", &[("job", "t1")]);
        let plain = tags("main", &[]);
        for (what, applied, wanted, task, content, expected) in [
            (
                "the same task again",
                &tried,
                tags("main", &[("job", "t1")]),
                Some("job"),
                None,
                "all",
            ),
            (
                "another commit of the same content",
                &tried,
                tags("main", &[("job", "t2")]),
                Some("job"),
                Some("content-1"),
                "all",
            ),
            (
                "an edit",
                &tried,
                tags("main", &[("job", "t2")]),
                Some("job"),
                Some("content-2"),
                "inputs main job=t2",
            ),
            (
                "the edit is undone: what all run",
                &tried,
                tags("main", &[("job", "t2")]),
                Some("job"),
                Some("content-m"),
                "inputs main",
            ),
            (
                "a second task",
                &tried,
                tags("main", &[("job", "t1"), ("report", "t1")]),
                Some("report"),
                Some("content-1"),
                "inputs main job=t1 report=t1",
            ),
            (
                "what all run already",
                &plain,
                tags("main", &[("job", "t2")]),
                Some("job"),
                Some("content-m"),
                "all",
            ),
            (
                "all tasks, with what all run: the exception goes",
                &tried,
                tags("main", &[]),
                None,
                None,
                "inputs main",
            ),
            (
                "all tasks, with the same content as all run",
                &tried,
                tags("new", &[]),
                None,
                Some("content-m"),
                "inputs main",
            ),
            (
                "all tasks, with what one runs",
                &tried,
                tags("t1", &[]),
                None,
                Some("content-1"),
                "inputs t1",
            ),
        ] {
            let standing = Standing {
                applied: record(applied.clone(), &contents, now),
                inputs: inputs("h"),
            };
            let content = content.map(|text| ImageTag::parse(text).unwrap());
            let found = standing.in_common(&wanted, task, content.as_ref(), later);
            assert_eq!(named(&found), expected, "{what}");
        }
    }

    fn named(found: &InCommon) -> String {
        let named = |tags: &Tags| {
            let own = tags.own.iter();
            let own = own.map(|(task, tag)| format!(" {task}={tag}"));
            format!("{}{}", tags.all, own.collect::<String>())
        };
        match found {
            InCommon::All(..) => "all".into(),
            InCommon::Image { applied, .. } => format!("image {}", named(applied)),
            InCommon::Inputs { tags, .. } => format!("inputs {}", named(tags)),
            InCommon::Nothing => "nothing".into(),
        }
    }
}
