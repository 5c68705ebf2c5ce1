//! The environment of a container as its deployed definition has it.

use aws_sdk_ecs::error::SdkError;

use super::Ecs;
use crate::clients::aws::explain;

/// Name → value, and name → where the secret is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeployedEnvironment {
    pub plain: Vec<(String, String)>,
    pub secrets: Vec<(String, String)>,
}

impl Ecs {
    /// Of the container of this name, or of the first. None when there is no active definition.
    pub async fn deployed_environment(
        &self,
        family: &str,
        container: &str,
    ) -> anyhow::Result<Option<DeployedEnvironment>> {
        let call = self
            .client
            .describe_task_definition()
            .task_definition(family);
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(error)) if error.err().is_client_exception() => {
                return Ok(None);
            }
            Err(error) => {
                return Err(explain(
                    error,
                    &format!("describing the task definition {family}"),
                ));
            }
        };
        let definition = answer
            .task_definition
            .unwrap_or_else(|| aws_sdk_ecs::types::TaskDefinition::builder().build());
        let containers = definition.container_definitions.unwrap_or_default();
        let own = containers
            .iter()
            .find(|candidate| candidate.name() == Some(container))
            .or(containers.first());
        let mut found = DeployedEnvironment::default();
        for entry in own.map(|own| own.environment()).unwrap_or_default() {
            if let (Some(name), Some(value)) = (entry.name(), entry.value()) {
                found.plain.push((name.to_owned(), value.to_owned()));
            }
        }
        for entry in own.map(|own| own.secrets()).unwrap_or_default() {
            found
                .secrets
                .push((entry.name().to_owned(), entry.value_from().to_owned()));
        }
        Ok(Some(found))
    }
}
