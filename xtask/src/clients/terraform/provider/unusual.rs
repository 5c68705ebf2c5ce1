//! What Terraform must be left alone with: whatever a provider that is started once may handle in
//! another way than one that Terraform starts for itself. Pure.

use std::collections::BTreeSet;

use hcl_edit::structure::{Block, Body};
use serde_json::Value;

/// Variables that are about the provider's start, or that it reads at its first configuration alone.
const VARIABLES: [(&str, &str); 2] = [
    (
        "TF_REATTACH_PROVIDERS",
        "somebody else has started providers",
    ),
    (
        "AWS_CA_BUNDLE",
        "the provider takes certificates of one's own once in its life",
    ),
];
/// What a `provider` block may not have: its words, and why.
const OF_PROVIDERS: [(&str, &str); 3] = [
    ("alias", "one process has one configuration at a time"),
    ("endpoints", "each configuration of it would cost seconds"),
    ("custom_ca_bundle", VARIABLES[1].1),
];

/// Why Terraform has to start the provider by itself; None where there is no reason.
///
/// `variables` are the names of those that Terraform sees, `cli_config` is the text of its own
/// configuration, `sources` are names and texts of the configuration.
pub fn reason<'a>(
    variables: impl Iterator<Item = &'a str>,
    cli_config: &str,
    sources: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<String> {
    for name in variables {
        if let Some((_, why)) = VARIABLES.iter().find(|(known, _)| *known == name) {
            return Some(format!("{name} is set: {why}"));
        }
        // The provider's log would not be in Terraform's.
        if name.starts_with("TF_LOG") {
            return Some(format!("{name} is set: the log is to have the provider's"));
        }
    }
    if cli_config.contains("dev_overrides") {
        return Some("Terraform's CLI configuration has dev_overrides".to_owned());
    }
    let mut configured = BTreeSet::new();
    for (name, text) in sources {
        let found = if name.ends_with(".json") {
            in_json(name, text)
        } else if name.ends_with(".tf") {
            in_hcl(name, text, &mut configured)
        } else {
            None
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn in_hcl(name: &str, text: &str, configured: &mut BTreeSet<String>) -> Option<String> {
    let Ok(body) = text.parse::<Body>() else {
        return Some(format!("{name} cannot be read"));
    };
    body.get_blocks("provider")
        .find_map(|block| of_provider(name, block, configured))
}

fn of_provider(name: &str, block: &Block, configured: &mut BTreeSet<String>) -> Option<String> {
    let label = block.labels.first().map_or("", |label| label.as_str());
    let shown = format!("provider \"{label}\" in {name}");
    for (word, why) in OF_PROVIDERS {
        if block.body.has_attribute(word) || block.body.has_blocks(word) {
            return Some(format!("{shown} has `{word}`: {why}"));
        }
    }
    // A module's own, or one of an override.
    (!configured.insert(label.to_owned()))
        .then(|| format!("{shown} is a second one: {}", OF_PROVIDERS[0].1))
}

fn in_json(name: &str, text: &str) -> Option<String> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(found)) if !found.contains_key("provider") => None,
        Ok(Value::Object(_)) => Some(format!("{name} configures a provider in JSON")),
        _ => Some(format!("{name} cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "provider \"aws\" {\n  region = \"us-east-1\"\n  default_tags {}\n}\n";

    #[test]
    fn whatever_is_not_plain_has_a_reason() {
        for (variables, cli_config, sources, expected) in [
            (
                vec!["AWS_PROFILE", "TF_VAR_a"],
                "",
                vec![("main.tf", PLAIN)],
                None,
            ),
            (
                vec!["TF_REATTACH_PROVIDERS"],
                "",
                vec![],
                Some("TF_REATTACH_PROVIDERS is set"),
            ),
            (
                vec!["AWS_CA_BUNDLE"],
                "",
                vec![],
                Some("AWS_CA_BUNDLE is set"),
            ),
            (
                vec!["TF_LOG_PROVIDER"],
                "",
                vec![],
                Some("TF_LOG_PROVIDER is set"),
            ),
            (
                vec![],
                "provider_installation {\n  dev_overrides {}\n}",
                vec![],
                Some("dev_overrides"),
            ),
            (
                vec![],
                "",
                vec![("main.tf", "provider \"aws\" {\n  alias = \"west\"\n}\n")],
                Some("provider \"aws\" in main.tf has `alias`"),
            ),
            (
                vec![],
                "",
                vec![(
                    "main.tf",
                    "provider \"aws\" {\n  endpoints {\n    s3 = \"a\"\n  }\n}\n",
                )],
                Some("`endpoints`"),
            ),
            (
                vec![],
                "",
                vec![("main.tf", PLAIN), ("m/main.tf", PLAIN)],
                Some("m/main.tf is a second one"),
            ),
            (
                vec![],
                "",
                vec![("main.tf", PLAIN), ("more.tf", "provider \"random\" {}\n")],
                None,
            ),
            (vec![], "", vec![("a.tf.json", "{\"locals\": {}}")], None),
            (
                vec![],
                "",
                vec![("a.tf.json", "{\"provider\": {\"aws\": {}}}")],
                Some("a.tf.json configures"),
            ),
            (vec![], "", vec![("a.tf.json", "{")], Some("cannot be read")),
            (
                vec![],
                "",
                vec![("a.tf", "locals {")],
                Some("cannot be read"),
            ),
            (
                vec![],
                "",
                vec![(".terraform.lock.hcl", "provider \"x\" {\n  alias = 1\n}\n")],
                None,
            ),
        ] {
            let found = reason(
                variables.iter().copied(),
                cli_config,
                sources.iter().copied(),
            );
            match expected {
                None => assert_eq!(found, None),
                Some(words) => {
                    let found = found.unwrap_or_default();
                    assert!(found.contains(words), "{found} has no {words}");
                }
            }
        }
    }
}
