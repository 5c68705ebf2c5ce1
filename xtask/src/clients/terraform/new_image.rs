//! Whether a planned revision of a task definition differs from the last in its image alone.

use std::collections::BTreeSet;

use serde_json::Value;

/// The environment variable of a container that follows the tag and nothing else.
const TAG_VARIABLE: &str = "SERVICE_DOCKER_TAG";

/// True when before and after are the same but for the tag of images and the variable that holds it.
/// What is unknown until the apply (ARN, revision) does not count; anything else that is unknown does.
pub fn only_image_differs(change: &Value) -> bool {
    let (Some(before), Some(after)) = (change["before"].as_object(), change["after"].as_object())
    else {
        return false;
    };
    let derived = ["arn", "arn_without_revision", "id", "revision"];
    let unknown = change["after_unknown"].as_object();
    let unknown_inputs = unknown.into_iter().flatten().any(|(key, value)| {
        // The provider fills this one in when nobody asks for it: as off, which is ECS's default.
        let off = key == "enable_fault_injection" && before.get(key) != Some(&Value::Bool(true));
        !off && !derived.contains(&key.as_str()) && contains_true(value)
    });
    if unknown_inputs {
        return false;
    }
    after.iter().all(|(key, after)| {
        let before = before.get(key).unwrap_or(&Value::Null);
        match (key.as_str(), before.as_str(), after.as_str()) {
            ("container_definitions", Some(before), Some(after)) => {
                let before = without_tag(before);
                before.is_some() && before == without_tag(after)
            }
            _ => same(before, after) || derived.contains(&key.as_str()),
        }
    })
}

/// The state has an empty text, list or map where a plan says `null`: both mean that nothing is set.
fn same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before
                    .iter()
                    .zip(after)
                    .all(|(before, after)| same(before, after))
        }
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            keys.into_iter().all(|key| {
                same(
                    before.get(key).unwrap_or(&Value::Null),
                    after.get(key).unwrap_or(&Value::Null),
                )
            })
        }
        _ => before == after || (is_unset(before) && is_unset(after)),
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_unset),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn contains_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Array(items) => items.iter().any(contains_true),
        Value::Object(fields) => fields.values().any(contains_true),
        _ => false,
    }
}

/// The container definitions with the tag taken out of every image that follows it, and what AWS
/// fills in by itself (empty lists) left out, in an order that does not matter.
fn without_tag(definitions: &str) -> Option<Value> {
    let mut definitions: Value = serde_json::from_str(definitions).ok()?;
    for container in definitions.as_array_mut()? {
        let container = container.as_object_mut()?;
        let variables = container
            .get("environment")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let tag = variables
            .iter()
            .find(|variable| variable["name"] == TAG_VARIABLE)
            .and_then(|variable| variable["value"].as_str())
            .unwrap_or_default()
            .to_owned();
        if let Some(image) = container.get("image").and_then(Value::as_str)
            && let Some((repository, image_tag)) = image.rsplit_once(':')
            && image_tag == tag
        {
            let repository = repository.to_owned();
            container.insert("image".into(), Value::String(repository));
        }
        let mut variables: Vec<Value> = variables
            .into_iter()
            .filter(|variable| variable["name"] != TAG_VARIABLE)
            .collect();
        variables.sort_by_key(|variable| variable["name"].as_str().unwrap_or_default().to_owned());
        container.insert("environment".into(), Value::Array(variables));
        container.retain(|_, value| {
            !matches!(value, Value::Array(items) if items.is_empty()) && !value.is_null()
        });
        // ECS reports the CPU that nobody has set as 0.
        if container.get("cpu").and_then(Value::as_u64) == Some(0) {
            container.remove("cpu");
        }
    }
    Some(definitions)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::change::PlannedChange;
    use super::*;

    /// What `terraform show -json` prints of the template's task after a commit that changed its code.
    /// `change` gets before, after and what is unknown.
    fn recorded(change: impl FnOnce(&mut Value)) -> PlannedChange {
        let mut plan: Value =
            serde_json::from_str(include_str!("fixtures/new_image.json")).unwrap();
        change(&mut plan["resource_changes"][0]["change"]);
        PlannedChange::read(&plan.to_string()).unwrap()
    }

    #[test]
    fn a_recorded_plan_of_a_new_image() {
        let change = recorded(|_| {});
        assert!(change.only_images());
        assert_eq!(change.summary(), "1 task definition with the new image");
    }

    #[test]
    fn a_recorded_plan_with_anything_more() {
        let removed: [(&str, Value); 5] = [
            ("task_role_arn", json!("arn:aws:iam::1:role/x")),
            ("tags", json!({ "team": "claims" })),
            ("pid_mode", json!("task")),
            ("enable_fault_injection", json!(true)),
            ("volume", json!([{ "name": "scratch" }])),
        ];
        for (key, value) in removed {
            let change = recorded(|change| change["before"][key] = value);
            assert!(!change.only_images(), "{key} is taken away");
        }
        let added: [(&str, Value); 3] = [
            ("execution_role_arn", json!("arn:aws:iam::1:role/other")),
            ("tags", json!({ "team": "claims" })),
            ("memory", json!("4096")),
        ];
        for (key, value) in added {
            let change = recorded(|change| change["after"][key] = value);
            assert!(!change.only_images(), "{key} is new");
        }
        let unknown = recorded(|change| change["after_unknown"]["task_role_arn"] = json!(true));
        assert!(
            !unknown.only_images(),
            "a role that is known after the apply"
        );
    }
}
