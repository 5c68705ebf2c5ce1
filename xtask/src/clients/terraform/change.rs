//! What a saved plan would change, and whether that is nothing but the image of task definitions.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::new_image::only_image_differs;
use super::outputs::Outputs;
use crate::ui::{plural::count, seconds};

/// How many task definitions ECS registers at once; from then on it is one a second.
const REGISTERED_AT_ONCE: usize = 20;

#[derive(Debug, Clone, Default)]
pub struct PlannedChange {
    pub changes: Vec<Change>,
    /// Do any outputs change?
    pub outputs_change: bool,
    /// The outputs after the apply, when the plan knows them all already.
    pub outputs: Option<Outputs>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub address: String,
    pub kind: Kind,
    pub action: Action,
}

/// Task definitions are told apart: replacing one is how a deploy works, deleting one is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    TaskDefinition { task: String },
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    Replace,
    Delete,
    /// A new revision that differs from the last in its image tag alone.
    Image,
}

impl PlannedChange {
    /// Reads `terraform show -json` of a saved plan.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let plan: Value = serde_json::from_str(text).context("the plan is no JSON")?;
        let none = Vec::new();
        let resources = plan["resource_changes"].as_array().unwrap_or(&none);
        let changes = resources.iter().filter_map(read_change).collect();
        let outputs_change = plan["output_changes"].as_object().is_some_and(|outputs| {
            outputs
                .values()
                .any(|output| output["actions"] != serde_json::json!(["no-op"]))
        });
        let outputs = Outputs::read(&plan["planned_values"]["outputs"]).ok();
        Ok(PlannedChange {
            changes,
            outputs_change,
            outputs,
        })
    }

    /// Nothing to apply, and everything known that an apply would tell.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.outputs_change && self.outputs.is_some()
    }

    /// Such a change goes ahead unasked.
    pub fn only_images(&self) -> bool {
        self.changes
            .iter()
            .all(|change| change.action == Action::Image)
    }

    /// The tasks that would be gone.
    pub fn deleted_tasks(&self) -> Vec<&str> {
        self.changes
            .iter()
            .filter_map(|change| match &change.kind {
                Kind::TaskDefinition { task } if change.action == Action::Delete => {
                    Some(task.as_str())
                }
                _ => None,
            })
            .collect()
    }

    /// How long AWS takes at least to register what is planned, beyond what it takes at once.
    fn registering(&self) -> Option<Duration> {
        let registered = self.changes.iter().filter(|change| {
            matches!(change.kind, Kind::TaskDefinition { .. }) && change.action != Action::Delete
        });
        let later = registered.count().saturating_sub(REGISTERED_AT_ONCE);
        (later > 0).then(|| Duration::from_secs(later as u64))
    }

    /// A few lines for people: images counted, everything else by name.
    pub fn summary(&self) -> String {
        if self.changes.is_empty() {
            return if self.outputs_change {
                "only outputs change".into()
            } else {
                "nothing changes".into()
            };
        }
        let mut lines = Vec::new();
        let images = self
            .changes
            .iter()
            .filter(|change| change.action == Action::Image)
            .count();
        if images > 0 {
            lines.push(format!(
                "{} with the new image",
                count(images, "task definition")
            ));
        }
        let mut named: Vec<&Change> = self
            .changes
            .iter()
            .filter(|change| change.action != Action::Image)
            .collect();
        named.sort_by_key(|change| (change.action != Action::Delete, change.address.clone()));
        // The deletions come first and are never cut off.
        let deletions = named
            .iter()
            .filter(|change| change.action == Action::Delete)
            .count();
        let shown = deletions.max(12);
        for change in named.iter().take(shown) {
            lines.push(format!("{} {}", change.action.verb(), change.address));
        }
        if named.len() > shown {
            lines.push(format!("and {} more", named.len() - shown));
        }
        if let Some(least) = self.registering() {
            lines.push(format!(
                "AWS registers {REGISTERED_AT_ONCE} task definitions at once and then one a second: {} at least",
                seconds(least)
            ));
        }
        lines.join("\n")
    }
}

impl Kind {
    pub fn of(resource_type: &Value, name: Option<&str>) -> Kind {
        if resource_type == "aws_ecs_task_definition" {
            Kind::TaskDefinition {
                task: name.unwrap_or_default().to_owned(),
            }
        } else {
            Kind::Other
        }
    }
}

impl Action {
    fn verb(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Replace => "replace",
            Action::Delete => "DELETE",
            Action::Image => "new image",
        }
    }
}

fn read_change(resource: &Value) -> Option<Change> {
    let change = &resource["change"];
    let actions: Vec<&str> = change["actions"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let action = match actions.as_slice() {
        ["create"] => Action::Create,
        ["update"] => Action::Update,
        ["delete"] | ["forget"] => Action::Delete,
        [_, _] => Action::Replace,
        // no-op and read
        _ => return None,
    };
    let index = resource["index"].as_str();
    let name = index.or_else(|| resource["name"].as_str());
    let kind = Kind::of(&resource["type"], name);
    let is_definition = matches!(kind, Kind::TaskDefinition { .. });
    let image_only = is_definition && action == Action::Replace && only_image_differs(change);
    Some(Change {
        address: resource["address"].as_str().unwrap_or_default().to_owned(),
        kind,
        action: if image_only { Action::Image } else { action },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(tag: &str, extra: &Value) -> Value {
        let mut container = json!({
            "name": "x", "image": format!("1.ecr/api:{tag}"), "command": ["x"],
            "environment": [{"name": "SERVICE_DOCKER_TAG", "value": tag}, {"name": "A", "value": "1"}],
        });
        for (key, value) in extra.as_object().unwrap() {
            container[key] = value.clone();
        }
        json!({ "family": "api-test-x", "cpu": "256", "container_definitions": json!([container]).to_string() })
    }

    fn plan(actions: &[&str], before: &Value, after: &Value, kind: &str) -> PlannedChange {
        let change = json!({
            "resource_changes": [{
                "address": format!("module.tasks.{kind}.this[\"x\"]"), "type": kind, "name": "this", "index": "x",
                "change": { "actions": actions, "before": before, "after": after, "after_unknown": { "arn": true, "revision": true } }
            }]
        });
        PlannedChange::read(&change.to_string()).unwrap()
    }

    const DEFINITION: &str = "aws_ecs_task_definition";

    #[test]
    fn a_new_tag_alone_is_an_image_change() {
        let nothing = json!({});
        let reordered = json!({ "environment": [
            {"name": "A", "value": "1"}, {"name": "SERVICE_DOCKER_TAG", "value": "new"}], "mountPoints": [],
            "cpu": 0 });
        for extra in [&nothing, &reordered] {
            let change = plan(
                &["delete", "create"],
                &definition("old", &nothing),
                &definition("new", extra),
                DEFINITION,
            );
            assert!(change.only_images(), "{extra}");
            assert_eq!(change.summary(), "1 task definition with the new image");
        }
    }

    #[test]
    fn anything_more_is_not() {
        let nothing = json!({});
        for extra in [
            json!({ "command": ["y"] }),
            json!({ "image": "1.ecr/other:new" }),
            json!({ "image": "1.ecr/api:other" }),
            json!({ "environment": [{"name": "SERVICE_DOCKER_TAG", "value": "new"}] }),
            json!({ "memory": 5 }),
        ] {
            let change = plan(
                &["delete", "create"],
                &definition("old", &nothing),
                &definition("new", &extra),
                DEFINITION,
            );
            assert!(!change.only_images(), "{extra}");
        }
        let mut bigger = definition("new", &nothing);
        bigger["cpu"] = json!("512");
        assert!(
            !plan(
                &["delete", "create"],
                &definition("old", &nothing),
                &bigger,
                DEFINITION
            )
            .only_images()
        );
    }

    #[test]
    fn deletions_are_named_first() {
        let change = plan(
            &["delete"],
            &definition("old", &json!({})),
            &Value::Null,
            DEFINITION,
        );
        assert!(!change.only_images());
        assert_eq!(change.deleted_tasks(), ["x"]);
        assert_eq!(
            change.summary(),
            "DELETE module.tasks.aws_ecs_task_definition.this[\"x\"]"
        );
    }

    #[test]
    fn other_resources_are_not_images() {
        let change = plan(
            &["update"],
            &json!({"a": 1}),
            &json!({"a": 2}),
            "aws_iam_role",
        );
        assert!(!change.only_images());
        assert!(change.deleted_tasks().is_empty());
        assert_eq!(
            change.summary(),
            "update module.tasks.aws_iam_role.this[\"x\"]"
        );
    }

    #[test]
    fn an_empty_plan_without_known_outputs_is_still_applied() {
        let change = PlannedChange::read("{}").unwrap();
        assert!(change.only_images());
        assert!(!change.is_empty());
    }

    #[test]
    fn many_registrations_say_how_long_aws_takes() {
        let planned = |definitions: usize| PlannedChange {
            changes: (0..definitions)
                .map(|number| Change {
                    address: format!("definition[{number}]"),
                    kind: Kind::TaskDefinition {
                        task: number.to_string(),
                    },
                    action: Action::Image,
                })
                .chain([Change {
                    address: "gone".into(),
                    kind: Kind::TaskDefinition {
                        task: "gone".into(),
                    },
                    action: Action::Delete,
                }])
                .collect(),
            ..PlannedChange::default()
        };
        assert!(!planned(20).summary().contains("AWS registers"));
        assert_eq!(
            planned(220).summary().lines().last(),
            Some(
                "AWS registers 20 task definitions at once and then one a second: 3 min 20 s at least"
            )
        );
    }
}
