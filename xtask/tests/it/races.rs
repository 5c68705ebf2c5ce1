//! Two at once: what each finds when the other one comes at the worst moment.

use serde_json::json;

use crate::harness::{At, Gate, Invocation, Shared, request};

/// The record of the hold is written: a claim, when nobody has the environment.
fn writes_the_hold(head: &str) -> bool {
    head.starts_with("put ") && head.contains("/holds/test.json")
}

fn removes_the_hold(head: &str) -> bool {
    head.starts_with("delete ") && head.contains("/holds/test.json")
}

fn starts_a_task(head: &str) -> bool {
    head.contains("amazonec2containerservicev20141113.runtask")
}

/// The auto-deploy of main as GitHub runs it, with its run there.
fn auto_deploy(shared: &Shared, gate: &Gate) -> Invocation {
    as_auto_deploy(shared, shared.through_as_ci(gate, &DEPLOY))
}

const DEPLOY: [&str; 2] = ["deploy-test", "--yes"];

fn as_auto_deploy(shared: &Shared, deploy: Invocation) -> Invocation {
    shared.set_workflow("enable");
    let run =
        json!({ "workflow": "api-auto-deploy.yml", "status": "in_progress", "event": "push" });
    let run = shared.github("runs", &run.to_string());
    deploy
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_RUN_ID", run["id"].to_string())
        .env(
            "GITHUB_WORKFLOW_REF",
            "example-org/background-tasks/.github/workflows/api-auto-deploy.yml@refs/heads/main",
        )
}

#[test]
fn an_auto_deploy_that_comes_after_a_hold_skips_with_a_notice() {
    let (shared, _alone) = Shared::alone();
    let before = shared.deployed_tag();
    shared.commit_infra();
    shared.by_nobody(&["build-and-publish"]).expect_code(0);
    // It is about to claim the environment, which is free.
    let gate = Gate::before(&shared.endpoint, At::Request, writes_the_hold);
    let deploy = auto_deploy(shared, &gate).spawn();
    gate.wait();
    let held = shared.by("jo", &["hold", "--reason", "a race"]);
    gate.open();
    let deploy = deploy.end();
    let after = shared.deployed_tag();
    shared.let_go("jo");
    shared.github("reset", "");
    shared.uncommit();
    held.expect_code(0);
    let notice = "::warning title=hold::not deployed: test is held by jo (";
    let deploy = deploy.expect_code(0).expect_stderr(notice);
    assert!(
        deploy
            .stderr
            .contains(": a race. Its release deploys main.")
    );
    assert_eq!(after, before);
}

/// The runner died in the middle of a deploy, so that nobody gives its claim back or renews it. Nobody
/// will release it either: main is deployed by whoever comes next.
#[test]
fn an_auto_deploy_has_its_turn_after_the_claim_of_a_dead_runner() {
    let (shared, _alone) = Shared::alone();
    let sha = shared.commit_infra();
    shared.by_nobody(&["build-and-publish"]).expect_code(0);
    shared.by("ci", &["hold"]).expect_code(0);
    let mut claim = shared.hold().unwrap();
    claim["purpose"] = "deploy".into();
    claim["author"] = "api-auto-deploy.yml run 7".into();
    claim["host"] = "a-runner".into();
    shared.put_hold(&claim.to_string());
    let deploy = as_auto_deploy(shared, shared.really(&DEPLOY)).spawn();
    deploy.wait_for("waiting for a deploy or a try to end: test is being deployed to by api-auto-deploy.yml run 7");
    claim["expires"] = "2024-01-01T00:00:00Z".into();
    shared.put_hold(&claim.to_string());
    let deploy = deploy.end();
    let (record, after) = (shared.hold(), shared.deployed_tag());
    shared.github("reset", "");
    shared.uncommit();
    deploy.expect_code(0).expect_stdout(&sha);
    assert_eq!((record, after), (None, sha));
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

/// The first look at GitHub was fine, and something starts before the second one.
#[test]
fn what_starts_between_the_check_and_the_apply_is_caught() {
    let (shared, _alone) = Shared::alone();
    let before = shared.deployed_tag();
    shared.commit_infra();
    let push = json!({ "workflow": "api-auto-deploy.yml", "status": "queued", "event": "push" });
    let by_hand = json!({
        "workflow": "api-deploy.yml", "status": "in_progress", "event": "workflow_dispatch",
    });
    let again = json!({
        "workflow": "api-auto-deploy.yml", "status": "in_progress", "event": "push",
        "run_attempt": 2, "created_at": "2024-01-01T00:00:00Z",
    });
    let mut found = Vec::new();
    for run in [push, by_hand, again] {
        let gate = Gate::before(&shared.endpoint, At::Request, writes_the_hold);
        let running = shared
            .through(&gate, "jo", &["try", "my-new-task-name", "--yes"])
            .spawn();
        gate.wait();
        let url = shared.github("runs", &run.to_string())["html_url"].clone();
        gate.open();
        let ended = running.end();
        shared.github("reset", "");
        let says = format!(
            "{} ({}, {})",
            url.as_str().unwrap(),
            run["status"].as_str().unwrap(),
            run["event"].as_str().unwrap()
        );
        found.push((ended, says));
    }
    let (record, after) = (shared.hold(), shared.deployed_tag());
    shared.uncommit();
    for (ended, says) in found {
        let ended = ended
            .expect_code(126)
            .expect_stderr(&format!("auto-deploy to test is still running: {says}"));
        assert_eq!(ended.stdout, "");
    }
    assert_eq!((record, after), (None, before));
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

/// Nothing is held while a plan is made, and one that changes nothing is not applied: it must not be
/// taken for true when somebody has deployed since.
#[test]
fn a_plan_of_nothing_is_made_again_when_somebody_has_deployed_since() {
    let (shared, _alone) = Shared::alone();
    shared.by_nobody(&["deploy-test"]).expect_code(0);
    let before = shared.deployed_tag();
    let gate = Gate::before(&shared.endpoint, At::Request, writes_the_hold);
    let running = shared
        .through(&gate, "jo", &["try", "my-new-task-name", "--yes"])
        .spawn();
    gate.wait();
    let sha = shared.commit_infra();
    shared.by_nobody(&["build-and-publish"]).expect_code(0);
    let deployed = shared.by("kim", &["deploy-test"]);
    let between = shared.deployed_tag();
    shared.uncommit();
    gate.open();
    let ended = running.end();
    deployed.expect_code(0);
    assert_eq!(between, sha);
    ended
        .expect_code(0)
        .expect_stderr("the state is no longer the one that this was planned from: planning again")
        .expect_stderr("✓ apply");
    assert_eq!(shared.deployed_tag(), before);
}

#[test]
fn another_image_under_the_tag_is_a_verdict_of_its_own() {
    let (shared, _alone) = Shared::alone();
    // Uncommitted work has another digest than the commit, and the same layers.
    shared
        .checkout
        .write("infra/ecs-tasks/template/note.tf", "# uncommitted\n");
    let gate = Gate::before(&shared.endpoint, At::Request, starts_a_task);
    let running = shared
        .through(&gate, "jo", &["try", "my-new-task-name", "--yes"])
        .spawn();
    gate.wait();
    let (tag, commit) = (
        shared.deployed_tag(),
        shared.checkout.git(["rev-parse", "HEAD"]),
    );
    let other = ecr(
        shared,
        "BatchGetImage",
        &json!({ "repositoryName": "api", "imageIds": [{ "imageTag": commit.trim() }] }),
    );
    let manifest = &other["images"][0]["imageManifest"];
    ecr(
        shared,
        "BatchDeleteImage",
        &json!({ "repositoryName": "api", "imageIds": [{ "imageTag": tag }] }),
    );
    ecr(
        shared,
        "PutImage",
        &json!({ "repositoryName": "api", "imageTag": tag, "imageManifest": manifest }),
    );
    gate.open();
    let ended = running.end();
    shared
        .checkout
        .git(["clean", "--quiet", "--force", "infra"]);
    ended.expect_code(120).expect_stderr(
        "my-new-task-name exited 0, but it ran another image than the one that was pushed",
    );
}

#[test]
fn somebody_who_deploys_meanwhile_is_in_the_verdict() {
    let (shared, _alone) = Shared::alone();
    let before = shared.checkout.git(["rev-parse", "HEAD"]);
    let before = before.trim();
    let running = shared
        .invocation("jo", &["try", "diagnose", "--", "--sleep", "600"])
        .spawn();
    running.wait_for("task started");
    let sha = shared.commit_infra();
    shared.by_nobody(&["build-and-publish"]).expect_code(0);
    let broken = shared.by("kim", &["hold", "--break"]);
    let deployed = shared.by("kim", &["deploy-test"]);
    let stderr = running.stderr();
    let id = stderr.split("✓ launch    task ").nth(1).unwrap();
    let stopped = shared.by_nobody(&["stop", id.split_whitespace().next().unwrap()]);
    let ended = running.end();
    shared.let_go("kim");
    shared.uncommit();
    broken.expect_code(0);
    deployed.expect_code(0).expect_stdout(&sha);
    stopped.expect_code(0);
    ended
        .expect_stderr(&format!(
            "somebody deployed to test while the task ran: service_docker_tag is {sha}, no longer {before}"
        ))
        .expect_stderr("the environment was taken while this ran: it is held by kim");
}

fn ecr(shared: &Shared, operation: &str, input: &serde_json::Value) -> serde_json::Value {
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    let headers = [
        ("X-Amz-Target", target.as_str()),
        ("Content-Type", "application/x-amz-json-1.1"),
    ];
    let answer = request(&shared.endpoint, "POST", "/", &headers, &input.to_string());
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}
