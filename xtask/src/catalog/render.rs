//! The table of `cargo xtask tasks`.

use super::{Catalog, Definition, EnvValue, Schedule, Trigger, findings::entrypoint_of};

const HEAD: [&str; 4] = ["TASK", "ENTRYPOINT", "STARTED BY", "SECRETS"];

impl Catalog {
    /// One line a definition; a task with several schedules or triggers has more.
    pub fn table(&self) -> String {
        let mut rows: Vec<[String; 4]> = vec![HEAD.map(str::to_owned)];
        for definition in self.definitions.iter().flatten() {
            let mut starts = self.starts(&definition.name).into_iter();
            rows.push([
                definition.name.clone(),
                self.entrypoint(definition),
                starts.next().unwrap_or_else(|| "by hand".to_owned()),
                secrets(definition),
            ]);
            rows.extend(starts.map(|start| [String::new(), String::new(), start, String::new()]));
        }
        columns(&rows)
    }

    /// What starts a task by itself, in words.
    pub fn starts(&self, task: &str) -> Vec<String> {
        let is_it = |named: &Option<String>| named.as_deref() == Some(task);
        let schedules = self.schedules.iter().filter(|s| is_it(&s.task));
        let triggers = self.triggers.iter().filter(|t| is_it(&t.task));
        schedules
            .map(schedule_text)
            .chain(triggers.map(trigger_text))
            .collect()
    }

    fn entrypoint(&self, definition: &Definition) -> String {
        let Some(name) = definition.command.as_deref().and_then(entrypoint_of) else {
            return "?".to_owned();
        };
        let found = self.entrypoints.iter().find(|entry| entry.name == name);
        found.map_or_else(|| format!("{name} (none)"), |entry| entry.place.to_string())
    }
}

fn schedule_text(schedule: &Schedule) -> String {
    let asleep = if schedule.enabled { "" } else { " (disabled)" };
    format!(
        "{} {}{asleep}",
        schedule.expression.as_deref().unwrap_or("a schedule"),
        schedule.timezone.as_deref().unwrap_or("UTC")
    )
}

fn trigger_text(trigger: &Trigger) -> String {
    let asleep = if trigger.enabled { "" } else { " (disabled)" };
    format!(
        "s3 {}/{}*{}{asleep}",
        trigger.bucket, trigger.prefix, trigger.suffix
    )
}

fn secrets(definition: &Definition) -> String {
    let names: Vec<&str> = definition
        .env
        .iter()
        .filter(|entry| matches!(entry.value, EnvValue::Secret(_)))
        .map(|entry| entry.name.as_str())
        .collect();
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(", ")
    }
}

/// Aligned columns with two spaces between them and none at the end of a line.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(widths);
            let line: String = cells
                .map(|(cell, width)| format!("{cell:<width$}  "))
                .collect();
            line.trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Entrypoint, Place, terraform};
    use std::path::Path;

    #[test]
    fn the_table() {
        let text = r#"
locals {
  tasks = {
    a = { command = ["a"], env = [{ name = "KEY", valueFrom = "/k" }] }
    long-name = { command = ["gone"] }
  }
}
module "s" {
  source = "m/ecs_task_scheduler"
  task = local.startable["a"]
  schedule_expression = "cron(0 3 * * ? *)"
  schedule_expression_timezone = "Europe/Berlin"
}
module "t" {
  source = "m/s3_ecs_trigger"
  task = local.startable["a"]
  bucket = "b"
  prefix = "in/"
  suffix = ".csv"
  is_enabled = false
}
"#;
        let source = terraform::parse(Path::new("t.tf"), text.to_owned()).unwrap();
        let written = terraform::read(&[source]);
        let catalog = Catalog {
            entrypoints: vec![Entrypoint {
                name: "a".into(),
                place: Place {
                    file: "src/a.rs".into(),
                    line: 3,
                },
            }],
            definitions: written.definitions,
            schedules: written.schedules,
            triggers: written.triggers,
        };
        assert_eq!(
            catalog.table(),
            "TASK       ENTRYPOINT   STARTED BY                       SECRETS\n\
             a          src/a.rs:3   cron(0 3 * * ? *) Europe/Berlin  KEY\n\
             \x20                       s3 b/in/*.csv (disabled)\n\
             long-name  gone (none)  by hand                          -"
        );
    }
}
