//! A try beside what is deployed: it leaves no trace, also when it is killed.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::harness::{Shared, request};

#[test]
fn an_isolated_try_runs_this_image_and_leaves_no_trace() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    // An image of its own, and Terraform that is not tried.
    checkout.another_image("isolated-file");
    checkout.write("infra/ecs-tasks/template/new.tf", "# nothing yet\n");
    let before = Trace::of(shared);
    // Somebody else has the environment and auto-deploy is active: neither matters.
    let others = ["hold", "--sandbox", "--author", "kim"];
    checkout.xtask(others).run().expect_code(0);
    let tried = checkout
        .xtask([
            "try",
            "my-new-task-name",
            "--isolated",
            "--raw",
            "--sandbox",
            "--author",
            "jo",
        ])
        .run();
    let released = [
        "release",
        "--restore",
        "none",
        "--sandbox",
        "--author",
        "kim",
    ];
    checkout.xtask(released).run().expect_code(0);
    checkout.as_committed();
    checkout.git(["clean", "--quiet", "--force", "infra"]);
    tried
        .expect_code(0)
        .expect_stderr("infra/ecs-tasks/template/new.tf")
        .expect_stderr("these changes are not being tried")
        .expect_stderr("registered api-test-isolated-my-new-task-name-")
        .expect_stdout("-dirty-");
    assert_eq!(Trace::of(shared), before);
}

#[test]
fn what_a_killed_isolated_try_left_is_removed_by_the_next() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let before = Trace::of(shared);
    let mut command = checkout
        .xtask(["try", "diagnose", "--isolated", "--sandbox"])
        .into_command();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let registered = lines
        .map_while(Result::ok)
        .find(|line| line.contains("registered "));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        registered.is_some(),
        "it ended before it registered anything"
    );
    assert_ne!(Trace::of(shared).definitions, before.definitions);
    checkout
        .xtask(["try", "my-new-task-name", "--isolated", "--sandbox"])
        .run()
        .expect_code(0)
        .expect_stderr("an isolated try ended without removing ");
    assert_eq!(Trace::of(shared), before);
}

/// What an environment consists of.
#[derive(Debug, PartialEq)]
struct Trace {
    definitions: String,
    state: String,
    schedules: String,
}

impl Trace {
    fn of(shared: &Shared) -> Trace {
        let target = [
            (
                "X-Amz-Target",
                "AmazonEC2ContainerServiceV20141113.ListTaskDefinitions",
            ),
            ("Content-Type", "application/x-amz-json-1.1"),
        ];
        let scheduler = [(
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/scheduler/aws4_request, SignedHeaders=host, Signature=0",
        )];
        let state = "/api-terraform-state-000000000000/ecs-tasks/test.tfstate";
        let text = |method, path, headers: &[(&str, &str)], body| {
            let answer = request(&shared.endpoint, method, path, headers, body);
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            answer.body
        };
        let trace = Trace {
            definitions: text("POST", "/", &target, r#"{"status":"ACTIVE"}"#),
            state: text("GET", state, &[], ""),
            schedules: text("GET", "/schedules", &scheduler, ""),
        };
        assert!(
            trace.definitions.contains("api-test-diagnose:"),
            "{}",
            trace.definitions
        );
        assert!(trace.schedules.contains("api-test-"), "{}", trace.schedules);
        trace
    }
}
