//! What a branch did to an environment is put back by `release`, also by the second one when the first
//! was killed.

use rustix::process::Signal;

use crate::harness::{At, Checkout, Gate, Shared};

/// Main gains a task with a schedule; a try from a clone that has not seen it takes them away; release
/// brings them back, so that main's whole plan is empty.
#[test]
fn a_branch_is_reversible() {
    let (shared, _alone) = Shared::alone();
    let ours = &shared.checkout;
    let origin = ours.root.join("target/origin.git");
    let origin = origin.to_str().unwrap();
    let _ = std::fs::remove_dir_all(origin);
    let base = ours.git(["rev-parse", "HEAD"]).trim().to_owned();
    ours.git(["init", "--quiet", "--bare", "--initial-branch=main", origin]);
    ours.git(["remote", "add", "origin", origin]);
    ours.git(["push", "--quiet", "origin", "main"]);
    // Somebody's clone, on a branch of its own.
    let theirs = Checkout::clone_of(origin, "older");
    theirs.git(["switch", "--quiet", "--create", "older"]);

    // Then main gains a task, and that is deployed.
    let new_task = [
        "new-task",
        "gained-by-main",
        "--schedule",
        "cron(0 5 * * ? *)",
        "--timezone",
        "UTC",
    ];
    ours.xtask(new_task).run().expect_code(0);
    let main = ours.commit("main gains a task and a schedule");
    ours.git(["push", "--quiet", "origin", "main"]);
    shared.by_nobody(&["build-and-publish"]).expect_code(0);
    let deploy = ["deploy-test", "--yes"];
    shared.by_nobody(&deploy).expect_code(0);
    theirs.git(["fetch", "--quiet"]);

    let jo = |args: &[&str]| shared.from(&theirs, "jo", args).run();
    let held = jo(&["hold", "--reason", "the older branch"]);
    let tried = jo(&["try", "my-new-task-name", "--yes"]);
    let without = shared.deployed("test")["task_definitions"]["value"].clone();
    let released = jo(&["release"]);
    let again = shared.by_nobody(&deploy);
    let record = shared.hold();
    // The other tests go on from where they were.
    ours.git(["reset", "--quiet", "--hard", &base]);
    ours.git(["remote", "remove", "origin"]);
    let restored = shared.by_nobody(&deploy);

    held.expect_code(0);
    tried
        .expect_code(0)
        .expect_stderr("this deletes 1 task from test: gained-by-main")
        .expect_stderr("this branch lacks 1 commit");
    assert_eq!(without["gained-by-main"], serde_json::Value::Null);
    assert_ne!(without["my-new-task-name"], serde_json::Value::Null);
    released
        .expect_code(0)
        .expect_stdout(&format!("main ({main}) is deployed again, nobody holds it"));
    again.expect_code(0).expect_stderr("nothing changes");
    assert_eq!(record, None);
    restored.expect_code(0);
}

/// Where a release is killed: at which request, before it arrives or when it is carried out.
struct Crash {
    at: At,
    method: &'static str,
    path: &'static str,
    restore: &'static str,
    /// What the second release still has to do.
    then: String,
}

const HOLD: &str = "/holds/test.json";
const STATE: &str = "/ecs-tasks/test.tfstate";
const ENABLE: &str = "/api-auto-deploy.yml/enable";

#[test]
fn a_release_that_was_killed_is_finished_by_the_next() {
    let (shared, _alone) = Shared::alone();
    let main = shared.checkout.git(["rev-parse", "HEAD"]).trim().to_owned();
    let everything = format!(
        "test is released: main ({main}) is deployed again, api-auto-deploy.yml enabled, nobody holds it"
    );
    let enabling = "test is released: api-auto-deploy.yml enabled, nobody holds it";
    let crash = |at, method, path, restore, then: &str| Crash {
        at,
        method,
        path,
        restore,
        then: then.to_owned(),
    };
    for crash in [
        // While Terraform plans main …
        crash(At::Request, "get", STATE, "main", &everything),
        // … when main is deployed, and the record does not say so, or just says so …
        crash(At::Request, "put", HOLD, "main", &everything),
        crash(At::Answer, "put", HOLD, "main", enabling),
        // … when the workflow is enabled …
        crash(At::Request, "put", ENABLE, "none", enabling),
        crash(
            At::Answer,
            "put",
            ENABLE,
            "none",
            "test is released: nobody holds it",
        ),
        // … and when the record is removed.
        crash(
            At::Request,
            "delete",
            HOLD,
            "none",
            "test is released: nobody holds it",
        ),
        crash(At::Answer, "delete", HOLD, "none", "test is not held"),
    ] {
        let when = format!("{:?} of {} {}", crash.at, crash.method, crash.path);
        shared.set_workflow("enable");
        shared.by("jo", &["hold"]).expect_code(0);
        let Crash { method, path, .. } = crash;
        let gate = Gate::before(&shared.endpoint, crash.at, move |head| {
            let mut words = head.split_whitespace();
            words.next() == Some(method) && words.next().is_some_and(|found| found.contains(path))
        });
        let release = shared
            .through(&gate, "jo", &["release", "--restore", crash.restore])
            .spawn();
        gate.wait();
        release.signal(Signal::KILL);
        assert_eq!(release.end().code, 128 + 9, "{when}");
        gate.cut();
        // As long as there is a record, nobody else gets in between the two.
        let other = shared.hold().map(|_| shared.by("kim", &["hold"]).code);
        let second = shared.by("jo", &["release", "--restore", crash.restore]);
        let found = (shared.hold(), shared.workflow(), shared.deployed_tag());
        shared.set_workflow("disable");
        let second = second.expect_code(0);
        assert_eq!(second.stdout, format!("{}\n", crash.then), "{when}");
        assert!(matches!(other, None | Some(126)), "{when}");
        assert_eq!(found, (None, "active".to_owned(), main.clone()), "{when}");
    }
}
