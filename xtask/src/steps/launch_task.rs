//! One task, started at the revision that the apply made, or the one that this very run has already
//! started: a rerun attaches, it does not start a second one.

use std::time::SystemTime;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::clients::ecs::{Ecs, Launch, Task, TaskDefinition};
use crate::clients::terraform::outputs::Outputs;
use crate::failure::Problem;
use crate::names::{TaskName, did_you_mean};
use crate::record::LaunchRecord;
use crate::record::run_id;
use crate::session::Session;
use crate::steps::require_paused::Paused;
use crate::ui::{Step, Timer};

/// What the user wants different from the definition.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub cpu: Option<String>,
    pub memory: Option<String>,
    pub author: String,
    /// Start another task although the same run is on its way.
    pub again: bool,
}

/// A task that ECS has accepted.
#[derive(Debug, Clone)]
pub struct RunningTask {
    pub cluster: String,
    pub task: Task,
    pub definition: TaskDefinition,
    /// The container whose exit code is the task's.
    pub container: String,
    /// None for a task that was not launched from this checkout.
    pub record: Option<LaunchRecord>,
}

/// What is to be launched, and what is known of it.
pub struct Sought {
    pub name: TaskName,
    pub outputs: Outputs,
    wishes: Wishes,
    pub definition: TaskDefinition,
    pub container: String,
    request: String,
    known: Known,
}

/// Looks for the definition and for the same run on its way. It starts nothing, and so may go beside
/// the look at auto-deploy.
pub async fn seek_task(
    session: &Session,
    outputs: &Outputs,
    name: &TaskName,
    wishes: &Wishes,
) -> anyhow::Result<Sought> {
    let environment = &session.settings.environment.name;
    let arn = outputs.task_definitions.get(name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = outputs
            .task_definitions
            .keys()
            .map(String::as_str)
            .collect();
        Problem::usage(
            format!("there is no task `{name}` in {environment}"),
            did_you_mean(name.as_str(), &known),
        )
    })?;
    let ecs = session.aws().await.ecs();
    let request = request_of(arn, &outputs.service_docker_tag, wishes);
    let (definition, known) = session
        .interrupt
        .or("looking for the task on ECS", async {
            tokio::try_join!(
                find_definition(&ecs, arn),
                known_runs(session, &ecs, outputs, arn, &request, wishes.again)
            )
        })
        .await?;
    let container = outputs
        .container_names
        .get(name.as_str())
        .and_then(|names| names.first())
        .context("the output container_names does not name the task's container")?
        .clone();
    Ok(Sought {
        name: name.clone(),
        outputs: outputs.clone(),
        wishes: wishes.clone(),
        definition,
        container,
        request,
        known,
    })
}

/// Starts the task, or attaches to it. With `paused`, auto-deploy was seen paused just now; a plain
/// `run` needs no such proof, since it takes what is deployed.
pub async fn launch_task(
    session: &Session,
    sought: Sought,
    _paused: Option<&Paused>,
) -> anyhow::Result<RunningTask> {
    let timer = session.reporter.started(
        Step::Launch,
        format!("{} on {}", sought.name, sought.outputs.cluster),
    );
    let ecs = session.aws().await.ecs();
    warn_about_logs(session, &sought.definition);
    let new = sought.new_run(session, "");
    let running = |task, record| RunningTask {
        cluster: sought.outputs.cluster,
        task,
        definition: sought.definition,
        container: sought.container,
        record,
    };
    let mut record = match sought.known {
        Known::Running { task, record } => {
            say_attached(session, &timer, &task);
            return Ok(running(*task, record.map(|record| *record)));
        }
        Known::Unanswered(record) => *record,
        Known::Nothing => new,
    };
    session.interrupt.check("the launch: nothing was started")?;
    let work_dir = session.settings.work_dir();
    record.save(&work_dir)?;
    // Not given up half-way: whether ECS has started it would be unknown. A second Ctrl-C leaves.
    session.interrupt.set_last_words(format!(
        "left while ECS was asked to start {}: run the same command again to find the task",
        sought.name
    ));
    let task = ecs.run(&record.launch).await?;
    session.interrupt.set_last_words("");
    record.task_arn = Some(task.arn.clone());
    record.save(&work_dir)?;
    session
        .reporter
        .finished(&timer, format!("task {}", task.id()));
    Ok(running(task, Some(record)))
}

/// What is known of this run from before.
enum Known {
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
async fn known_runs(
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

impl Sought {
    /// The run of this many that was cut off or left, and true; or a new one.
    pub fn run_of_many(&self, session: &Session, count: u32, again: bool) -> (LaunchRecord, bool) {
        let kind = format!("-{count}");
        let request = format!("{}{kind}", self.request);
        let now = SystemTime::now();
        let unended = LaunchRecord::find_unended(&session.settings.work_dir(), &request)
            .into_iter()
            .find(|record| !again && record.is_repeatable(now));
        match unended {
            Some(record) => (record, true),
            None => (self.new_run(session, &kind), false),
        }
    }

    /// A new run of it, whatever else is on its way. `kind` tells its request from that of a run alone.
    fn new_run(&self, session: &Session, kind: &str) -> LaunchRecord {
        let own = self
            .definition
            .containers
            .iter()
            .find(|candidate| candidate.name == self.container);
        let mut command = own.map(|own| own.command.clone()).unwrap_or_default();
        command.extend(self.wishes.args.iter().cloned());
        new_record(
            &self.name,
            session.settings.environment.name.as_str(),
            &self.outputs,
            &self.wishes,
            (
                self.definition.arn.as_str(),
                self.container.as_str(),
                command,
            ),
            format!("{}{kind}", self.request),
            session.reporter.run(),
        )
    }
}

fn say_attached(session: &Session, timer: &Timer, task: &Task) {
    let by = task.started_by.as_deref().unwrap_or("somebody");
    let age = task
        .created_at
        .and_then(|created| SystemTime::now().duration_since(created).ok());
    let age = age.map_or_else(String::new, |age| {
        format!(" {} ago", crate::ui::seconds(age))
    });
    session.reporter.finished(
        timer,
        format!(
            "attached to {}, which {by} started{age}; --again starts another one",
            task.id()
        ),
    );
}

fn new_record(
    name: &TaskName,
    environment: &str,
    outputs: &Outputs,
    wishes: &Wishes,
    (definition, container, command): (&str, &str, Vec<String>),
    request: String,
    run: Option<String>,
) -> LaunchRecord {
    let now = SystemTime::now();
    let run_id = run.unwrap_or_else(|| run_id(now));
    let mut variables = vec![("TASK_AUTHOR".to_owned(), wishes.author.clone())];
    variables.extend(wishes.environment.iter().cloned());
    let tags = [
        ("xtask-run", &run_id),
        ("xtask-author", &wishes.author),
        ("xtask-image-tag", &outputs.service_docker_tag),
        ("xtask-request", &request),
    ];
    LaunchRecord {
        task: name.to_string(),
        environment: environment.to_owned(),
        image_tag: outputs.service_docker_tag.clone(),
        launched_at: humantime::format_rfc3339_seconds(now).to_string(),
        launch: Launch {
            cluster: outputs.cluster.clone(),
            task_definition: definition.to_owned(),
            container: container.to_owned(),
            command,
            environment: variables,
            cpu: wishes.cpu.clone(),
            memory: wishes.memory.clone(),
            subnets: outputs.subnets.clone(),
            security_groups: outputs.security_groups.clone(),
            assign_public_ip: outputs.assign_public_ip,
            platform_version: outputs.platform_version.clone(),
            started_by: wishes.author.clone(),
            tags: tags
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .to_vec(),
            client_token: format!("{run_id}-{:016x}", fastrand::u64(..)),
        },
        run_id,
        request,
        task_arn: None,
        ended: false,
    }
}

pub async fn find_definition(ecs: &Ecs, arn: &str) -> anyhow::Result<TaskDefinition> {
    ecs.task_definition(arn).await?.ok_or_else(|| {
        Problem::failed(
            format!("Terraform's state names {arn}, which ECS does not have"),
            "somebody deregistered it: deploy again",
        )
        .into()
    })
}

/// A log driver that drops lines under pressure makes every log doubtful.
pub fn warn_about_logs(session: &Session, definition: &TaskDefinition) {
    for container in &definition.containers {
        match &container.log {
            None => session.reporter.warning(
                Step::Launch,
                format!("the container {} does not log to CloudWatch Logs: nothing of it will be shown", container.name),
            ),
            Some(log) if !log.blocking => session.reporter.warning(
                Step::Launch,
                format!("the container {} logs in non-blocking mode, which can lose lines: set `mode = \"blocking\"` in its log options", container.name),
            ),
            Some(_) => {}
        }
    }
}

/// Two calls with equal hashes ask for the same run: the same revision, image, arguments, variables,
/// size, and the same person.
fn request_of(definition: &str, image_tag: &str, wishes: &Wishes) -> String {
    let asked = serde_json::json!([
        definition,
        image_tag,
        wishes.args,
        wishes.environment,
        wishes.cpu,
        wishes.memory,
        wishes.author
    ]);
    let hash = Sha256::digest(asked.to_string());
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// `arn:…:task-definition/api-test-job:3` → `api-test-job`.
fn family_of(definition: &str) -> &str {
    let name = definition.rsplit('/').next().unwrap_or(definition);
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_same_only_when_everything_is() {
        let arn = "arn:aws:ecs:us-east-1:1:task-definition/api-test-job:3";
        let wishes = Wishes {
            args: vec!["a".into(), "b".into()],
            author: "jo".into(),
            ..Wishes::default()
        };
        let request = request_of(arn, "tag", &wishes);
        assert_eq!(request.len(), 16);
        // `again` is about this call, not about the run.
        let again = Wishes {
            again: true,
            ..wishes.clone()
        };
        assert_eq!(request, request_of(arn, "tag", &again));
        let mut others = vec![
            request_of("arn:…:4", "tag", &wishes),
            request_of(arn, "other", &wishes),
        ];
        for other in [
            Wishes {
                args: vec!["a b".into()],
                ..wishes.clone()
            },
            Wishes {
                environment: vec![("a".into(), "b".into())],
                ..wishes.clone()
            },
            Wishes {
                cpu: Some("512".into()),
                ..wishes.clone()
            },
            Wishes {
                memory: Some("512".into()),
                ..wishes.clone()
            },
            Wishes {
                author: "mo".into(),
                ..wishes
            },
        ] {
            others.push(request_of(arn, "tag", &other));
        }
        assert!(!others.contains(&request));
        let count = others.len();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), count);
        assert_eq!(family_of(arn), "api-test-job");
    }
}
