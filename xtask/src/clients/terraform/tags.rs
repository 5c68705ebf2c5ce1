//! Which image each task runs: one tag for all, and tags of their own for single tasks.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::short_tag;

/// The root's variable and output for the tag of all tasks.
const ALL: &str = "service_docker_tag";
/// … and for those of single tasks.
pub const OWN: &str = "task_docker_tags";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    pub all: String,
    /// Task → a tag of its own.
    pub own: BTreeMap<String, String>,
}

impl Tags {
    pub fn for_all(tag: &str) -> Self {
        Tags {
            all: tag.to_owned(),
            own: BTreeMap::new(),
        }
    }

    /// Of a state's outputs; None when they name no tag.
    pub fn read(outputs: &Value) -> Option<Self> {
        let value = |name: &str| outputs[name]["value"].clone();
        Some(Tags {
            all: serde_json::from_value(value(ALL)).ok()?,
            // A root that does not know them has none.
            own: serde_json::from_value(value(OWN)).unwrap_or_default(),
        })
    }

    /// The tag of one task.
    pub fn of(&self, task: &str) -> &str {
        self.own.get(task).unwrap_or(&self.all)
    }

    /// As arguments of a plan. The map is said even when it is empty, so that no file of variables says
    /// it otherwise; a root that lacks it would refuse it.
    pub fn arguments(&self, takes_own: bool) -> Vec<String> {
        let all = format!("-var={ALL}={}", self.all);
        let own = serde_json::json!(self.own);
        let own = takes_own.then(|| format!("-var={OWN}={own}"));
        std::iter::once(all).chain(own).collect()
    }
}

/// The tags of single tasks, for people.
pub fn listed(own: &BTreeMap<String, String>) -> String {
    let shown = own.iter();
    let shown = shown.map(|(task, tag)| format!("{task} ({})", short_tag(tag)));
    shown.collect::<Vec<_>>().join(", ")
}

impl Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALL}={}", self.all)?;
        match self.own.is_empty() {
            true => Ok(()),
            false => write!(f, " and tags of their own for {}", listed(&self.own)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_has_its_own_tag_or_that_of_all() {
        let own = json!({ "service_docker_tag": { "value": "a" }, "task_docker_tags": { "value": { "job": "b" } } });
        let tags = Tags::read(&own).unwrap();
        assert_eq!((tags.of("job"), tags.of("other")), ("b", "a"));
        assert_eq!(
            tags.to_string(),
            "service_docker_tag=a and tags of their own for job (b)"
        );
        assert_eq!(
            tags.arguments(true),
            [
                "-var=service_docker_tag=a",
                r#"-var=task_docker_tags={"job":"b"}"#
            ]
        );
        assert_eq!(tags.arguments(false), ["-var=service_docker_tag=a"]);
    }

    #[test]
    fn a_state_without_the_map_has_none_of_their_own() {
        let outputs = json!({ "service_docker_tag": { "value": "a" } });
        let tags = Tags::read(&outputs).unwrap();
        assert_eq!(tags, Tags::for_all("a"));
        assert_eq!(
            tags.arguments(true)[1],
            "-var=task_docker_tags={}",
            "a whole deploy takes exceptions back"
        );
        assert_eq!(Tags::read(&json!({})), None);
    }
}
