//! The sandbox past the tool: what is in its buckets, and its AWS operations.

use serde_json::Value;

use super::Shared;
use super::http::request;

/// A signature that the sandbox does not check.
const AUTHORIZATION: (&str, &str) = (
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/x/aws4_request, SignedHeaders=host, Signature=x",
);

/// The lock on the state of the environment `test`, if somebody holds it.
pub fn state_lock(shared: &Shared) -> Option<String> {
    let path = "/api-terraform-state-000000000000/ecs-tasks/test.tfstate.tflock";
    let answer = request(&shared.endpoint, "GET", path, &[AUTHORIZATION], "");
    match answer.status {
        404 => None,
        200 => Some(answer.body),
        status => panic!("reading the lock: {status} {}", answer.body),
    }
}

/// An operation of the AWS JSON protocols, past the tool: `AmazonSSM.GetParameter` and its like.
pub fn aws(endpoint: &str, target: &str, input: &Value) -> Value {
    let headers = [
        ("X-Amz-Target", target),
        ("Content-Type", "application/x-amz-json-1.1"),
    ];
    let answer = request(endpoint, "POST", "/", &headers, &input.to_string());
    assert_eq!(answer.status, 200, "{target} {input}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_default()
}
