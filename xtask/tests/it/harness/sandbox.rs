//! The sandbox past the tool: its AWS, asked and changed directly.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Shared;
use super::http::request;

/// The sandbox's AWS at an endpoint. A call that it refuses fails the test.
pub struct Aws {
    pub endpoint: String,
}

impl Aws {
    /// An operation of EventBridge or ECS: `events`, `PutRule`.
    #[track_caller]
    pub fn json(&self, service: &str, action: &str, input: &Value) -> Value {
        let target = match service {
            "events" => "AWSEvents",
            "ecs" => "AmazonEC2ContainerServiceV20141113",
            other => panic!("no target of {other} is known"),
        };
        aws(&self.endpoint, &format!("{target}.{action}"), input)
    }

    /// A call of IAM with its parameters, whose values have no `&`, `%` and `+`.
    #[track_caller]
    pub fn iam(&self, action: &str, parameters: &[(&str, &str)]) {
        let mut body = format!("Action={action}&Version=2010-05-08");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={value}"));
        }
        let authorization = authorization("iam");
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let answer = request(&self.endpoint, "POST", "/", &headers, &body);
        assert!(answer.status < 300, "{action}: {answer:?}");
    }

    /// A call of a service with paths: `scheduler` or `s3`.
    #[track_caller]
    pub fn rest(&self, service: &str, method: &str, path: &str, body: &str) -> String {
        let authorization = authorization(service);
        let headers = [("Authorization", authorization.as_str())];
        let answer = request(&self.endpoint, method, path, &headers, body);
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.body
    }
}

/// Which service a call is for; the signature is [`request`]'s.
fn authorization(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=any/any/us-east-1/{service}/aws4_request")
}

/// The lock on the state of the environment `test`, if somebody holds it.
pub fn state_lock(shared: &Shared) -> Option<String> {
    let path = "/api-terraform-state-000000000000/ecs-tasks/test.tfstate.tflock";
    let authorization = authorization("s3");
    let headers = [("Authorization", authorization.as_str())];
    let answer = request(&shared.endpoint, "GET", path, &headers, "");
    match answer.status {
        404 => None,
        200 => Some(answer.body),
        status => panic!("reading the lock: {status} {}", answer.body),
    }
}

/// An operation of the AWS JSON protocols, past the tool: `AmazonSSM.GetParameter` and its like.
#[track_caller]
pub fn aws(endpoint: &str, target: &str, input: &Value) -> Value {
    let headers = [
        ("X-Amz-Target", target),
        ("Content-Type", "application/x-amz-json-1.1"),
    ];
    let answer = request(endpoint, "POST", "/", &headers, &input.to_string());
    assert_eq!(answer.status, 200, "{target} {input}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_default()
}

/// The ARNs of all tasks that somebody has started, also of those that have stopped.
pub fn tasks_of(endpoint: &str, author: &str) -> Vec<String> {
    let mut arns = Vec::new();
    for status in ["RUNNING", "STOPPED"] {
        let input = json!({ "cluster": "api-test", "startedBy": author, "desiredStatus": status });
        let target = "AmazonEC2ContainerServiceV20141113.ListTasks";
        let answer = aws(endpoint, target, &input);
        let listed = answer["taskArns"].as_array().unwrap();
        arns.extend(listed.iter().map(|arn| arn.as_str().unwrap().to_owned()));
    }
    arns.sort();
    arns.dedup();
    arns
}

/// Does a Terraform or a provider of the shared checkout run, whoever started it?
pub fn has_terraform(shared: &Shared) -> bool {
    let root = shared.checkout.root.display().to_string();
    let argument = format!("-chdir={root}");
    command_lines().iter().any(|process| {
        let mut program = process.iter().take(2);
        // Its watcher, a shell, has the same arguments.
        let is_terraform = process.iter().any(|word| word.starts_with(&argument))
            && program.any(|word| word.ends_with("terraform"));
        let mut words = process.iter();
        let is_provider =
            words.any(|word| word.starts_with(&root) && word.contains("/terraform-provider-"));
        is_terraform || is_provider
    })
}

/// The providers of the shared checkout, which are a mirror.
pub fn providers(shared: &Shared) -> PathBuf {
    let root = &shared.checkout.root;
    root.join("target/xtask/sandbox/terraform-test/providers")
}

/// The words of every process of this machine, which a minimal Debian has no `ps` to tell.
#[cfg(target_os = "linux")]
fn command_lines() -> Vec<Vec<String>> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        // One that is no process has none, and neither has one that has just ended.
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .map(|line| {
            let words = line.split(|byte| *byte == 0);
            words
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect()
        })
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn command_lines() -> Vec<Vec<String>> {
    let output = std::process::Command::new("ps")
        .args(["-e", "-ww", "-o", "args="])
        .output()
        .unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect()
}
