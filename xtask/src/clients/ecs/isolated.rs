//! Throw-away task definitions: a copy of one that is deployed, under a family of its own.

use std::time::SystemTime;

use anyhow::Context as _;
use aws_sdk_ecs::error::SdkError;
use aws_sdk_ecs::types::{
    ContainerDefinition, KeyValuePair, Tag, TaskDefinitionFamilyStatus, TaskDefinitionField,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;

use super::super::aws::explain;
use super::Ecs;

/// What differs from the definition that is copied.
#[derive(Debug, Clone)]
pub struct Copy {
    pub family: String,
    /// Images of this repository …
    pub repository_uri: String,
    /// … become this one, `repository@sha256:…`.
    pub image: String,
    /// The value of SERVICE_DOCKER_TAG, where a container has it.
    pub tag: String,
    pub tags: Vec<(String, String)>,
}

/// A throw-away definition that somebody registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub arn: String,
    pub tags: Vec<(String, String)>,
    pub at: Option<SystemTime>,
}

/// What a deregistration came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deregistered {
    Done,
    /// The role in use may not.
    Denied,
}

impl Ecs {
    /// Registers a copy of the revision `arn`; returns the ARN of the new one.
    pub async fn register_copy(&self, arn: &str, copy: &Copy) -> anyhow::Result<String> {
        let tried = format!("registering {} as a copy of {arn}", copy.family);
        let answer = self
            .client
            .describe_task_definition()
            .task_definition(arn)
            .send()
            .await
            .map_err(|error| explain(error, &tried))?;
        let original = answer
            .task_definition
            .with_context(|| format!("{tried}: ECS described nothing"))?;
        let containers = original.container_definitions.unwrap_or_default();
        let containers = containers
            .into_iter()
            .map(|container| with_image(container, copy))
            .collect();
        let tags = copy
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect();
        let registered = self
            .client
            .register_task_definition()
            .family(&copy.family)
            .set_container_definitions(Some(containers))
            .set_task_role_arn(original.task_role_arn)
            .set_execution_role_arn(original.execution_role_arn)
            .set_network_mode(original.network_mode)
            .set_volumes(original.volumes)
            .set_placement_constraints(Some(
                original
                    .placement_constraints
                    .unwrap_or_default()
                    .into_iter()
                    .map(|constraint| {
                        aws_sdk_ecs::types::TaskDefinitionPlacementConstraint::builder()
                            .set_type(constraint.r#type)
                            .set_expression(constraint.expression)
                            .build()
                    })
                    .collect(),
            ))
            .set_requires_compatibilities(original.requires_compatibilities)
            .set_cpu(original.cpu)
            .set_memory(original.memory)
            .set_pid_mode(original.pid_mode)
            .set_ipc_mode(original.ipc_mode)
            .set_proxy_configuration(original.proxy_configuration)
            .set_ephemeral_storage(original.ephemeral_storage)
            .set_runtime_platform(original.runtime_platform)
            .set_enable_fault_injection(original.enable_fault_injection)
            .set_tags(Some(tags))
            .send()
            .await
            .map_err(|error| explain(error, &tried))?;
        registered
            .task_definition
            .and_then(|definition| definition.task_definition_arn)
            .with_context(|| format!("{tried}: ECS named no ARN"))
    }

    /// The active definitions of all families that begin with `prefix`.
    pub async fn registered(&self, prefix: &str) -> anyhow::Result<Vec<Registered>> {
        let tried = format!("looking for task definitions {prefix}*");
        let mut families = self
            .client
            .list_task_definition_families()
            .family_prefix(prefix)
            .status(TaskDefinitionFamilyStatus::Active)
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(family) = families.next().await {
            let family = family.map_err(|error| explain(error, &tried))?;
            let answer = self
                .client
                .describe_task_definition()
                .task_definition(&family)
                .include(TaskDefinitionField::Tags)
                .send()
                .await;
            let answer = match answer {
                Ok(answer) => answer,
                // Somebody else has just taken it away.
                Err(SdkError::ServiceError(error)) if error.err().is_client_exception() => continue,
                Err(error) => return Err(explain(error, &tried)),
            };
            let Some(definition) = answer.task_definition else {
                continue;
            };
            found.push(Registered {
                arn: definition.task_definition_arn.unwrap_or_default(),
                at: definition
                    .registered_at
                    .and_then(|at| SystemTime::try_from(at).ok()),
                tags: answer
                    .tags
                    .unwrap_or_default()
                    .into_iter()
                    .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
                    .collect(),
            });
        }
        Ok(found)
    }

    /// Takes a definition away. What runs by it goes on.
    pub async fn deregister(&self, arn: &str) -> anyhow::Result<Deregistered> {
        let answer = self
            .client
            .deregister_task_definition()
            .task_definition(arn)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Deregistered::Done),
            Err(error) if error.code() == Some("AccessDeniedException") => Ok(Deregistered::Denied),
            Err(error) => Err(explain(error, &format!("deregistering {arn}"))),
        }
    }
}

fn with_image(mut container: ContainerDefinition, copy: &Copy) -> ContainerDefinition {
    let image = container.image.as_deref().unwrap_or_default();
    let rest = image.strip_prefix(copy.repository_uri.as_str());
    if !rest.is_some_and(|rest| rest.starts_with([':', '@'])) {
        return container;
    }
    container.image = Some(copy.image.clone());
    for variable in container.environment.iter_mut().flatten() {
        if variable.name() == Some("SERVICE_DOCKER_TAG") {
            *variable = KeyValuePair::builder()
                .name("SERVICE_DOCKER_TAG")
                .value(&copy.tag)
                .build();
        }
    }
    container
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_of_the_repository_are_replaced() {
        let copy = Copy {
            family: "f".into(),
            repository_uri: "1.ecr/api".into(),
            image: "1.ecr/api@sha256:9b".into(),
            tag: "new".into(),
            tags: Vec::new(),
        };
        let container = |image: &str| {
            let tag = KeyValuePair::builder()
                .name("SERVICE_DOCKER_TAG")
                .value("old");
            let container = ContainerDefinition::builder()
                .image(image)
                .environment(tag.build());
            let container = with_image(container.build(), &copy);
            let value = container.environment()[0].value().unwrap().to_owned();
            (container.image.unwrap(), value)
        };
        let replaced = ("1.ecr/api@sha256:9b".to_owned(), "new".to_owned());
        assert_eq!(container("1.ecr/api:old"), replaced);
        assert_eq!(container("1.ecr/api@sha256:00"), replaced);
        for other in ["1.ecr/api-proxy:old", "docker.io/redis:7"] {
            assert_eq!(container(other), (other.to_owned(), "old".to_owned()));
        }
    }
}
