//! Everything a user can get wrong: a clear error, the right exit code, nothing lost.

use std::process::Command;

use expect_test::expect;
use serde_json::Value;

use crate::harness::{Checkout, Ended, FakeBin, Shared, always_answering, filtered, keys, request};
use crate::terminal::UNBUILT;

#[test]
fn an_unknown_task_offers_near_names() {
    let (shared, _together) = Shared::together();
    let ended = shared
        .checkout
        .xtask(["try", "my-new-task", "--sandbox"])
        .run();
    expect![[r#"
        exit code: 2
        --- stdout
        --- stderr
          check     my-new-task: can it be tried in test
        ✗ check     failed ([N] s)
        error: there is no task `my-new-task` in infra/ecs-tasks/template/tasks.tf

        hint: did you mean `my-new-task-name`?
    "#]]
    .assert_eq(&ended.snapshot());
}

#[test]
fn where_nothing_is_deployed_yet_the_hint_fits_the_sandbox() {
    let ended = UNBUILT.xtask(["logs", "diagnose", "--sandbox"]).run();
    expect![[r#"
        exit code: 125
        --- stdout
        --- stderr
        error: nothing is deployed from [CHECKOUT]/infra/ecs-tasks/environments/test yet

        hint: deploy first: `cargo xtask try TASK` does that too, with the same --env or --sandbox
    "#]]
    .assert_eq(&ended.snapshot());
}

#[test]
fn an_unknown_environment() {
    let (shared, _together) = Shared::together();
    let ended = shared
        .checkout
        .xtask(["deploy", "--env", "tset", "--sandbox"])
        .run();
    ended
        .expect_code(2)
        .expect_stderr("there is no environment `tset`")
        .expect_stderr("did you mean `test`?");
}

#[test]
fn another_account_than_the_environments() {
    let (shared, _together) = Shared::together();
    // The real environment's settings, with credentials that turn out to be of account 0.
    let ended = with_credentials(
        shared.checkout.xtask(["build-and-publish"]),
        &shared.endpoint,
    )
    .run();
    ended
        .expect_code(126)
        .expect_stderr("these credentials are of account 000000000000")
        .expect_stderr("but the environment `test` is in 123456789012");
}

#[test]
fn no_credentials_names_the_sandbox() {
    let (shared, _together) = Shared::together();
    let home = tempfile::tempdir().unwrap();
    let ended = shared
        .checkout
        .xtask(["build-and-publish"])
        .env("AWS_CONFIG_FILE", home.path().join("none"))
        .env("AWS_SHARED_CREDENTIALS_FILE", home.path().join("none"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .run();
    ended
        .expect_code(125)
        .expect_stderr("no AWS credentials were found")
        .expect_stderr("--sandbox");
}

#[test]
fn expired_credentials_say_how_to_go_on() {
    let (shared, _together) = Shared::together();
    // The answer of AWS STS, word for word but for the request's ID.
    let body = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error><RequestId>1</RequestId></ErrorResponse>";
    let endpoint = always_answering(403, "text/xml", body);
    let ended = with_credentials(shared.checkout.xtask(["build-and-publish"]), &endpoint).run();
    ended
        .expect_code(125)
        .expect_stderr("ExpiredToken")
        .expect_stderr("the credentials have expired: log in again");
}

#[test]
fn without_docker_its_builder_says_so() {
    let (shared, _alone) = Shared::alone();
    let bin = FakeBin::named("bare").everything_but(&["docker"]);
    // An image that is not in ECR yet, and of the Dockerfile: only that needs Docker.
    shared.checkout.another_image("docker-test");
    let ended = shared
        .checkout
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .env("PATH", bin.only())
        .env("XTASK_BUILDER", "docker")
        .run();
    shared.checkout.as_committed();
    ended
        .expect_code(125)
        .expect_stderr("`docker` is not installed")
        .expect_stderr("hint: install Docker Engine");
}

#[test]
fn a_locked_state_says_who_and_since_when() {
    let (shared, _alone) = Shared::alone();
    let lock = r#"{"ID":"2b0b0a5e-4c0e-2a1e-0e1c-2f2c7b7a9d10","Operation":"OperationTypeApply","Info":"","Who":"jo@laptop","Version":"1.11.4","Created":"2026-01-02T03:04:05.678Z","Path":"x"}"#;
    let path = "/api-terraform-state-000000000000/ecs-tasks/test.tfstate.tflock";
    let headers = [(
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=test/20260102/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
    )];
    assert_eq!(
        request(&shared.endpoint, "PUT", path, &headers, lock).status,
        200
    );
    shared.checkout.another_image("lock-test");
    let ended = shared
        .checkout
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .env("XTASK_STATE_LOCK_TIMEOUT_SECONDS", "1")
        .run();
    shared.checkout.as_committed();
    assert!(request(&shared.endpoint, "DELETE", path, &headers, "").status < 300);
    ended
        .expect_code(126)
        .expect_stderr("the Terraform state is locked by jo@laptop (apply since 2026-01-02")
        .expect_stderr("force-unlock 2b0b0a5e");
}

#[test]
fn a_dirty_tree_is_not_published_unless_allowed() {
    let (shared, _alone) = Shared::alone();
    shared.checkout.another_image("uncommitted");
    let refused = shared
        .checkout
        .xtask(["build-and-publish", "--sandbox"])
        .run();
    shared.checkout.as_committed();
    refused
        .expect_code(126)
        .expect_stderr("uncommitted changes: api/src/tasks/my_new_task_name.rs")
        .expect_stderr("--allow-dirty");
}

#[test]
fn a_change_outside_image_and_infra_makes_no_dirty_tree() {
    let (shared, _alone) = Shared::alone();
    shared.checkout.write("NOTES.md", "x");
    let ended = shared
        .checkout
        .xtask(["build-and-publish", "--sandbox"])
        .run();
    shared
        .checkout
        .git(["clean", "--quiet", "--force", "NOTES.md"]);
    ended.expect_code(0);
}

#[test]
fn unknown_settings_name_the_key_and_the_file() {
    let checkout = Checkout::named("settings");
    let manifest = checkout.read("Cargo.toml");
    checkout.write(
        "Cargo.toml",
        &manifest.replace("platform = ", "platfrom = "),
    );
    let ended = checkout.xtask(["sandbox", "status"]).run().expect_code(125);
    expect![[r#"
        error: `platform` is missing from [workspace.metadata.xtask] in [CHECKOUT]/Cargo.toml
          hint: add `platform = …` there, or set XTASK_PLATFORM
        error: unknown key `platfrom` in [workspace.metadata.xtask] in [CHECKOUT]/Cargo.toml
          hint: did you mean `platform`?
    "#]]
    .assert_eq(&filtered(&ended.stderr));
}

#[test]
fn without_git_or_without_a_commit() {
    let checkout = Checkout::named("no-git");
    std::fs::remove_dir_all(checkout.root.join(".git")).unwrap();
    publish_to_shared(&checkout)
        .expect_code(125)
        .expect_stderr("is not in a git repository");
    checkout.git(["init", "--quiet"]);
    publish_to_shared(&checkout)
        .expect_code(125)
        .expect_stderr("the repository has no commit yet");
}

#[test]
fn detached_and_shallow_are_fine() {
    let (shared, _alone) = Shared::alone();
    let sha = shared.checkout.git(["rev-parse", "HEAD"]);
    shared.checkout.git(["checkout", "--quiet", "--detach"]);
    let detached = shared
        .checkout
        .xtask(["build-and-publish", "--sandbox"])
        .run();
    shared.checkout.git(["checkout", "--quiet", "main"]);
    detached.expect_code(0).expect_stdout(sha.trim());

    let shallow = Checkout::named("shallow");
    std::fs::remove_dir_all(&shallow.root).unwrap();
    let url = format!("file://{}", shared.checkout.root.display());
    let cloned = Command::new("git")
        .args(["clone", "--quiet", "--depth", "1", &url])
        .arg(&shallow.root)
        .status()
        .unwrap();
    assert!(cloned.success());
    borrow_sandbox(&shared.checkout, &shallow);
    let ended = shallow
        .xtask(["build-and-publish", "--sandbox", "--dry-run"])
        .run();
    give_back_sandbox(&shallow);
    ended.expect_code(0).expect_stderr("is in ECR as");
}

#[test]
fn a_missing_ecr_repository_says_so() {
    let (shared, _together) = Shared::together();
    let ended = shared
        .checkout
        .xtask(["build-and-publish", "--sandbox"])
        .env("XTASK_ECR_REPOSITORY", "no-such")
        .run();
    ended
        .expect_code(125)
        .expect_stderr("there is no ECR repository `no-such`")
        .expect_stderr("infra/foundation");
}

fn with_credentials(
    invocation: crate::harness::Invocation,
    endpoint: &str,
) -> crate::harness::Invocation {
    let (id, secret) = keys::of(endpoint).map_or(("any".to_owned(), "any".to_owned()), |keys| {
        (keys.control_id, keys.control_secret)
    });
    invocation
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
}

fn publish_to_shared(checkout: &Checkout) -> Ended {
    let (shared, _together) = Shared::together();
    borrow_sandbox(&shared.checkout, checkout);
    let ended = checkout.xtask(["build-and-publish", "--sandbox"]).run();
    give_back_sandbox(checkout);
    ended
}

const SANDBOX: &str = "target/xtask/sandbox";
const SANDBOX_RECORD: &str = "target/xtask/sandbox/server.json";
const SANDBOX_LOCK: &str = "target/xtask/sandbox/ministack.lock";

/// Lets a second checkout find the first one's sandbox.
fn borrow_sandbox(from: &Checkout, to: &Checkout) {
    let copy = to.root.join(SANDBOX);
    std::fs::create_dir_all(&copy).unwrap();
    let mut record: Value = serde_json::from_str(&from.read(SANDBOX_RECORD)).unwrap();
    // A mere copy of the record is another checkout's.
    record["folder"] = copy.canonicalize().unwrap().to_str().unwrap().into();
    to.write(SANDBOX_RECORD, &record.to_string());
    to.write(SANDBOX_LOCK, "");
}

/// So that nobody stops it from here.
fn give_back_sandbox(checkout: &Checkout) {
    for file in [SANDBOX_RECORD, SANDBOX_LOCK] {
        std::fs::remove_file(checkout.root.join(file)).unwrap();
    }
}
