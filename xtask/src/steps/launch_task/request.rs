//! What is asked of ECS, and which two calls ask for the same run.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::Wishes;
use crate::clients::ecs::Launch;
use crate::clients::terraform::outputs::Outputs;
use crate::names::TaskName;
use crate::record::{LaunchRecord, run_id};

/// The call, but for what tells it from other calls: the tags with its run, and the token. The command is
/// what is put behind the definition's own one, which the revision settles.
pub fn asked(
    outputs: &Outputs,
    task: &TaskName,
    definition: &str,
    container: &str,
    wishes: &Wishes,
) -> Launch {
    let mut environment = vec![("TASK_AUTHOR".to_owned(), wishes.author.clone())];
    environment.extend(wishes.environment.iter().cloned());
    Launch {
        cluster: outputs.cluster.clone(),
        task_definition: definition.to_owned(),
        container: container.to_owned(),
        command: wishes.args.clone(),
        environment,
        cpu: wishes.cpu.clone(),
        memory: wishes.memory.clone(),
        subnets: outputs.subnets.clone(),
        security_groups: outputs.security_groups.clone(),
        assign_public_ip: outputs.assign_public_ip,
        platform_version: outputs.platform_version.clone(),
        started_by: wishes.author.clone(),
        tags: vec![(
            "xtask-image-tag".to_owned(),
            outputs.tag_of(task.as_str()).to_owned(),
        )],
        client_token: String::new(),
    }
}

/// Two calls with equal hashes ask for the same run: all that is sent is the same.
pub fn request_of(asked: &Launch) -> anyhow::Result<String> {
    let hash = Sha256::digest(serde_json::to_vec(asked)?);
    let bytes = hash.iter().take(8);
    Ok(bytes.map(|byte| format!("{byte:02x}")).collect())
}

/// The call with what tells it from others, to be written down before it is made.
pub fn new_record(
    name: &TaskName,
    environment: &str,
    launch: Launch,
    request: String,
    run: Option<String>,
) -> LaunchRecord {
    let now = SystemTime::now();
    let run_id = run.unwrap_or_else(|| run_id(now));
    let image_tag = launch.tags.first().map(|(_, tag)| tag.clone());
    let mut launch = Launch {
        client_token: format!("{run_id}-{:016x}", fastrand::u64(..)),
        ..launch
    };
    let own = [
        ("xtask-run", &run_id),
        ("xtask-author", &launch.started_by),
        ("xtask-request", &request),
    ];
    let own = own.map(|(key, value)| (key.to_owned(), value.clone()));
    launch.tags.extend(own);
    LaunchRecord {
        task: name.to_string(),
        environment: environment.to_owned(),
        image_tag: image_tag.unwrap_or_default(),
        launched_at: humantime::format_rfc3339_seconds(now).to_string(),
        launch,
        run_id,
        request,
        task_arn: None,
        ended: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn outputs() -> Outputs {
        Outputs {
            cluster: "api-test".into(),
            subnets: vec!["subnet-1".into()],
            security_groups: vec!["sg-1".into()],
            assign_public_ip: false,
            platform_version: "1.4.0".into(),
            log_group: "g".into(),
            task_definitions: std::collections::BTreeMap::new(),
            container_names: std::collections::BTreeMap::new(),
            service_docker_tag: "tag".into(),
            task_docker_tags: std::collections::BTreeMap::new(),
        }
    }

    fn job() -> TaskName {
        TaskName::parse("job").unwrap()
    }

    fn wishes() -> Wishes {
        Wishes {
            args: vec!["a".into(), "b".into()],
            author: "jo".into(),
            cpu: Some("256".into()),
            memory: Some("512".into()),
            ..Wishes::default()
        }
    }

    const ARN: &str = "arn:aws:ecs:us-east-1:1:task-definition/api-test-job:3";

    fn request(outputs: &Outputs, wishes: &Wishes) -> String {
        request_of(&asked(outputs, &job(), ARN, "job", wishes)).unwrap()
    }

    #[test]
    fn a_request_is_the_same_only_when_all_that_is_sent_is() {
        let same = request(&outputs(), &wishes());
        assert_eq!(same.len(), 16);
        // `again` is about this call, not about the run.
        let again = Wishes {
            again: true,
            ..wishes()
        };
        assert_eq!(same, request(&outputs(), &again));
        // Whatever is ever added to the call.
        let call = serde_json::to_value(asked(&outputs(), &job(), ARN, "job", &wishes())).unwrap();
        for (key, value) in call.as_object().unwrap() {
            let mut other = call.clone();
            other[key] = match value {
                Value::Bool(value) => json!(!value),
                Value::String(_) => json!("another"),
                Value::Array(values) if key == "environment" || key == "tags" => {
                    json!([values[0], ["a", "b"]])
                }
                Value::Array(_) => json!(["another"]),
                other => panic!("{key}: {other}"),
            };
            let other: Launch = serde_json::from_value(other).unwrap();
            assert_ne!(same, request_of(&other).unwrap(), "{key}");
        }
    }

    #[test]
    fn the_environments_network_and_platform_are_part_of_it() {
        let same = request(&outputs(), &wishes());
        let changed: [fn(&mut Outputs); 7] = [
            |outputs| outputs.cluster = "another".into(),
            |outputs| outputs.subnets = vec!["subnet-2".into()],
            |outputs| outputs.security_groups = Vec::new(),
            |outputs| outputs.assign_public_ip = true,
            |outputs| outputs.platform_version = "LATEST".into(),
            |outputs| outputs.service_docker_tag = "another".into(),
            |outputs| {
                let own = ("job".to_owned(), "its own".to_owned());
                outputs.task_docker_tags.extend([own]);
            },
        ];
        for (number, change) in changed.into_iter().enumerate() {
            let mut other = outputs();
            change(&mut other);
            assert_ne!(same, request(&other, &wishes()), "{number}");
        }
        let one_word = Wishes {
            args: vec!["a b".into()],
            ..wishes()
        };
        assert_ne!(same, request(&outputs(), &one_word));
    }

    #[test]
    fn a_record_has_the_call_and_what_tells_it_from_others() {
        let name = job();
        let launch = asked(&outputs(), &name, ARN, "job", &wishes());
        let run = Some("20260102-030405-1a2b3c".to_owned());
        let record = new_record(&name, "test", launch, "request".into(), run);
        assert_eq!(record.image_tag, "tag");
        assert!(record.launch.client_token.starts_with(&record.run_id));
        let tags = &record.launch.tags;
        for (key, value) in [
            ("xtask-image-tag", "tag"),
            ("xtask-run", "20260102-030405-1a2b3c"),
            ("xtask-author", "jo"),
            ("xtask-request", "request"),
        ] {
            assert!(tags.contains(&(key.into(), value.into())), "{tags:?}");
        }
    }
}
