//! ECS: task definitions, and tasks from RunTask to STOPPED.

mod environment;
pub mod isolated;
mod no_task;
mod task;

use anyhow::Context as _;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::SdkError;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerOverride, DesiredStatus, KeyValuePair,
    LaunchType, NetworkConfiguration, Tag, TaskDefinitionStatus, TaskField, TaskOverride,
};

use serde::{Deserialize, Serialize};

use super::aws::explain;
use super::logs::Stream;
use crate::failure::Problem;
use crate::ui::event::TaskSeen;
pub use no_task::{NoTask, Reply};
use task::task_of;
pub use task::{Container, Task, id_of};

/// How many tasks one RunTask may start.
pub const AT_ONCE: u32 = 10;

#[derive(Clone)]
pub struct Ecs {
    client: Client,
}

/// One revision of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefinition {
    pub arn: String,
    pub family: String,
    /// False for a revision that was deregistered: nothing new can be started from it.
    pub active: bool,
    /// CPU units and MiB of the whole task.
    pub cpu: Option<String>,
    pub memory: Option<String>,
    pub containers: Vec<ContainerDefinition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDefinition {
    pub name: String,
    pub image: String,
    pub essential: bool,
    pub command: Vec<String>,
    /// MiB; the task's own limit applies when there is none.
    pub memory: Option<i32>,
    pub log: Option<LogConfiguration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfiguration {
    pub group: String,
    pub prefix: String,
    /// `non-blocking` drops lines when its buffer is full, and is the default since June 2025.
    pub blocking: bool,
}

impl ContainerDefinition {
    /// The stream of this container in one task: `prefix/container/task-id`.
    pub fn stream(&self, task_id: &str) -> Option<Stream> {
        let log = self.log.as_ref()?;
        Some(Stream {
            group: log.group.clone(),
            name: format!("{}/{}/{task_id}", log.prefix, self.name),
        })
    }
}

/// What to launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    pub cluster: String,
    pub task_definition: String,
    pub container: String,
    pub command: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub cpu: Option<String>,
    pub memory: Option<String>,
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub assign_public_ip: bool,
    pub platform_version: String,
    pub started_by: String,
    pub tags: Vec<(String, String)>,
    /// The same token gives the same task, however often the call is repeated.
    pub client_token: String,
}

impl Ecs {
    pub fn new(client: Client) -> Self {
        Ecs { client }
    }

    /// None when there is no such family or revision.
    pub async fn task_definition(&self, name: &str) -> anyhow::Result<Option<TaskDefinition>> {
        let answer = match self
            .client
            .describe_task_definition()
            .task_definition(name)
            .send()
            .await
        {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(error)) if error.err().is_client_exception() => {
                return Ok(None);
            }
            Err(error) => {
                return Err(explain(
                    error,
                    &format!("describing the task definition {name}"),
                ));
            }
        };
        let definition = answer
            .task_definition
            .with_context(|| format!("ECS described {name} as nothing"))?;
        Ok(Some(TaskDefinition {
            arn: definition.task_definition_arn.unwrap_or_default(),
            family: definition.family.unwrap_or_default(),
            active: definition.status != Some(TaskDefinitionStatus::Inactive),
            cpu: definition.cpu,
            memory: definition.memory,
            containers: definition
                .container_definitions
                .unwrap_or_default()
                .into_iter()
                .map(container_definition)
                .collect(),
        }))
    }

    /// Starts one task. An answer without a task is an error, whatever its HTTP status.
    pub async fn run(&self, launch: &Launch) -> Result<Task, NoTask> {
        let (tasks, reasons) = self.run_some(launch, 1).await?;
        if let Some(task) = tasks.into_iter().next() {
            return Ok(task);
        }
        let problem = Problem::failed(
            format!(
                "launching {}: ECS started no task: {reasons}",
                id_of(&launch.task_definition)
            ),
            "MISSING: the cluster or task definition is not there; RESOURCE:* or capacity: try again or use other subnets",
        );
        Err(NoTask {
            error: problem.into(),
            reply: Reply::Refused,
        })
    }

    /// Starts up to [`AT_ONCE`] tasks in one call: those that ECS started, and why not the others.
    pub async fn run_some(
        &self,
        launch: &Launch,
        count: i32,
    ) -> Result<(Vec<Task>, String), NoTask> {
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(launch.subnets.clone()))
            .set_security_groups(Some(launch.security_groups.clone()))
            .assign_public_ip(if launch.assign_public_ip {
                AssignPublicIp::Enabled
            } else {
                AssignPublicIp::Disabled
            })
            .build()
            .context("the network configuration of the task")?;
        let container = ContainerOverride::builder()
            .name(&launch.container)
            .set_command(Some(launch.command.clone()))
            .set_environment(Some(
                launch
                    .environment
                    .iter()
                    .map(|(name, value)| KeyValuePair::builder().name(name).value(value).build())
                    .collect(),
            ))
            .build();
        let overrides = TaskOverride::builder()
            .container_overrides(container)
            .set_cpu(launch.cpu.clone())
            .set_memory(launch.memory.clone())
            .build();
        let tried = format!("launching {}", id_of(&launch.task_definition));
        let answer = self
            .client
            .run_task()
            .cluster(&launch.cluster)
            .task_definition(&launch.task_definition)
            .launch_type(LaunchType::Fargate)
            .platform_version(&launch.platform_version)
            .network_configuration(
                NetworkConfiguration::builder()
                    .awsvpc_configuration(network)
                    .build(),
            )
            .overrides(overrides)
            .started_by(&launch.started_by)
            .set_tags(Some(
                launch
                    .tags
                    .iter()
                    .map(|(key, value)| Tag::builder().key(key).value(value).build())
                    .collect(),
            ))
            .client_token(&launch.client_token)
            .count(count)
            .send()
            .await
            .map_err(|error| NoTask::because(error, &tried))?;
        let tasks = answer.tasks.unwrap_or_default();
        let failures = answer.failures.unwrap_or_default();
        let reasons: Vec<String> = failures
            .iter()
            .map(|failure| {
                let parts = [failure.reason(), failure.arn(), failure.detail()];
                parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
            })
            .collect();
        let reasons = if reasons.is_empty() {
            "no reason given".to_owned()
        } else {
            reasons.join("; ")
        };
        Ok((tasks.into_iter().map(task_of).collect(), reasons))
    }

    /// Tasks by ARN or ID; those that ECS does not know (any more, or yet) are left out.
    pub async fn tasks(&self, cluster: &str, ids: &[String]) -> anyhow::Result<Vec<Task>> {
        let mut found = Vec::new();
        for ids in ids.chunks(100) {
            let answer = self
                .client
                .describe_tasks()
                .cluster(cluster)
                .set_tasks(Some(ids.to_vec()))
                .include(TaskField::Tags)
                .send()
                .await
                .map_err(|error| {
                    explain(
                        error,
                        &format!("asking ECS about {} in {cluster}", ids.join(", ")),
                    )
                })?;
            found.extend(answer.tasks.unwrap_or_default().into_iter().map(task_of));
        }
        Ok(found)
    }

    /// A task's way through ECS: pending, pull, run, stop. None when ECS does not know it.
    pub async fn lifecycle(&self, cluster: &str, arn: &str) -> anyhow::Result<Option<TaskSeen>> {
        let answer = self
            .client
            .describe_tasks()
            .cluster(cluster)
            .tasks(arn)
            .send()
            .await
            .map_err(|error| explain(error, &format!("asking ECS about {arn} in {cluster}")))?;
        let time = |time: Option<aws_smithy_types::DateTime>| {
            let time = time.and_then(|time| std::time::SystemTime::try_from(time).ok())?;
            Some(humantime::format_rfc3339_millis(time).to_string())
        };
        let task = answer.tasks.unwrap_or_default().into_iter().next();
        Ok(task.map(|task| TaskSeen {
            arn: arn.to_owned(),
            cluster: cluster.to_owned(),
            status: task.last_status.unwrap_or_default(),
            log_group: None,
            log_stream: None,
            created_at: time(task.created_at),
            pull_started_at: time(task.pull_started_at),
            pull_stopped_at: time(task.pull_stopped_at),
            started_at: time(task.started_at),
            stopping_at: time(task.stopping_at),
            stopped_at: time(task.stopped_at),
        }))
    }

    /// The tasks of a family, running ones first; `stopped` adds those of about the last hour.
    pub async fn tasks_of_family(
        &self,
        cluster: &str,
        family: &str,
        stopped: bool,
    ) -> anyhow::Result<Vec<Task>> {
        let mut arns = self.running_arns(cluster, family).await?;
        if stopped {
            arns.extend(self.list(cluster, family, DesiredStatus::Stopped).await?);
        }
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let mut tasks = self.tasks(cluster, &arns).await?;
        tasks.sort_by_key(|task| (task.is_stopped(), task.created_at.map(std::cmp::Reverse)));
        Ok(tasks)
    }

    /// The tasks of a family that are meant to run; one that was just started may not be listed yet.
    pub async fn running_arns(&self, cluster: &str, family: &str) -> anyhow::Result<Vec<String>> {
        self.list(cluster, family, DesiredStatus::Running).await
    }

    async fn list(
        &self,
        cluster: &str,
        family: &str,
        status: DesiredStatus,
    ) -> anyhow::Result<Vec<String>> {
        let mut pages = self
            .client
            .list_tasks()
            .cluster(cluster)
            .family(family)
            .desired_status(status)
            .into_paginator()
            .items()
            .send();
        let mut arns = Vec::new();
        while let Some(arn) = pages.next().await {
            arns.push(arn.map_err(|error| {
                explain(
                    error,
                    &format!("listing the tasks of {family} in {cluster}"),
                )
            })?);
        }
        Ok(arns)
    }

    /// SIGTERM, then SIGKILL after the definition's stopTimeout. Returns before the task has stopped.
    pub async fn stop(&self, cluster: &str, id: &str, reason: &str) -> anyhow::Result<Task> {
        let answer = self
            .client
            .stop_task()
            .cluster(cluster)
            .task(id)
            .reason(reason)
            .send()
            .await
            .map_err(|error| explain(error, &format!("stopping the task {id} in {cluster}")))?;
        answer
            .task
            .map(task_of)
            .with_context(|| format!("ECS stopped {id} but described no task"))
    }

    /// Is the cluster there and active?
    pub async fn has_cluster(&self, name: &str) -> anyhow::Result<bool> {
        let answer = self
            .client
            .describe_clusters()
            .clusters(name)
            .send()
            .await
            .map_err(|error| explain(error, &format!("looking up the ECS cluster {name}")))?;
        Ok(answer
            .clusters()
            .iter()
            .any(|cluster| cluster.status() == Some("ACTIVE")))
    }
}

fn container_definition(
    definition: aws_sdk_ecs::types::ContainerDefinition,
) -> ContainerDefinition {
    let log = definition.log_configuration.as_ref().and_then(|log| {
        let options = log.options.as_ref()?;
        if log.log_driver.as_str() != "awslogs" {
            return None;
        }
        Some(LogConfiguration {
            group: options.get("awslogs-group")?.clone(),
            prefix: options.get("awslogs-stream-prefix")?.clone(),
            blocking: options.get("mode").is_some_and(|mode| mode == "blocking"),
        })
    });
    ContainerDefinition {
        name: definition.name.unwrap_or_default(),
        image: definition.image.unwrap_or_default(),
        essential: definition.essential.unwrap_or(true),
        command: definition.command.unwrap_or_default(),
        memory: definition.memory,
        log,
    }
}

#[cfg(test)]
mod tests;
