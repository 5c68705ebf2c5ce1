use serde_json::{Value, json};

use super::*;
use crate::clients::answering::{Server, block_on};

fn launch() -> Launch {
    Launch {
        cluster: "api-test".into(),
        task_definition: "arn:aws:ecs:us-east-1:1:task-definition/api-test-job:3".into(),
        container: "job".into(),
        command: Vec::new(),
        environment: Vec::new(),
        cpu: None,
        memory: None,
        subnets: vec!["subnet-1".into()],
        security_groups: Vec::new(),
        assign_public_ip: false,
        platform_version: "LATEST".into(),
        started_by: "jo".into(),
        tags: Vec::new(),
        client_token: "the-token-of-this-run".into(),
    }
}

#[test]
fn an_answer_of_run_task_without_a_task_is_an_error_with_its_reasons() {
    let server = Server::start(|_, _| {
        let failures =
            json!([{ "arn": "arn:x", "reason": "RESOURCE:MEMORY", "detail": "none left" }]);
        let body = json!({ "tasks": [], "failures": failures });
        Some((200, "", body.to_string()))
    });
    let error = block_on(async { server.aws().await.ecs().run(&launch()).await.unwrap_err() });
    assert_eq!(
        error.error.to_string(),
        "launching api-test-job:3: ECS started no task: RESOURCE:MEMORY arn:x none left"
    );
    assert_eq!(error.reply, Reply::Refused);
}

#[test]
fn what_aws_refuses_is_told_from_what_nobody_knows() {
    for (status, code, reply) in [
        (400, "InvalidParameterException", Reply::Refused),
        (400, "ExpiredTokenException", Reply::Unknown),
    ] {
        let server = Server::start(move |_, _| {
            let body = json!({ "__type": code, "message": "no" });
            Some((status, "", body.to_string()))
        });
        let error = block_on(async { server.aws().await.ecs().run(&launch()).await.unwrap_err() });
        assert_eq!(error.reply, reply, "{code}");
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

#[test]
fn run_task_is_called_again_under_its_own_token_until_there_is_an_answer() {
    let server = Server::start(|number, _| match number {
        0 => {
            let body = json!({ "__type": "ThrottlingException", "message": "Rate exceeded" });
            Some((400, "", body.to_string()))
        }
        1 => Some((503, "", String::new())),
        // It was carried out, and nobody was told.
        2 => None,
        _ => {
            let body = json!({ "tasks": [{ "taskArn": "arn:task/abc" }], "failures": [] });
            Some((200, "", body.to_string()))
        }
    });
    let task = block_on(async { server.aws().await.ecs().run(&launch()).await.unwrap() });
    assert_eq!(task.id(), "abc");
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        let body = request.split("\r\n\r\n").nth(1).unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["clientToken"], "the-token-of-this-run");
    }
}
