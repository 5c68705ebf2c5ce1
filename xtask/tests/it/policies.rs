//! The two policies of infra/foundation allow what the code asks of AWS: a call that is new here is red
//! until somebody has decided whose right it is. And they allow nothing else: `calls` has a table.

mod calls;
mod evaluator;
mod rendered;

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::harness::repository;

/// Who needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Those who run and try.
    Run,
    /// Those who deploy, in addition.
    Deploy,
    /// Nobody calls it in a real account.
    Sandbox,
}

/// Every call of `clients/`, by the action that IAM knows it as. `sts:GetCallerIdentity` needs no right.
const CALLS: &[(&str, Needs)] = &[
    ("ecr:BatchGetImage", Needs::Run),
    ("ecr:DescribeRepositories", Needs::Run),
    ("ecr:GetAuthorizationToken", Needs::Run),
    ("ecr:PutImage", Needs::Run),
    // ECS knows no limit for it, so that isolated definitions stay until somebody who deploys comes.
    ("ecs:DeregisterTaskDefinition", Needs::Deploy),
    ("ecs:DescribeClusters", Needs::Run),
    ("ecs:DescribeTaskDefinition", Needs::Run),
    ("ecs:DescribeTasks", Needs::Run),
    ("ecs:ListTaskDefinitionFamilies", Needs::Run),
    ("ecs:ListTasks", Needs::Run),
    ("ecs:RegisterTaskDefinition", Needs::Run),
    ("ecs:RunTask", Needs::Run),
    ("ecs:StopTask", Needs::Run),
    ("events:ListRules", Needs::Run),
    ("events:ListTargetsByRule", Needs::Run),
    ("events:TestEventPattern", Needs::Run),
    ("logs:GetLogEvents", Needs::Run),
    ("s3:DeleteObject", Needs::Run),
    ("s3:DeleteObjectVersion", Needs::Run),
    ("s3:GetBucketNotification", Needs::Run),
    ("s3:GetObject", Needs::Run),
    ("s3:PutObject", Needs::Run),
    ("scheduler:CreateSchedule", Needs::Run),
    ("scheduler:DeleteSchedule", Needs::Run),
    ("scheduler:GetSchedule", Needs::Run),
    ("scheduler:ListSchedules", Needs::Run),
    ("secretsmanager:DescribeSecret", Needs::Run),
    ("secretsmanager:GetSecretValue", Needs::Run),
    ("sqs:CreateQueue", Needs::Sandbox),
    ("sqs:DeleteMessage", Needs::Run),
    ("sqs:GetQueueUrl", Needs::Run),
    ("sqs:ReceiveMessage", Needs::Run),
    ("ssm:GetParameter", Needs::Run),
    ("ssm:GetParameters", Needs::Run),
];

#[test]
fn the_table_names_every_call() {
    let found = calls();
    let known: Vec<&str> = CALLS.iter().map(|(action, _)| *action).collect();
    let new: Vec<_> = found
        .iter()
        .filter(|(action, _)| !known.contains(&action.as_str()))
        .collect();
    assert!(new.is_empty(), "decide who needs these: {new:#?}");
    let gone: Vec<_> = known
        .iter()
        .filter(|action| !found.contains_key(**action))
        .collect();
    assert!(gone.is_empty(), "nobody calls these any more: {gone:?}");
}

#[test]
fn the_policies_allow_what_is_called() {
    let (run, deploy) = (allowed("policy_run.tf"), allowed("policy_deploy.tf"));
    let mut missing = Vec::new();
    for (action, needs) in CALLS {
        // Whoever deploys has both policies.
        let may = match needs {
            Needs::Run => allows(&run, action),
            Needs::Deploy => allows(&deploy, action) && !allows(&run, action),
            Needs::Sandbox => !allows(&run, action) && !allows(&deploy, action),
        };
        if !may {
            missing.push((action, needs));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// IAM action → the files of `clients/` that call it.
fn calls() -> BTreeMap<String, Vec<String>> {
    let sdk = Regex::new(r"client\s*\.([a-z_0-9]+)\(\)").unwrap();
    let imported = Regex::new(r"\baws_sdk_([a-z0-9]+)::").unwrap();
    let json =
        Regex::new(r#""(AWSEvents|AmazonSQS|AmazonSSM|secretsmanager)\.([A-Za-z]+)""#).unwrap();
    let rest = Regex::new(r#""(s3|scheduler)",\s*"(GET|PUT|POST|DELETE)""#).unwrap();
    let mut calls = BTreeMap::<String, Vec<String>>::new();
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.display().to_string();
        let mut add = |action: String| calls.entry(action).or_default().push(name.clone());
        let service = imported.captures(&text).map(|found| found[1].to_owned());
        for found in sdk.captures_iter(&text) {
            let service = match service.as_deref() {
                Some("cloudwatchlogs") => "logs",
                Some(service) => service,
                None => continue,
            };
            add(format!("{service}:{}", action(service, &found[1])));
        }
        for found in json.captures_iter(&text) {
            let service = match &found[1] {
                "AWSEvents" => "events",
                "AmazonSQS" => "sqs",
                "AmazonSSM" => "ssm",
                other => other,
            };
            add(format!("{service}:{}", &found[2]));
        }
        // REST names no operation.
        for found in rest.captures_iter(&text) {
            let actions: &[&str] = match (&found[1], &found[2]) {
                ("scheduler", "GET") => &["ListSchedules", "GetSchedule"],
                ("scheduler", "POST") => &["CreateSchedule"],
                ("scheduler", "DELETE") => &["DeleteSchedule"],
                ("s3", "GET") => &["GetBucketNotification"],
                ("s3", "PUT") => &["PutObject"],
                ("s3", "DELETE") => &["DeleteObject", "DeleteObjectVersion"],
                other => panic!("which action is {other:?} in {name}?"),
            };
            for action in actions {
                add(format!("{}:{action}", &found[1]));
            }
        }
    }
    calls
}

/// `describe_tasks` → `DescribeTasks`.
fn action(service: &str, method: &str) -> String {
    let camel: String = method
        .split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect();
    match (service, camel.as_str()) {
        ("s3", "HeadObject") => "GetObject".to_owned(),
        _ => camel,
    }
}

fn sources() -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![repository().join("xtask/src/clients")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The actions of all statements of a policy, all of which allow.
fn allowed(file: &str) -> Vec<String> {
    let path = repository().join("infra/foundation").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.contains("effect"), "{file} denies something");
    let actions = Regex::new(r#"actions\s*=\s*\[([^\]]*)\]"#).unwrap();
    let quoted = Regex::new(r#""([a-z0-9]+:[A-Za-z*]+)""#).unwrap();
    actions
        .captures_iter(&text)
        .flat_map(|list| {
            quoted
                .captures_iter(&list[1])
                .map(|found| found[1].to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn allows(policy: &[String], action: &str) -> bool {
    policy.iter().any(|allowed| {
        allowed == action
            || allowed
                .strip_suffix('*')
                .is_some_and(|start| action.starts_with(start))
    })
}
