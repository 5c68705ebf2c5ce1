//! What is known of a run from before: a task that is on its way, or a call whose answer never came.

use std::time::SystemTime;

use crate::clients::ecs::{Ecs, Task, id_of};
use crate::clients::terraform::outputs::Outputs;
use crate::record::LaunchRecord;
use crate::session::Session;
use crate::ui::{Step, Timer, seconds};

/// What is known of this run from before.
pub enum Known {
    Running {
        task: Box<Task>,
        record: Option<Box<LaunchRecord>>,
    },
    /// RunTask was called and its answer never came: the same call again is the same task.
    Unanswered(Box<LaunchRecord>),
    Nothing,
}

/// Looks on ECS, where every run carries its request as a tag, so that a task that was started from
/// another machine is found as well, and in our own records, which know what ECS may not list yet.
pub async fn known_runs(
    session: &Session,
    ecs: &Ecs,
    outputs: &Outputs,
    definition: &str,
    request: &str,
    again: bool,
) -> anyhow::Result<Known> {
    if again {
        return Ok(Known::Nothing);
    }
    let work_dir = session.settings.work_dir();
    let mut records = LaunchRecord::find_unended(&work_dir, request);
    let mut arns = ecs
        .running_arns(&outputs.cluster, family_of(definition))
        .await?;
    arns.extend(records.iter().filter_map(|record| record.task_arn.clone()));
    arns.sort();
    arns.dedup();
    let tasks = if arns.is_empty() {
        Vec::new()
    } else {
        ecs.tasks(&outputs.cluster, &arns).await?
    };
    let record_of = |task: &Task| {
        let is_of = |record: &&LaunchRecord| {
            record.task_arn.as_ref() == Some(&task.arn)
                || task.tag("xtask-run") == Some(record.run_id.as_str())
        };
        records.iter().find(is_of).cloned()
    };
    let ours = |task: &&Task| task.tag("xtask-request") == Some(request);
    if let Some(task) = tasks.iter().filter(ours).find(|task| task.goes_on()) {
        let mut record = record_of(task);
        if let Some(record) = &mut record {
            record.task_arn = Some(task.arn.clone());
            record.save(&work_dir)?;
        }
        return Ok(Known::Running {
            task: Box::new(task.clone()),
            record: record.map(Box::new),
        });
    }
    let now = SystemTime::now();
    for record in &mut records {
        let Some(arn) = &record.task_arn else {
            continue;
        };
        let task = tasks.iter().find(|task| task.arn == *arn);
        if task.is_none() && record.is_repeatable(now) {
            continue;
        }
        // Stopped, or so long ago that ECS has forgotten it.
        if let Some(task) = task {
            session.reporter.detail(
                Step::Launch,
                format!(
                    "an earlier run that was left has stopped since: cargo xtask logs {}{}",
                    task.id(),
                    session.flags()
                ),
            );
        }
        record.ended = true;
        record.save(&work_dir)?;
    }
    let unanswered = records
        .into_iter()
        .find(|record| !record.ended && record.is_repeatable(now));
    Ok(match unanswered {
        Some(record) => Known::Unanswered(Box::new(record)),
        None => Known::Nothing,
    })
}

pub fn say_attached(session: &Session, timer: &Timer, task: &Task) {
    let by = task.started_by.as_deref().unwrap_or("somebody");
    let age = task
        .created_at
        .and_then(|created| SystemTime::now().duration_since(created).ok());
    let age = age.map_or_else(String::new, |age| format!(" {} ago", seconds(age)));
    session.reporter.finished(
        timer,
        format!(
            "attached to {}, which {by} started{age}; --again starts another one",
            task.id()
        ),
    );
}

/// A call is made again: of what, and from when. It goes out word for word as it did then.
pub fn say_repeated(session: &Session, record: &LaunchRecord) {
    let now = SystemTime::now();
    let launched = humantime::parse_rfc3339(&record.launched_at).ok();
    let age = launched.and_then(|launched| now.duration_since(launched).ok());
    session.reporter.warning(
        Step::Launch,
        repeated(record, &seconds(age.unwrap_or_default())),
    );
}

fn repeated(record: &LaunchRecord, age: &str) -> String {
    let what = match &record.task_arn {
        None => "no answer came".to_owned(),
        Some(arn) => format!("ECS does not list the task {} yet", id_of(arn)),
    };
    format!(
        "asking once more for {} of {} ({age} ago), of which {what}: the same call is the same task; --again starts another one",
        id_of(&record.launch.task_definition),
        record.launched_at
    )
}

/// `arn:…:task-definition/api-test-job:3` → `api-test-job`.
fn family_of(definition: &str) -> &str {
    let name = definition.rsplit('/').next().unwrap_or(definition);
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn a_repetition_says_of_what_and_when() {
        let mut record = record("1", "same");
        assert_eq!(
            repeated(&record, "5 min"),
            "asking once more for api-test-job:1 of 2026-01-02T03:04:05Z (5 min ago), of which no answer came: the same call is the same task; --again starts another one"
        );
        record.task_arn = Some("arn:aws:ecs:us-east-1:1:task/api-test/abc".into());
        let words = "of which ECS does not list the task abc yet: ";
        assert!(repeated(&record, "1 s").contains(words));
    }

    #[test]
    fn a_family_is_a_definition_without_its_revision() {
        let arn = "arn:aws:ecs:us-east-1:1:task-definition/api-test-job:3";
        assert_eq!(family_of(arn), "api-test-job");
    }
}
