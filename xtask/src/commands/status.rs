//! `cargo xtask status`: one environment on one screen. Whatever cannot be read says so in its
//! place, and the rest is shown all the same.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use crate::catalog::expression;
use crate::clients::ecs::{Ecs, Task};
use crate::clients::terraform::outputs::Outputs;
use crate::hold::record::{Hold, Moment};
use crate::hold::{self, Found, period};
use crate::names::ImageTag;
use crate::session::Session;
use crate::steps::launch_task::find_definition;
use crate::steps::require_paused::look;
use crate::verdict::{TaskEnd, verdict};

/// How many of the last runs are shown.
const LAST_RUNS: usize = 5;

#[derive(Debug, Serialize)]
struct Status {
    environment: String,
    deployed: Part<Deployed>,
    hold: Part<Hold>,
    auto_deploy: String,
    running: Vec<Run>,
    schedules: Vec<Schedule>,
    last_runs: Vec<Run>,
    /// What could not be read, and why.
    unknown: Vec<String>,
}

/// A part that is there or not, or of which nobody can tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Part<T> {
    Is(T),
    Nothing,
    Unknown(String),
}

#[derive(Debug, Serialize)]
struct Deployed {
    service_docker_tag: String,
    /// Tasks that were tried alone, each with its tag.
    task_docker_tags: BTreeMap<String, String>,
    /// `subject, author, when`, as far as this clone knows the commit.
    commit: Option<String>,
    /// Commits of main that it lacks.
    behind_main: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct Run {
    task: String,
    id: String,
    by: String,
    /// What it does, or how it ended.
    pub(super) state: String,
    pub(super) ago_seconds: u64,
}

#[derive(Debug, Serialize)]
struct Schedule {
    name: String,
    expression: String,
    timezone: String,
    enabled: bool,
    next: Option<String>,
}

pub async fn run(session: &Session) -> anyhow::Result<u8> {
    let status = gather(session).await;
    session.reporter.answer(&status, render(&status));
    Ok(0)
}

async fn gather(session: &Session) -> Status {
    let aws = session.aws().await;
    let holds = session.holds().await;
    let mut unknown = Vec::new();
    let outputs = match holds.deployed_outputs().await {
        Ok(Some(outputs)) => Outputs::read(&outputs).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let (outputs, deployed) = match outputs {
        Ok(Some(outputs)) => {
            let deployed = deployed(session, &outputs);
            (Some(outputs), Part::Is(deployed))
        }
        Ok(None) => (None, Part::Nothing),
        Err(error) => (None, Part::Unknown(format!("{error:#}"))),
    };
    let hold = match holds.read().await.map(|stored| stored.found) {
        Ok(Found::Record(hold)) => Part::Is(hold),
        Ok(Found::Nothing) => Part::Nothing,
        Ok(Found::Garbled(why)) => Part::Unknown(why),
        Err(error) => Part::Unknown(format!("{error:#}")),
    };
    let mut schedules: Vec<Schedule> = match aws
        .scheduler()
        .schedules(&format!("{}-", session.settings.service()))
        .await
    {
        Ok(schedules) => schedules.into_iter().map(schedule).collect(),
        Err(error) => {
            unknown.push(format!("schedules: {error:#}"));
            Vec::new()
        }
    };
    schedules.sort_by(|one, other| one.name.cmp(&other.name));
    let ecs = aws.ecs();
    let (mut running, mut last_runs) = (Vec::new(), Vec::new());
    for (task, _) in outputs.iter().flat_map(|outputs| &outputs.task_definitions) {
        let cluster = outputs
            .as_ref()
            .map(|outputs| outputs.cluster.as_str())
            .unwrap_or_default();
        let family = format!("{}-{task}", session.settings.service());
        match ecs.tasks_of_family(cluster, &family, true).await {
            Ok(tasks) => {
                for found in tasks {
                    if found.is_stopped() {
                        last_runs.push(ended(&ecs, cluster, task, found).await);
                    } else {
                        running.push(live(task, &found));
                    }
                }
            }
            Err(error) => unknown.push(format!("runs of {task}: {error:#}")),
        }
    }
    last_runs.sort_by_key(|run| run.ago_seconds);
    last_runs.truncate(LAST_RUNS);
    Status {
        environment: session.settings.environment.name.to_string(),
        deployed,
        hold,
        auto_deploy: look(session).await.describe(),
        running,
        schedules,
        last_runs,
        unknown,
    }
}

fn deployed(session: &Session, outputs: &Outputs) -> Deployed {
    let tag = outputs.service_docker_tag.as_str();
    let parsed = ImageTag::parse(tag).ok();
    let commit = parsed.as_ref().and_then(ImageTag::commit);
    let git = session.git().ok();
    let about = commit.zip(git.as_ref());
    Deployed {
        service_docker_tag: tag.to_owned(),
        task_docker_tags: outputs.task_docker_tags.clone(),
        commit: about.and_then(|(commit, git)| git.about(commit)),
        behind_main: about
            .and_then(|(commit, git)| git.behind_of(commit, &session.settings.main_branch)),
    }
}

fn schedule(of: crate::clients::scheduler::Schedule) -> Schedule {
    let next = expression::next(&of.expression, &of.timezone, jiff::Timestamp::now());
    Schedule {
        next: next.filter(|_| of.enabled),
        name: of.name,
        expression: of.expression,
        timezone: of.timezone,
        enabled: of.enabled,
    }
}

pub(super) fn live(task: &str, found: &Task) -> Run {
    Run {
        task: task.to_owned(),
        id: found.id().to_owned(),
        by: by(found),
        state: found.last_status.to_lowercase(),
        ago_seconds: ago(found.started_at.or(found.created_at)),
    }
}

pub(super) async fn ended(ecs: &Ecs, cluster: &str, task: &str, found: Task) -> Run {
    let (id, by, ago_seconds) = (found.id().to_owned(), by(&found), ago(found.stopped_at));
    let state = match find_definition(ecs, &found.task_definition).await {
        Ok(definition) => {
            let end = TaskEnd {
                container: task.to_owned(),
                definition,
                expected_digest: None,
                last_lines: Vec::new(),
                silent_containers: Vec::new(),
                cluster: cluster.to_owned(),
                cut: None,
                task: found,
            };
            verdict(&end).happened
        }
        Err(error) => format!("stopped ({error:#})"),
    };
    Run {
        task: task.to_owned(),
        id,
        by,
        state,
        ago_seconds,
    }
}

fn by(task: &Task) -> String {
    task.started_by.clone().unwrap_or_else(|| "somebody".into())
}

fn ago(time: Option<SystemTime>) -> u64 {
    let elapsed = time.and_then(|time| SystemTime::now().duration_since(time).ok());
    elapsed.unwrap_or_default().as_secs()
}

fn render(status: &Status) -> String {
    let mut lines = vec![status.environment.clone()];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<12} {text}"));
    match &status.deployed {
        Part::Is(deployed) => {
            let commit = deployed
                .commit
                .as_deref()
                .unwrap_or("a commit that this clone lacks");
            let behind = match deployed.behind_main {
                Some(0) => ", main".to_owned(),
                Some(behind) => format!(", {behind} behind main"),
                None => String::new(),
            };
            line(
                "deployed",
                format!("{}: {commit}{behind}", deployed.service_docker_tag),
            );
            for (task, tag) in &deployed.task_docker_tags {
                line("", format!("{task} alone: {tag}"));
            }
        }
        Part::Nothing => line("deployed", "nothing".into()),
        Part::Unknown(why) => line("deployed", format!("unknown: {why}")),
    }
    match &status.hold {
        Part::Is(hold) => line("hold", hold::describe(hold, Moment::now())),
        Part::Nothing => line("hold", "nobody holds it".into()),
        Part::Unknown(why) => line("hold", format!("unknown: {why}")),
    }
    line("auto-deploy", status.auto_deploy.clone());
    for (name, runs) in [
        ("running", &status.running),
        ("last runs", &status.last_runs),
    ] {
        for (index, run) in runs.iter().enumerate() {
            let ago = period(std::time::Duration::from_secs(run.ago_seconds));
            line(
                if index == 0 { name } else { "" },
                format!(
                    "{} by {}, {ago} ago: {} ({})",
                    run.task, run.by, run.state, run.id
                ),
            );
        }
        if runs.is_empty() {
            line(name, "none".into());
        }
    }
    for (index, schedule) in status.schedules.iter().enumerate() {
        let next = match (&schedule.next, schedule.enabled) {
            (Some(next), _) => format!("next {next}"),
            (None, true) => format!("in {}", schedule.timezone),
            (None, false) => "disabled".to_owned(),
        };
        line(
            if index == 0 { "schedules" } else { "" },
            format!("{}: {}, {next}", schedule.name, schedule.expression),
        );
    }
    for unknown in &status.unknown {
        line("unknown", unknown.clone());
    }
    lines.join("\n")
}
