//! Promise 3: nothing is deployed while auto-deploy can run.

use expect_test::expect;

use crate::harness::{FakeBin, Shared, always_answering, as_if_real, keys, request, which};

#[test]
fn an_active_auto_deploy_refuses_before_anything_is_done() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    checkout.another_image("a-new-file");
    checkout
        .xtask(["auto-deploy", "resume", "--sandbox"])
        .run()
        .expect_code(0)
        .expect_stdout("active");
    let refused = checkout
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .run();
    expect![[r#"
        exit code: 126
        --- stdout
        --- stderr
          check     my-new-task-name: can it be tried in test
        ✗ check     failed ([N] s)
        error: auto-deploy to test is active (api-auto-deploy.yml): it would overwrite what is deployed here

        hint: reserve test and pause it: cargo xtask hold --sandbox
              or for one run alone:      cargo xtask try TASK --hold --sandbox
    "#]]
    .assert_eq(&refused.snapshot());
    checkout
        .xtask(["auto-deploy", "pause", "--sandbox"])
        .run()
        .expect_code(0)
        .expect_stdout("paused");
    checkout.as_committed();
    checkout
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .run()
        .expect_code(0);
}

#[test]
fn a_live_run_refuses_although_the_workflow_is_disabled() {
    let (shared, _alone) = Shared::alone();
    for status in ["queued", "in_progress", "waiting", "pending", "requested"] {
        let run = format!(r#"{{"workflow":"api-auto-deploy.yml","status":"{status}"}}"#);
        let added = request(
            &shared.endpoint,
            "POST",
            "/_github/_control/runs",
            &[],
            &run,
        );
        assert_eq!(added.status, 201, "{}", added.body);
        let refused = shared
            .checkout
            .xtask(["try", "my-new-task-name", "--sandbox"])
            .run();
        reset_github(&shared.endpoint);
        refused
            .expect_code(126)
            .expect_stderr("is still running")
            .expect_stderr(status);
    }
}

#[test]
fn unknown_refuses() {
    let (shared, _alone) = Shared::alone();
    for status in [403, 404] {
        let fault = format!(r#"{{"path_prefix":"/repos","status":{status},"count":50}}"#);
        let set = request(
            &shared.endpoint,
            "POST",
            "/_github/_control/fault",
            &[],
            &fault,
        );
        assert!(set.status < 300, "{}", set.body);
        let refused = shared.checkout.xtask(["deploy-test", "--sandbox"]).run();
        reset_github(&shared.endpoint);
        refused
            .expect_code(126)
            .expect_stderr("nobody can tell whether auto-deploy to test is paused");
    }
}

/// An answer that is not GitHub's says nothing about auto-deploy.
#[test]
fn odd_answers_refuse() {
    let (shared, _together) = Shared::together();
    for answer in [
        "<html>sign in</html>",
        "{}",
        "[]",
        "null",
        r#"{"state": 5, "name": "x", "html_url": "x"}"#,
        r#"{"state": "paused", "name": "x", "html_url": "x", "total_count": 0, "workflow_runs": []}"#,
        r#"{"state": "disabled_manually", "name": "x", "html_url": "x", "total_count": 3, "workflow_runs": []}"#,
        r#"{"state": "disabled_manually", "name": "x", "html_url": "x"}"#,
    ] {
        let github = always_answering(200, "application/json", answer);
        as_if_real(shared.checkout.xtask(["deploy-test"]), &shared.endpoint)
            .env("GITHUB_API_URL", github)
            .run()
            .expect_code(126)
            .expect_stderr("nobody can tell whether auto-deploy to test is paused");
    }
}

/// Auto-deploy is resumed by somebody else in the moment between the apply and the launch: a
/// terraform on PATH does it right after the real one has applied.
#[test]
fn resumed_between_apply_and_launch_is_caught() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let enable = format!(
        "{}/_github/repos/example-org/background-tasks/actions/workflows/api-auto-deploy.yml/enable",
        shared.endpoint
    );
    let script = format!(
        r#"#!/usr/bin/env python3
import subprocess, sys, urllib.request
code = subprocess.call(["{}", *sys.argv[1:]])
if "apply" in sys.argv:
    headers = {{"Authorization": "Bearer {}"}}
    urllib.request.urlopen(urllib.request.Request("{enable}", method="PUT", headers=headers))
sys.exit(code)
"#,
        which("terraform").display(),
        keys::of(&shared.endpoint).unwrap().github_token,
    );
    let bin = FakeBin::named("resume").script("terraform", &script);
    // An image of its own, so that there is something to apply.
    checkout.another_image("another-file");
    let refused = checkout
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .env("PATH", bin.first())
        .run();
    checkout.as_committed();
    checkout
        .xtask(["auto-deploy", "pause", "--sandbox"])
        .run()
        .expect_code(0);
    let refused = refused
        .expect_code(126)
        .expect_stderr("✓ apply")
        .expect_stderr("is active");
    assert_eq!(refused.stdout, "");
}

fn reset_github(endpoint: &str) {
    let reset = request(endpoint, "POST", "/_github/_control/reset", &[], "");
    assert!(reset.status < 300, "{}", reset.body);
}
