//! What does not fit together, each with the place to mend.

use std::collections::HashMap;

use super::{Catalog, Place, expression, fargate};

/// What Terraform's template takes when a definition says nothing: task_config.tf has the same.
const DEFAULT_CPU: u32 = 1024;
const DEFAULT_MEMORY: u32 = 2048;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub place: Place,
    pub message: String,
}

impl Catalog {
    /// Every inconsistency, in the order of files and lines. `no_tasks` are entrypoints that are
    /// meant to have no definition, such as the API's server.
    pub fn findings(&self, no_tasks: &[String]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut found = |place: &Place, message: String| {
            findings.push(Finding {
                place: place.clone(),
                message,
            });
        };
        let mut seen: HashMap<&str, &Place> = HashMap::new();
        for entrypoint in &self.entrypoints {
            if let Some(first) = seen.insert(&entrypoint.name, &entrypoint.place) {
                found(
                    &entrypoint.place,
                    format!("the entrypoint {} is at {first} as well", entrypoint.name),
                );
            }
        }
        if let Some(definitions) = &self.definitions {
            let defined: Vec<&str> = definitions
                .iter()
                .flat_map(|definition| {
                    let command = definition.command.as_deref().and_then(entrypoint_of);
                    [Some(definition.name.as_str()), command]
                })
                .flatten()
                .collect();
            for entrypoint in &self.entrypoints {
                let name = entrypoint.name.as_str();
                let meant = no_tasks.iter().any(|other| other == name);
                if !defined.contains(&name) && !meant && seen.get(name) == Some(&&entrypoint.place)
                {
                    found(
                        &entrypoint.place,
                        format!("the entrypoint {name} has no definition"),
                    );
                }
            }
            for definition in definitions {
                let name = &definition.name;
                match definition.command.as_deref().map(entrypoint_of) {
                    Some(Some(entrypoint)) if !seen.contains_key(entrypoint) => found(
                        &definition.place,
                        format!("the task {name} runs {entrypoint}, which is no entrypoint"),
                    ),
                    Some(None) => found(
                        &definition.place,
                        format!("the task {name} has an empty command"),
                    ),
                    Some(Some(_)) | None => {}
                }
                let cpu = definition.cpu.unwrap_or(DEFAULT_CPU);
                let memory = definition.memory.unwrap_or(DEFAULT_MEMORY);
                if let Some(mistake) = fargate::mistake(cpu, memory) {
                    found(&definition.place, format!("the task {name}: {mistake}"));
                }
            }
        }
        for schedule in &self.schedules {
            let what = format!("the schedule {}", schedule.module);
            self.check_target(&what, schedule.task.as_deref(), &schedule.place, &mut found);
            let mistakes = [
                schedule
                    .expression
                    .as_deref()
                    .and_then(|text| expression::parse(text).err()),
                schedule
                    .timezone
                    .as_deref()
                    .and_then(|name| expression::zone(name).err()),
            ];
            for mistake in mistakes.into_iter().flatten() {
                found(&schedule.place, format!("{what}: {mistake}"));
            }
        }
        for trigger in &self.triggers {
            let what = format!("the S3 trigger {}", trigger.module);
            self.check_target(&what, trigger.task.as_deref(), &trigger.place, &mut found);
        }
        findings.sort();
        findings
    }

    fn check_target(
        &self,
        what: &str,
        task: Option<&str>,
        place: &Place,
        found: &mut impl FnMut(&Place, String),
    ) {
        let (Some(definitions), Some(task)) = (&self.definitions, task) else {
            return;
        };
        if !definitions.iter().any(|definition| definition.name == task) {
            found(place, format!("{what} starts {task}, which is no task"));
        }
    }
}

/// The entrypoint that a command runs: its first word, behind `poetry run`.
pub fn entrypoint_of(command: &[String]) -> Option<&str> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["poetry", "run", name, ..] | [name, ..] => Some(name),
        [] => None,
    }
}

#[cfg(test)]
mod tests;
