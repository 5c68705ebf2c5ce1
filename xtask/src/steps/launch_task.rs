//! One task, started at the revision that the apply made, or the one that this very run has already
//! started: a rerun attaches, it does not start a second one.

mod known;
mod request;

use std::time::SystemTime;

use anyhow::Context as _;

use crate::clients::ecs::{Ecs, Launch, NoTask, Reply, Task, TaskDefinition};
use crate::clients::terraform::outputs::Outputs;
use crate::failure::Problem;
use crate::names::{TaskName, did_you_mean};
use crate::record::LaunchRecord;
use crate::session::Session;
use crate::steps::preflight::as_problem;
use crate::steps::require_paused::Paused;
use crate::ui::Step;
use known::{Known, known_runs, say_attached, say_repeated};
use request::{asked, new_record, request_of};

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
    pub definition: TaskDefinition,
    pub container: String,
    /// All that is sent, but for the definition's own command.
    asked: Launch,
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
    let container = outputs
        .container_names
        .get(name.as_str())
        .and_then(|names| names.first())
        .context("the output container_names does not name the task's container")?;
    let asked = asked(outputs, name, arn, container, wishes);
    let request = request_of(&asked)?;
    let (definition, known) = session
        .interrupt
        .or("looking for the task on ECS", async {
            tokio::try_join!(
                find_definition(&ecs, arn),
                known_runs(session, &ecs, outputs, arn, &request, wishes.again)
            )
        })
        .await?;
    require_own_image(outputs, name, &definition, container)?;
    Ok(Sought {
        name: name.clone(),
        outputs: outputs.clone(),
        definition,
        container: container.clone(),
        asked,
        request,
        known,
    })
}

/// A root that takes a tag of a single task and does nothing with it would have another image run.
fn require_own_image(
    outputs: &Outputs,
    name: &TaskName,
    definition: &TaskDefinition,
    container: &str,
) -> Result<(), Problem> {
    let Some(tag) = outputs.task_docker_tags.get(name.as_str()) else {
        return Ok(());
    };
    let mut containers = definition.containers.iter();
    let image = containers
        .find(|candidate| candidate.name == *container)
        .map(|own| own.image.as_str())
        .unwrap_or_default();
    if image.ends_with(&format!(":{tag}")) {
        return Ok(());
    }
    Err(Problem::failed(
        format!("{name} is to run {tag} alone, but its definition names {image}"),
        "the Terraform of its definition must take its tag from task_docker_tags: see infra/ecs-tasks/README.md",
    ))
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
        Known::Unanswered(record) => {
            say_repeated(session, &record);
            *record
        }
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
    let answer = ecs.run(&record.launch).await;
    session.interrupt.set_last_words("");
    let task = match answer {
        Ok(task) => task,
        Err(no_task) => {
            record.ended = no_task.reply != Reply::Unknown;
            record.save(&work_dir)?;
            return Err(not_started(no_task));
        }
    };
    record.task_arn = Some(task.arn.clone());
    record.save(&work_dir)?;
    session
        .reporter
        .finished(&timer, format!("task {}", task.id()));
    Ok(running(task, Some(record)))
}

/// What was refused, or not asked at all, is over: the next call is another one. Of anything else nobody knows what it did.
pub fn not_started(no_task: NoTask) -> anyhow::Error {
    if no_task.reply != Reply::Unknown {
        return no_task.error;
    }
    let known = as_problem(&no_task.error);
    let again = "run the same command again: it asks for the same task, and starts no second one"
        .to_owned();
    Problem {
        message: format!("{}\nwhether ECS has started it is not known", known.message),
        hint: Some(
            known
                .hint
                .map_or(again.clone(), |hint| format!("{hint}\n{again}")),
        ),
        ..known
    }
    .into()
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
        let mut launch = self.asked.clone();
        let mut command = own.map(|own| own.command.clone()).unwrap_or_default();
        command.append(&mut launch.command);
        launch.command = command;
        new_record(
            &self.name,
            session.settings.environment.name.as_str(),
            launch,
            format!("{}{kind}", self.request),
            session.reporter.run(),
        )
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
