//! A task definition of its own for one try: nothing that the environment has is changed, no
//! schedule and no trigger sees it, and it goes away with the try.

use std::time::{Duration, SystemTime};

use crate::clients::ecs::Ecs;
use crate::clients::ecs::isolated::{Copy, Deregistered, Registered};
use crate::clients::terraform::outputs::Outputs;
use crate::failure::Problem;
use crate::hold::Me;
use crate::hold::process::Process;
use crate::names::{TaskName, did_you_mean};
use crate::session::Session;
use crate::steps::claim::is_dead;
use crate::steps::push_image::PushedImage;
use crate::ui::Step;

/// After this time a definition that names another host is a leftover: no try takes as long.
const LEFTOVER_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The environment as it is deployed, but for one task's definition.
pub struct Isolated {
    pub outputs: Outputs,
    arn: String,
}

/// Registers a copy of the task's deployed definition with this image by its digest.
pub async fn isolate(
    session: &Session,
    deployed: &Outputs,
    task: &TaskName,
    image: &PushedImage,
    me: &Me,
) -> anyhow::Result<Isolated> {
    let environment = &session.settings.environment.name;
    let original = deployed
        .task_definitions
        .get(task.as_str())
        .ok_or_else(|| {
            let known: Vec<&str> = deployed.task_definitions.keys().map(String::as_str).collect();
            Problem::refused(
                format!("{task} is not deployed in {environment}, and an isolated try copies what is deployed"),
                format!("try it with its infrastructure: cargo xtask try {task}\n{}", did_you_mean(task.as_str(), &known)),
            )
        })?;
    let copy = Copy {
        family: format!("{}{task}-{:08x}", prefix(session), fastrand::u32(..)),
        repository_uri: image.repository.uri.clone(),
        image: format!("{}@{}", image.repository.uri, image.digest),
        tag: image.tag.to_string(),
        tags: marks(me),
    };
    let arn = session
        .aws()
        .await
        .ecs()
        .register_copy(original, &copy)
        .await?;
    session.reporter.detail(
        Step::Launch,
        format!("registered {}", crate::clients::ecs::id_of(&arn)),
    );
    let mut outputs = deployed.clone();
    outputs
        .task_definitions
        .insert(task.to_string(), arn.clone());
    outputs.service_docker_tag = image.tag.to_string();
    // Its definition names the image by its digest.
    outputs.task_docker_tags.clear();
    Ok(Isolated { outputs, arn })
}

impl Isolated {
    /// Takes the definition away again. A task that still runs goes on.
    pub async fn remove(self, session: &Session) {
        remove(session, &session.aws().await.ecs(), &self.arn).await;
    }
}

/// Removes what earlier tries left when they were killed; says what it found.
pub async fn sweep(session: &Session, me: &Me) -> anyhow::Result<()> {
    let ecs = session.aws().await.ecs();
    let now = SystemTime::now();
    for found in ecs.registered(&prefix(session)).await? {
        if is_leftover(&found, me, now, |of| is_dead(of, me)) {
            session.reporter.warning(
                Step::Check,
                format!(
                    "an isolated try ended without removing {}: it is removed now",
                    crate::clients::ecs::id_of(&found.arn)
                ),
            );
            remove(session, &ecs, &found.arn).await;
        }
    }
    Ok(())
}

async fn remove(session: &Session, ecs: &Ecs, arn: &str) {
    let problem = match ecs.deregister(arn).await {
        Ok(Deregistered::Done) => return,
        // ECS has no permission for the definitions of one family: who may take away one may take
        // away all, so that those who only run tasks may not.
        Ok(Deregistered::Denied) => format!(
            "your role may not deregister {arn}: it stays, used by nobody, until somebody who deploys tries in isolation"
        ),
        Err(error) => format!("{arn} stays registered, used by nobody: {error:#}"),
    };
    session.reporter.warning(Step::Task, problem);
}

/// `<app>-<environment>-isolated-`: the only families that those who run tasks may register.
fn prefix(session: &Session) -> String {
    format!("{}-isolated-", session.settings.service())
}

/// Whose it is, for whoever finds it later.
fn marks(me: &Me) -> Vec<(String, String)> {
    let process = &me.process;
    let marks = [
        ("xtask-author", Some(me.author.clone())),
        ("xtask-host", Some(me.host.clone())),
        ("xtask-process", Some(process.id.to_string())),
        ("xtask-process-started", process.started.clone()),
        ("xtask-boot", process.boot.clone()),
    ];
    let known = marks.into_iter();
    known
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

/// Of this boot of this machine the process tells; of others, and without marks, the age.
fn is_leftover(
    found: &Registered,
    me: &Me,
    now: SystemTime,
    is_dead: impl Fn(&Process) -> bool,
) -> bool {
    let tag = |key: &str| {
        let tag = found.tags.iter().find(|(name, _)| name == key);
        tag.map(|(_, value)| value.clone())
    };
    let id = tag("xtask-process").and_then(|process| process.parse().ok());
    let process = id.map(|id| Process {
        id,
        started: tag("xtask-process-started"),
        boot: tag("xtask-boot"),
    });
    match process {
        Some(process) if process.boot.is_some() && process.boot == me.process.boot => {
            is_dead(&process)
        }
        _ => {
            let age = found.at.and_then(|at| now.duration_since(at).ok());
            age.is_some_and(|age| age > LEFTOVER_AFTER)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers() {
        let me = Me {
            identity: "arn".into(),
            author: "jo".into(),
            host: "laptop".into(),
            process: Process {
                id: 7,
                started: Some("4242".into()),
                boot: Some("this one".into()),
            },
        };
        let now = SystemTime::now();
        let registered = |boot: &str, hours: u64| Registered {
            arn: "a".into(),
            tags: marks(&Me {
                process: Process {
                    boot: Some(boot.into()),
                    ..me.process.clone()
                },
                ..me.clone()
            }),
            at: now.checked_sub(Duration::from_secs(hours * 3600)),
        };
        for (boot, hours, dead, expected) in [
            ("this one", 0, true, true),
            ("this one", 90, false, false),
            ("another", 0, true, false),
            ("another", 25, true, true),
        ] {
            let found = registered(boot, hours);
            let is_dead = |of: &Process| {
                assert_eq!(of.started, me.process.started);
                dead
            };
            assert_eq!(
                is_leftover(&found, &me, now, is_dead),
                expected,
                "{boot} {hours} {dead}"
            );
        }
        let unmarked = Registered {
            tags: Vec::new(),
            ..registered("this one", 25)
        };
        assert!(is_leftover(&unmarked, &me, now, |_| false));
    }
}
