//! Two at once: what each finds when the other one comes at the worst moment.

use serde_json::json;

use crate::harness::{At, Gate, Invocation, Shared};

/// The record of the hold is written: a claim, when nobody has the environment.
fn writes_the_hold(head: &str) -> bool {
    head.starts_with("put ") && head.contains("/holds/test.json")
}

fn removes_the_hold(head: &str) -> bool {
    head.starts_with("delete ") && head.contains("/holds/test.json")
}

/// The auto-deploy of main as GitHub runs it, with its run there.
fn auto_deploy(shared: &Shared, gate: &Gate) -> Invocation {
    shared.set_workflow("enable");
    let run =
        json!({ "workflow": "api-auto-deploy.yml", "status": "in_progress", "event": "push" });
    let run = shared.github("runs", &run.to_string());
    shared
        .through_as_ci(gate, &["deploy-test", "--yes"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_RUN_ID", run["id"].to_string())
        .env(
            "GITHUB_WORKFLOW_REF",
            "example-org/background-tasks/.github/workflows/api-auto-deploy.yml@refs/heads/main",
        )
}

#[test]
fn a_hold_that_comes_after_an_auto_deploy_is_told_so() {
    let (shared, _alone) = Shared::alone();
    let sha = shared.commit_infra();
    shared.by_nobody(&["build-and-publish"]).expect_code(0);
    // Somebody is about to write a hold, when the auto-deploy claims the environment and works.
    let hold_gate = Gate::before(&shared.endpoint, At::Request, writes_the_hold);
    let deploy_gate = Gate::before(&shared.endpoint, At::Request, removes_the_hold);
    let deploy = auto_deploy(shared, &deploy_gate);
    let hold = shared.through(&hold_gate, "jo", &["hold"]).spawn();
    hold_gate.wait();
    let deploy = deploy.spawn();
    deploy_gate.wait();
    hold_gate.open();
    let hold = hold.end();
    deploy_gate.open();
    let deploy = deploy.end();
    let (record, after) = (shared.hold(), shared.deployed_tag());
    shared.github("reset", "");
    shared.uncommit();
    hold.expect_code(126)
        .expect_stderr("test is being deployed to by api-auto-deploy.yml run ");
    deploy.expect_code(0).expect_stdout(&sha);
    assert_eq!((record, after), (None, sha));
}

#[test]
fn a_claim_that_expires_in_the_apply_and_is_taken_launches_nothing() {
    let (shared, _alone) = Shared::alone();
    let sha = shared.commit_infra();
    // Terraform has written the state, and waits for the answer.
    let gate = Gate::before(&shared.endpoint, At::Answer, |head| {
        let path = head.split_whitespace().nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        head.starts_with("put ") && path.ends_with("/ecs-tasks/test.tfstate")
    });
    let running = shared
        .through(&gate, "jo", &["try", "my-new-task-name", "--yes"])
        .spawn();
    gate.wait();
    let mut claim = shared.hold().unwrap();
    claim["expires"] = "2024-01-01T00:00:00Z".into();
    shared.put_hold(&claim.to_string());
    let taken = shared.by("kim", &["hold", "--reason", "it was free"]);
    gate.open();
    let ended = running.end();
    let (record, after) = (shared.hold(), shared.deployed_tag());
    shared.let_go("kim");
    shared.uncommit();
    taken.expect_code(0);
    let ended = ended
        .expect_code(126)
        .expect_stderr("✓ apply")
        .expect_stderr("the environment was taken while this ran: it is held by kim");
    assert!(!ended.stderr.contains("launch"), "{}", ended.stderr);
    // What was applied was ours by then; whose environment it is now says the record.
    assert_eq!(after, sha);
    assert_eq!(record.unwrap()["author"], "kim");
}
