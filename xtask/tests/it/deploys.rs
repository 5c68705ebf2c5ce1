//! What a deploy asks about, and what it refuses, outside of the sandbox's leniency: the real
//! environment's settings, with every address pointing at the sandbox.

use crate::harness::{FakeBin, Shared, as_if_real, request, which};

const SIGNED: [(&str, &str); 1] = [(
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=test/20260102/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
)];
const STATE: &str = "ecs-tasks/test.tfstate";

#[test]
fn deleting_a_task_is_said_and_asked_about() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    // The state of the sandbox becomes the state of the real backend's bucket.
    let from = format!("/api-terraform-state-000000000000/{STATE}");
    let state = request(&shared.endpoint, "GET", &from, &SIGNED, "");
    assert_eq!(state.status, 200, "{}", state.body);
    let bucket = "/api-terraform-state-123456789012";
    request(&shared.endpoint, "PUT", bucket, &SIGNED, "");
    let put = request(
        &shared.endpoint,
        "PUT",
        &format!("{bucket}/{STATE}"),
        &SIGNED,
        &state.body,
    );
    assert_eq!(put.status, 200, "{}", put.body);

    let tasks = "infra/ecs-tasks/template/tasks.tf";
    let before = checkout.read(tasks);
    checkout.write(tasks, &without_task(&before, "my-new-task-name"));
    checkout.commit("a branch without a teammate's task");
    as_if_real(checkout.xtask(["build-and-publish"]), &shared.endpoint)
        .run()
        .expect_code(0);
    let refused = as_if_real(checkout.xtask(["deploy-test"]), &shared.endpoint).run();
    checkout.write(tasks, &before);
    checkout.commit("the task is back");
    refused
        .expect_code(126)
        .expect_stderr("this deletes 1 task from test: my-new-task-name")
        .expect_stderr("DELETE module.ecs_tasks.aws_ecs_task_definition.this[\"my-new-task-name\"]")
        .expect_stderr("then add --yes");
}

#[test]
fn an_image_that_is_not_in_ecr_is_not_deployed() {
    let (shared, _alone) = Shared::alone();
    shared.checkout.another_image("deploy-test");
    shared.checkout.commit("nobody has published this");
    let refused = shared.checkout.xtask(["deploy-test", "--sandbox"]).run();
    shared
        .checkout
        .git(["reset", "--quiet", "--hard", "HEAD~1"]);
    refused
        .expect_code(126)
        .expect_stderr("is not in ECR")
        .expect_stderr("cargo xtask build-and-publish --sandbox");
}

/// The second environment, which has no auto-deploy: deployed, run in, and the first one as it was.
#[test]
fn stage_is_an_environment_of_its_own() {
    let (shared, _alone) = Shared::alone();
    let sha = shared.checkout.git(["rev-parse", "HEAD"]);
    let test = shared.deployed("test");
    // A hold of test is no hold of stage.
    shared.by("kim", &["hold"]).expect_code(0);
    shared
        .by_nobody(&["build-and-publish", "--env", "stage"])
        .expect_code(0);
    let deployed = shared.by("jo", &["deploy", "--env", "stage", "--yes"]);
    let ran = shared.by(
        "jo",
        &[
            "run",
            "diagnose",
            "--env",
            "stage",
            "--",
            "--print-env",
            "SERVICE_DOCKER_TAG",
        ],
    );
    let status = shared.by_nobody(&["status", "--env", "stage"]);
    shared.let_go("kim");
    deployed.expect_code(0).expect_stdout(&sha);
    ran.expect_code(0).expect_stdout(sha.trim());
    status
        .expect_code(0)
        .expect_stdout("stage\n")
        .expect_stdout("nobody holds it")
        .expect_stdout("there is no auto-deploy")
        .expect_stdout("api-stage-nightly-report: cron(30 3 * * ? *)");
    assert_eq!(shared.deployed("test"), test);
    let stage = shared.deployed("stage");
    let arn = &stage["task_definitions"]["value"]["diagnose"];
    assert!(
        arn.as_str().unwrap().contains("/api-stage-diagnose:"),
        "{arn}"
    );
}

/// Promise 5: the image under a git SHA is what that commit holds.
#[test]
fn a_file_that_changes_during_the_compile_is_an_error() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    checkout.another_image("compile-test");
    let cargo = which("cargo");
    let script = format!(
        "#!/bin/sh\n'{}' \"$@\"; code=$?\necho '// changed' >> api/src/tasks/my_new_task_name.rs\nexit $code\n",
        cargo.display()
    );
    let bin = FakeBin::named("changing").script("cargo", &script);
    let ended = checkout
        .xtask(["build-and-publish", "--allow-dirty", "--sandbox"])
        .env("CARGO", bin.path("cargo"))
        .run();
    checkout.as_committed();
    let ended = ended
        .expect_code(125)
        .expect_stderr("my_new_task_name.rs changed while the image was compiled");
    assert_eq!(ended.stdout, "");
}

/// `cargo run` describes our crate to us, and CI has keys in its environment. Build scripts (ring's among them)
/// watch the first, and would run again whenever `cargo xtask` and a plain `cargo build` take turns; the
/// second are none of their business.
#[test]
fn cargo_compiles_the_image_as_it_does_by_hand() {
    let (shared, _alone) = Shared::alone();
    let cargo = which("cargo");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = build ] && env >target/environment\nexec '{}' \"$@\"\n",
        cargo.display()
    );
    let bin = FakeBin::named("environment").script("cargo", &script);
    let ours = [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PKG_NAME",
        "CARGO_PKG_VERSION",
        "CARGO_BIN_NAME",
        "OUT_DIR",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "GH_TOKEN",
        "GITHUB_TOKEN",
        "GITHUB_ENV",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "ACTIONS_RUNTIME_TOKEN",
    ];
    // Another content: what the registry has already is not compiled.
    shared.checkout.another_image("compile-test");
    let mut command = shared
        .checkout
        .xtask(["build-and-publish", "--allow-dirty", "--sandbox"])
        .env("CARGO", bin.path("cargo"))
        .env("GH_ENTERPRISE_TOKEN", "for a private dependency")
        .env("XTASK_BUILD_ENVIRONMENT", "GH_ENTERPRISE_TOKEN");
    for name in ours {
        command = command.env(name, "xtask's");
    }
    let ended = command.run();
    shared.checkout.as_committed();
    ended.expect_code(0);
    let environment = shared.checkout.read("target/environment");
    assert!(environment.contains("\nPATH="), "{environment}");
    let passed = "\nGH_ENTERPRISE_TOKEN=for a private dependency\n";
    assert!(environment.contains(passed), "{environment}");
    for name in ours {
        let left = environment
            .lines()
            .find(|line| line.starts_with(&format!("{name}=")));
        assert_eq!(left, None, "{name}");
    }
}

/// tasks.tf without one entry of `locals.tasks`.
fn without_task(text: &str, task: &str) -> String {
    let start = text
        .find(&format!("\n    \"{task}\" = {{"))
        .or_else(|| text.find(&format!("\n    {task} = {{")));
    let start = start.unwrap_or_else(|| panic!("no `{task}` in tasks.tf"));
    let end =
        start + 1 + text[start + 1..].find("\n    }").expect("the entry's end") + "\n    }".len();
    format!("{}{}", &text[..start], &text[end..])
}
