//! After a run: is what was deployed for it still deployed?

use crate::clients::terraform::outputs::Outputs;
use crate::clients::terraform::tags::listed;
use crate::session::Session;
use crate::steps::claim::Claim;

/// None when nobody deployed in between; otherwise one sentence for the verdict. The run itself is
/// as good as ever: it was launched at a revision of its own.
pub async fn stayed_deployed(
    session: &Session,
    claim: &Claim,
    expected: &Outputs,
) -> Option<String> {
    let environment = &session.settings.environment.name;
    let holds = session.holds().await;
    let (now, ours) = tokio::join!(holds.deployed_outputs(), claim.verify());
    let now = match now {
        Ok(Some(outputs)) => Outputs::read(&outputs),
        Ok(None) => Err(anyhow::anyhow!("its state is gone")),
        Err(error) => Err(error),
    };
    let now = match now {
        Ok(now) => now,
        Err(error) => {
            return Some(format!(
                "nobody can tell whether somebody deployed to {environment} meanwhile: {error:#}"
            ));
        }
    };
    let deployed = differs(expected, &now)
        .map(|what| format!("somebody deployed to {environment} while the task ran: {what}"));
    let taken = ours.err().map(|problem| problem.message);
    match (deployed, taken) {
        (None, None) => None,
        (deployed, taken) => Some(
            [deployed, taken]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("\n"),
        ),
    }
}

fn differs(expected: &Outputs, now: &Outputs) -> Option<String> {
    if expected.service_docker_tag != now.service_docker_tag {
        return Some(format!(
            "service_docker_tag is {}, no longer {}",
            now.service_docker_tag, expected.service_docker_tag
        ));
    }
    if expected.task_docker_tags != now.task_docker_tags {
        return Some(match now.task_docker_tags.is_empty() {
            true => "no task has a tag of its own any more".to_owned(),
            false => format!(
                "the tasks with a tag of their own are {}",
                listed(&now.task_docker_tags)
            ),
        });
    }
    let changed: Vec<&str> = expected
        .task_definitions
        .iter()
        .filter(|(task, arn)| now.task_definitions.get(*task) != Some(*arn))
        .map(|(task, _)| task.as_str())
        .collect();
    (!changed.is_empty()).then(|| format!("{} changed", changed.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn outputs(tag: &str, revision: &str) -> Outputs {
        let definitions = [(
            "diagnose".to_owned(),
            format!("api-test-diagnose:{revision}"),
        )];
        Outputs {
            cluster: "api-test".into(),
            subnets: Vec::new(),
            security_groups: Vec::new(),
            assign_public_ip: false,
            platform_version: "LATEST".into(),
            log_group: "g".into(),
            task_definitions: BTreeMap::from(definitions),
            container_names: BTreeMap::new(),
            service_docker_tag: tag.into(),
            task_docker_tags: BTreeMap::new(),
        }
    }

    #[test]
    fn a_deploy_in_between_is_seen() {
        let ours = outputs("a", "1");
        assert_eq!(differs(&ours, &outputs("a", "1")), None);
        assert_eq!(
            differs(&ours, &outputs("b", "2")).unwrap(),
            "service_docker_tag is b, no longer a"
        );
        assert_eq!(
            differs(&ours, &outputs("a", "2")).unwrap(),
            "diagnose changed"
        );
        let taken_back = outputs("a", "2");
        let mut alone = taken_back.clone();
        alone.task_docker_tags = BTreeMap::from([("diagnose".into(), "b".into())]);
        assert_eq!(
            differs(&alone, &taken_back).unwrap(),
            "no task has a tag of its own any more"
        );
        assert_eq!(
            differs(&ours, &alone).unwrap(),
            "the tasks with a tag of their own are diagnose (b)"
        );
    }
}
