//! The sandbox past the tool: what is in its buckets.

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
