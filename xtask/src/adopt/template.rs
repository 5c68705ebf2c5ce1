//! This repository's Terraform and workflows, made another one's: without the examples, and with its
//! own names.

use crate::settings::Settings;

/// In Terraform files, what is between two such lines is an example that an adopter does not get.
const BEGIN: &str = "# example: begin";
const END: &str = "# example: end";

/// What this repository's files say where an adopter's must say something else.
pub struct Names<'a> {
    pub settings: &'a Settings,
    /// The package that the alias runs.
    pub package: &'a str,
}

impl Names<'_> {
    /// A Terraform file, or a text beside one.
    pub fn terraform(&self, text: &str) -> String {
        let settings = self.settings;
        let environment = &settings.environment;
        let app = &settings.app;
        without_examples(text)
            .replace(
                "[\"test\", \"stage\"]",
                &format!("[\"{}\"]", environment.name),
            )
            .replace("\"test\"", &format!("\"{}\"", environment.name))
            .replace("/test.tfstate", &format!("/{}.tfstate", environment.name))
            .replace("TEST", &environment.name.as_str().to_uppercase())
            .replace("123456789012", &environment.aws_account_id)
            .replace("us-east-1", &environment.region)
            .replace("example-org/background-tasks", &settings.github_repository)
            .replace("\"api\"", &format!("\"{app}\""))
            .replace("\"api-terraform", &format!("\"{app}-terraform"))
    }

    /// A GitHub workflow.
    pub fn workflow(&self, text: &str) -> String {
        let app = &self.settings.app;
        let environment = self.settings.environment.name.as_str();
        text.replace("api-auto-deploy", &format!("{app}-auto-deploy"))
            .replace("api-deploy", &format!("{app}-deploy"))
            .replace("name: api ", &format!("name: {app} "))
            .replace("--package xtask", &format!("--package {}", self.package))
            .replace("--env test", &format!("--env {environment}"))
            .replace(
                "group: deploy-test",
                &format!("group: deploy-{environment}"),
            )
            .replace("deploy to test", &format!("deploy to {environment}"))
            .replace("environment: test", &format!("environment: {environment}"))
            .replace("environment=test", &format!("environment={environment}"))
            .replace("[test, stage]", &format!("[{environment}]"))
            .replace("TEST", &environment.to_uppercase())
            .replace("us-east-1", &self.settings.environment.region)
    }
}

/// Drops the examples, and the empty lines that they leave.
fn without_examples(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    let mut blank = false;
    for line in text.split_inclusive('\n') {
        match line.trim() {
            BEGIN => inside = true,
            END => inside = false,
            _ if inside => {}
            "" if blank => {}
            trimmed => {
                blank = trimmed.is_empty();
                kept.push_str(line);
            }
        }
    }
    let end = kept.trim_end().len();
    kept.truncate(end);
    kept.push('\n');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_go_and_leave_no_gap() {
        let text = "a\n\n  # example: begin\nb\n\nc\n  # example: end\n\nd\n\n# example: begin\ne\n# example: end\n";
        assert_eq!(without_examples(text), "a\n\nd\n");
        assert_eq!(without_examples("a\n\nb\n"), "a\n\nb\n");
    }
}
