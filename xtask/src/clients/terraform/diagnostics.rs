//! What Terraform says when it fails, from its JSON: the errors whole, and a lock's owner by name.

use std::fmt;

use serde_json::Value;

use crate::failure::Problem;

/// In the chain of an apply's error: nothing was changed, and a new plan may well be applied.
#[derive(Debug)]
pub struct StalePlan;

impl fmt::Display for StalePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state has moved since the plan was made")
    }
}

impl std::error::Error for StalePlan {}

#[derive(Debug, Default)]
pub struct Diagnostics {
    errors: Vec<String>,
    /// Lines that were no JSON: a crash, or an error before the JSON view is set up.
    others: Vec<String>,
}

impl Diagnostics {
    pub fn read(&mut self, message: &Value) {
        let diagnostic = &message["diagnostic"];
        if message["type"] != "diagnostic" || diagnostic["severity"] != "error" {
            return;
        }
        let text = |key: &str| {
            diagnostic[key]
                .as_str()
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let mut shown = text("summary");
        if let Some(address) = diagnostic["address"].as_str() {
            shown.push_str(&format!(" ({address})"));
        }
        if let Some(file) = diagnostic["range"]["filename"].as_str() {
            shown.push_str(&format!(
                "\n  at {file}:{}",
                diagnostic["range"]["start"]["line"]
            ));
        }
        if !text("detail").is_empty() {
            shown.push_str(&format!("\n{}", text("detail")));
        }
        self.errors.push(shown);
    }

    pub fn other(&mut self, line: &str) {
        if !line.trim().is_empty() && self.others.len() < 50 {
            self.others.push(line.to_owned());
        }
    }

    /// Terraform names the command when a folder is not initialised for its configuration.
    pub fn asks_for_init(&self) -> bool {
        let mut all = self.errors.iter().chain(&self.others);
        all.any(|text| text.contains("terraform init"))
    }

    /// `unlock` is the command that removes a lock, but for the lock's ID.
    pub fn into_error(self, shown: &str, unlock: &str) -> anyhow::Error {
        let text = if self.errors.is_empty() {
            self.others.join("\n")
        } else {
            self.errors.join("\n")
        };
        if let Some(lock) = Lock::find(&text) {
            return lock.into_problem(unlock).into();
        }
        if text.contains("Saved plan is stale") {
            let problem = Problem::failed(
                format!("`{shown}` failed:\n{text}"),
                "somebody applied in between: run the command again",
            );
            return anyhow::Error::new(StalePlan).context(problem);
        }
        let hint = if text.contains("No valid credential sources")
            || text.contains("failed to refresh cached credentials")
        {
            "Terraform found no AWS credentials: log in (for example `aws sso login`) and set AWS_PROFILE, or add `--sandbox`"
        } else if text.contains("Required plugins are not installed")
            || text.contains("Failed to query available provider packages")
        {
            "the provider registry could not be reached: put an unpacked provider mirror (a folder that contains registry.terraform.io) into /usr/local/share/terraform/plugins"
        } else {
            return anyhow::anyhow!("`{shown}` failed:\n{text}");
        };
        Problem::failed(format!("`{shown}` failed:\n{text}"), hint).into()
    }
}

/// Somebody else's lock on the state.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    id: String,
    who: String,
    operation: String,
    created: String,
}

impl Lock {
    fn find(text: &str) -> Option<Lock> {
        if !text.contains("Error acquiring the state lock") {
            return None;
        }
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(|value| value.trim().to_owned())
                .unwrap_or_else(|| "unknown".to_owned())
        };
        Some(Lock {
            id: field("ID:"),
            who: field("Who:"),
            operation: field("Operation:")
                .trim_start_matches("OperationType")
                .to_lowercase(),
            created: field("Created:"),
        })
    }

    /// A lock is never removed unasked: it names a person and a machine, but no process, so that
    /// nothing proves it to be dead. Ours does not stay behind unless Terraform itself is killed.
    fn into_problem(self, unlock: &str) -> Problem {
        Problem::refused(
            format!(
                "the Terraform state is locked by {} ({} since {})",
                self.who, self.operation, self.created
            ),
            format!(
                "wait for it and run the command again; if that process is surely dead:\n{unlock} {}",
                self.id
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure;

    #[test]
    fn a_lock_names_its_owner() {
        // The text of Terraform 1.11 with the S3 backend's lock file.
        let detail = "operation error S3: PutObject, https response error StatusCode: 412, api error PreconditionFailed: At least one of the pre-conditions you specified did not hold\nLock Info:\n  ID:        2b0b0a5e-4c0e-2a1e-0e1c-2f2c7b7a9d10\n  Path:      api-terraform-state-000000000000/ecs-tasks/test.tfstate\n  Operation: OperationTypeApply\n  Who:       jo@laptop\n  Version:   1.11.4\n  Created:   2026-01-02 03:04:05.678 +0000 UTC\n  Info:      \n\nTerraform acquires a state lock";
        let mut diagnostics = Diagnostics::default();
        diagnostics.read(&serde_json::json!({
            "type": "diagnostic",
            "diagnostic": { "severity": "error", "summary": "Error acquiring the state lock", "detail": detail }
        }));
        let error = diagnostics.into_error("terraform apply", "terraform force-unlock");
        assert_eq!(failure::exit_code(&error), 126);
        assert_eq!(
            error.to_string(),
            "the Terraform state is locked by jo@laptop (apply since 2026-01-02 03:04:05.678 +0000 UTC)"
        );
        let rendered = failure::render(&error);
        let command = "terraform force-unlock 2b0b0a5e-4c0e-2a1e-0e1c-2f2c7b7a9d10\n";
        assert!(rendered.ends_with(command), "{rendered}");
    }

    #[test]
    fn a_stale_plan_is_told_from_other_failures() {
        for (summary, stale) in [("Saved plan is stale", true), ("Invalid index", false)] {
            let mut diagnostics = Diagnostics::default();
            diagnostics.read(&serde_json::json!({
                "type": "diagnostic",
                "diagnostic": { "severity": "error", "summary": summary, "detail": "" }
            }));
            let error = diagnostics.into_error("terraform apply", "terraform force-unlock");
            assert_eq!(error.downcast_ref::<StalePlan>().is_some(), stale);
            assert_eq!(failure::exit_code(&error), 125);
        }
    }

    #[test]
    fn errors_are_whole_and_warnings_are_not_errors() {
        let mut diagnostics = Diagnostics::default();
        for (severity, summary) in [("warning", "old"), ("error", "one"), ("error", "two")] {
            diagnostics.read(&serde_json::json!({
                "type": "diagnostic",
                "diagnostic": { "severity": severity, "summary": summary, "detail": "because" }
            }));
        }
        let error = diagnostics.into_error("terraform plan", "terraform force-unlock");
        assert_eq!(
            error.to_string(),
            "`terraform plan` failed:\none\nbecause\ntwo\nbecause"
        );
    }
}
