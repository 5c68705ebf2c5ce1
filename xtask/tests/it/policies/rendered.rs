//! The policies of infra/foundation as Terraform has rendered them for the sandbox.

use serde_json::Value;

use super::evaluator::Policy;
use crate::harness::Shared;

pub struct Rendered {
    resources: Vec<Value>,
}

impl Rendered {
    /// The sandbox has applied the folder; its state is a file, which nothing changes any more.
    pub fn of_the_sandbox() -> Rendered {
        let (shared, _together) = Shared::together();
        let state = shared
            .checkout
            .read("target/xtask/sandbox/foundation.tfstate");
        let state: Value = serde_json::from_str(&state).unwrap();
        Rendered {
            resources: state["resources"].as_array().unwrap().clone(),
        }
    }

    pub fn policy(&self, name: &str, environment: &str) -> Policy {
        Policy::parse(&self.text(name, environment))
    }

    fn text(&self, name: &str, environment: &str) -> String {
        let mut all = self.all();
        let found = all.find(|(found, of, _)| *found == name && *of == environment);
        let (_, _, text) = found.unwrap_or_else(|| panic!("no policy {name} of {environment}"));
        text.to_owned()
    }

    /// Name, environment and text of each policy.
    fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let policies = self.resources.iter().filter(|resource| {
            resource["type"] == "aws_iam_policy" || resource["type"] == "aws_iam_role_policy"
        });
        policies.flat_map(|resource| {
            let name = resource["name"].as_str().unwrap();
            let instances = resource["instances"].as_array().unwrap().iter();
            instances.map(move |instance| {
                let environment = instance["index_key"].as_str().unwrap();
                let text = instance["attributes"]["policy"].as_str().unwrap();
                (name, environment, text)
            })
        })
    }

    /// What stands for an environment in the names of its schedules' twins.
    pub fn twin(&self, environment: &str) -> String {
        let text = self.text("run", environment);
        let start = text.find("schedule/default/twin-").unwrap() + "schedule/default/twin-".len();
        text[start..].split('-').next().unwrap().to_owned()
    }
}

/// IAM counts without white space: 6,144 characters of a managed policy, 10,240 of all those in a role.
/// Whoever adopts the folder may have the longest names that its variables take.
#[test]
fn the_policies_are_short_enough_with_the_longest_names() {
    let rendered = Rendered::of_the_sandbox();
    let mut seen = 0;
    for (name, environment, text) in rendered.all() {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let text = text
            .replace(environment, &"e".repeat(12))
            .replace("api", &"a".repeat(20));
        let limit = if name == "github_attest" {
            10_240
        } else {
            6_144
        };
        assert!(
            text.len() <= limit,
            "{name} of {environment}: {}",
            text.len()
        );
        seen += 1;
    }
    assert_eq!(seen, 8, "four policies of two environments");
}
