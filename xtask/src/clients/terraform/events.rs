//! What Terraform tells of a plan while it makes it, event by event.
//!
//! The events name what changes and how, but no values: what an apply may do unasked is decided by
//! `terraform show -json`, which costs a start of the provider.
//! <https://developer.hashicorp.com/terraform/internals/machine-readable-ui>

use serde_json::Value;

use super::change::{Action, Change, Kind, PlannedChange};

#[derive(Debug, Default)]
pub struct Announced {
    changes: Vec<Change>,
    /// Something was changed outside of Terraform.
    drifted: bool,
}

impl Announced {
    pub fn read(&mut self, message: &Value) {
        match message["type"].as_str() {
            Some("planned_change") => self.changes.extend(read_change(&message["change"])),
            Some("resource_drift") => self.drifted = true,
            _ => {}
        }
    }

    /// The change, when no image differs from what was applied last. None when nothing changes, since
    /// the events of such a plan do not tell the outputs.
    pub fn other_than_images(self) -> Option<PlannedChange> {
        let planned = PlannedChange {
            changes: self.changes,
            ..PlannedChange::default()
        };
        (!planned.changes.is_empty()).then_some(planned)
    }

    /// The change, when only the tag differs from what was applied last: new revisions and nothing
    /// else. None when there is more to it.
    pub fn new_images(self) -> Option<PlannedChange> {
        let new_revision = |change: &Change| {
            change.action == Action::Replace && matches!(change.kind, Kind::TaskDefinition { .. })
        };
        if self.drifted || !self.changes.iter().all(new_revision) {
            return None;
        }
        let mut planned = self.other_than_images()?;
        for change in &mut planned.changes {
            change.action = Action::Image;
        }
        Some(planned)
    }
}

fn read_change(change: &Value) -> Option<Change> {
    let action = match change["action"].as_str()? {
        "create" => Action::Create,
        "update" => Action::Update,
        "replace" => Action::Replace,
        "delete" | "remove" => Action::Delete,
        // noop, read, move and import
        _ => return None,
    };
    let resource = &change["resource"];
    let index = resource["resource_key"].as_str();
    let name = index.or_else(|| resource["resource_name"].as_str());
    Some(Change {
        address: resource["addr"].as_str().unwrap_or_default().to_owned(),
        kind: Kind::of(&resource["resource_type"], name),
        action,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn planned(kind: &str, action: &str) -> Value {
        json!({"type": "planned_change", "change": {"action": action, "resource": {
            "addr": format!("module.ecs_tasks.{kind}.this[\"x\"]"), "resource_type": kind,
            "resource_name": "this", "resource_key": "x",
        }}})
    }

    fn announced(messages: &[Value]) -> Announced {
        let mut announced = Announced::default();
        for message in messages {
            announced.read(message);
        }
        announced
    }

    const DEFINITION: &str = "aws_ecs_task_definition";

    #[test]
    fn changes_are_named_as_in_a_saved_plan() {
        let change = announced(&[
            planned(DEFINITION, "replace"),
            planned("aws_iam_role", "create"),
            planned("aws_iam_role", "update"),
            planned(DEFINITION, "delete"),
            planned("aws_iam_role", "remove"),
            planned("aws_iam_role", "move"),
            planned("aws_iam_policy_document", "read"),
        ])
        .other_than_images()
        .unwrap();
        let definition = "module.ecs_tasks.aws_ecs_task_definition.this[\"x\"]";
        let role = "module.ecs_tasks.aws_iam_role.this[\"x\"]";
        let expected = format!(
            "DELETE {definition}\nDELETE {role}\nreplace {definition}\ncreate {role}\nupdate {role}"
        );
        assert_eq!(change.summary(), expected);
        assert_eq!(change.deleted_tasks(), ["x"]);
    }

    #[test]
    fn new_images_are_new_revisions_and_nothing_else() {
        let replaced = || planned(DEFINITION, "replace");
        let images = announced(&[replaced(), replaced()]).new_images().unwrap();
        assert_eq!(images.summary(), "2 task definitions with the new image");
        assert!(images.only_images());
        for more in [
            planned(DEFINITION, "create"),
            planned(DEFINITION, "delete"),
            planned("aws_scheduler_schedule", "update"),
            planned("aws_iam_role", "replace"),
            json!({"type": "resource_drift", "change": {}}),
        ] {
            let found = announced(&[replaced(), more.clone()]).new_images();
            assert!(found.is_none(), "{more}");
        }
        assert!(announced(&[]).new_images().is_none());
        assert!(announced(&[]).other_than_images().is_none());
    }
}
