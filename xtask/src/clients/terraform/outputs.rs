//! The outputs of an environment's root: a declared contract between Terraform and this tool.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tags::{OWN, Tags};
use crate::failure::Problem;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// The ECS cluster's name.
    pub cluster: String,
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub assign_public_ip: bool,
    /// Fargate's platform version, such as `1.4.0` or `LATEST`.
    pub platform_version: String,
    pub log_group: String,
    /// Task → ARN of the revision that this state made.
    pub task_definitions: BTreeMap<String, String>,
    /// Task → its containers' names, the task's own one first.
    pub container_names: BTreeMap<String, Vec<String>>,
    /// The image tag that is deployed.
    pub service_docker_tag: String,
    /// Task → the tag that it has instead; a root that does not know them has none.
    #[serde(default)]
    pub task_docker_tags: BTreeMap<String, String>,
}

impl Outputs {
    /// Reads `{name: {value: …}}`, as `terraform output -json` and `apply -json` print it.
    pub fn read(outputs: &Value) -> anyhow::Result<Self> {
        let mut missing = Vec::new();
        let read = Outputs {
            cluster: take(outputs, "cluster", &mut missing),
            subnets: take(outputs, "subnets", &mut missing),
            security_groups: take(outputs, "security_groups", &mut missing),
            assign_public_ip: take(outputs, "assign_public_ip", &mut missing),
            platform_version: take(outputs, "platform_version", &mut missing),
            log_group: take(outputs, "log_group", &mut missing),
            task_definitions: take(outputs, "task_definitions", &mut missing),
            container_names: take(outputs, "container_names", &mut missing),
            service_docker_tag: take(outputs, "service_docker_tag", &mut missing),
            task_docker_tags: match outputs.get(OWN) {
                Some(_) => take(outputs, OWN, &mut missing),
                None => BTreeMap::new(),
            },
        };
        if missing.is_empty() {
            return Ok(read);
        }
        Err(Problem::failed(
            format!("the Terraform outputs do not fit: {}", missing.join(", ")),
            "the outputs are a contract: see infra/ecs-tasks/README.md; deploy once if outputs.tf is newer than the state",
        )
        .into())
    }

    pub fn tags(&self) -> Tags {
        Tags {
            all: self.service_docker_tag.clone(),
            own: self.task_docker_tags.clone(),
        }
    }

    /// The tag that one task runs.
    pub fn tag_of(&self, task: &str) -> &str {
        let own = self.task_docker_tags.get(task);
        own.unwrap_or(&self.service_docker_tag)
    }
}

fn take<T: DeserializeOwned + Default>(
    outputs: &Value,
    name: &str,
    missing: &mut Vec<String>,
) -> T {
    let value = outputs.get(name).and_then(|output| output.get("value"));
    match value {
        None => missing.push(format!("`{name}` is missing")),
        Some(value) => match serde_json::from_value(value.clone()) {
            Ok(value) => return value,
            Err(error) => missing.push(format!("`{name}` has another type ({error})")),
        },
    }
    T::default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_output_that_does_not_fit_is_named() {
        let error = Outputs::read(&json!({
            "cluster": { "value": "api-test" },
            "subnets": { "value": "subnet-1" },
        }))
        .unwrap_err()
        .to_string();
        assert!(error.contains("`subnets` has another type"), "{error}");
        assert!(error.contains("`log_group` is missing"), "{error}");
        assert!(!error.contains("`cluster`"), "{error}");
    }
}
