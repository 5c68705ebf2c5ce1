//! A task as ECS describes it, in our own words.

use std::time::SystemTime;

use crate::names::Digest;

/// A task as ECS describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Task {
    pub arn: String,
    pub task_definition: String,
    pub last_status: String,
    /// What ECS is working towards: RUNNING, or STOPPED once somebody or something ended it.
    pub desired_status: String,
    pub stop_code: Option<String>,
    pub stopped_reason: Option<String>,
    pub started_by: Option<String>,
    pub memory: Option<String>,
    pub created_at: Option<SystemTime>,
    pub started_at: Option<SystemTime>,
    pub stopped_at: Option<SystemTime>,
    pub containers: Vec<Container>,
    pub tags: Vec<(String, String)>,
    /// The words of all commands that whoever started it put in place of the definition's.
    pub command_overrides: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    pub name: String,
    pub exit_code: Option<i32>,
    pub reason: Option<String>,
    pub image_digest: Option<Digest>,
}

impl Task {
    /// The last part of the ARN, which log streams and people use.
    pub fn id(&self) -> &str {
        id_of(&self.arn)
    }

    pub fn is_stopped(&self) -> bool {
        self.last_status == "STOPPED"
    }

    /// Neither stopped nor about to be.
    pub fn goes_on(&self) -> bool {
        !self.is_stopped() && self.desired_status != "STOPPED"
    }

    pub fn tag(&self, key: &str) -> Option<&str> {
        let tag = self.tags.iter().find(|(name, _)| name == key);
        tag.map(|(_, value)| value.as_str())
    }
}

pub fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The SDK's description as ours.
pub(super) fn task_of(task: aws_sdk_ecs::types::Task) -> Task {
    let time = |time: Option<aws_smithy_types::DateTime>| {
        time.and_then(|time| SystemTime::try_from(time).ok())
    };
    let overrides = task
        .overrides
        .and_then(|overrides| overrides.container_overrides);
    Task {
        command_overrides: overrides
            .unwrap_or_default()
            .into_iter()
            .flat_map(|container| container.command.unwrap_or_default())
            .collect(),
        arn: task.task_arn.unwrap_or_default(),
        task_definition: task.task_definition_arn.unwrap_or_default(),
        last_status: task.last_status.unwrap_or_default(),
        desired_status: task.desired_status.unwrap_or_default(),
        stop_code: task.stop_code.map(|code| code.as_str().to_owned()),
        stopped_reason: task.stopped_reason,
        started_by: task.started_by,
        memory: task.memory,
        created_at: time(task.created_at),
        started_at: time(task.started_at),
        stopped_at: time(task.stopped_at),
        tags: task
            .tags
            .unwrap_or_default()
            .into_iter()
            .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
            .collect(),
        containers: task
            .containers
            .unwrap_or_default()
            .into_iter()
            .map(|container| Container {
                name: container.name.unwrap_or_default(),
                exit_code: container.exit_code,
                reason: container.reason,
                image_digest: container
                    .image_digest
                    .and_then(|digest| Digest::parse(&digest).ok()),
            })
            .collect(),
    }
}
