//! `cargo xtask trigger schedule|s3 TASK`: the real wiring, tried now.

mod s3;
mod schedule;
mod wait;

use crate::cli::Trigger;
use crate::clients::ecs::{Ecs, id_of};
use crate::commands::run::require_right_account;
use crate::failure::Problem;
use crate::session::Session;
use crate::wiring::{Broken, Link, family_of};

pub async fn run(action: &Trigger, session: &Session) -> anyhow::Result<u8> {
    let environment = &session.settings.environment;
    if environment.protected {
        return Err(Problem::refused(
            format!(
                "the environment `{}` is protected: nothing is tried there",
                environment.name
            ),
            "try in another environment: --env test",
        )
        .into());
    }
    require_right_account(session).await?;
    match action {
        Trigger::Schedule(args) => schedule::run(args, session).await,
        Trigger::S3(args) => s3::run(args, session).await,
    }
}

/// The target's cluster and family are there: what RunTask would refuse first. Returns the cluster.
async fn require_target(
    ecs: &Ecs,
    cluster_arn: &str,
    task_definition: &str,
) -> anyhow::Result<String> {
    let cluster = id_of(cluster_arn).to_owned();
    if !ecs.has_cluster(cluster_arn).await? {
        return Err(Problem::from(Broken {
            link: Link::Target,
            evidence: format!("ECS has no active cluster {cluster_arn}"),
            fix: "mend target.cluster_arn of the module, and deploy".to_owned(),
        })
        .into());
    }
    let definition = ecs.task_definition(task_definition).await?;
    if !definition.is_some_and(|definition| definition.active) {
        return Err(Problem::from(Broken {
            link: Link::Target,
            evidence: format!(
                "ECS has no active task definition {}",
                family_of(task_definition)
            ),
            fix: "deploy the task, or mend task.family_arn of the module".to_owned(),
        })
        .into());
    }
    Ok(cluster)
}
