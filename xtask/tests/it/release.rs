//! What a branch did to an environment is put back by `release`.

use crate::harness::{Shared, request};

const KEY: &str = "/api-terraform-state-000000000000/holds/test.json";

/// Main gains a task with a schedule; a try from an older branch takes them away; release brings
/// them back, so that main's whole plan is empty.
#[test]
fn a_branch_is_reversible() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let origin = checkout.root.join("target/origin.git");
    let origin = origin.to_str().unwrap();
    let _ = std::fs::remove_dir_all(origin);
    let base = checkout.git(["rev-parse", "HEAD"]).trim().to_owned();
    checkout.git(["init", "--quiet", "--bare", "--initial-branch=main", origin]);
    checkout.git(["remote", "add", "origin", origin]);

    // A teammate's main: one more task, deployed.
    let new_task = [
        "new-task",
        "gained-by-main",
        "--schedule",
        "cron(0 5 * * ? *)",
        "--timezone",
        "UTC",
    ];
    checkout.xtask(new_task).run().expect_code(0);
    let main = checkout.commit("main gains a task and a schedule");
    checkout.git(["push", "--quiet", "origin", "main"]);
    let publish = ["build-and-publish", "--sandbox"];
    checkout.xtask(publish).run().expect_code(0);
    let deploy = ["deploy-test", "--sandbox", "--yes"];
    checkout.xtask(deploy).run().expect_code(0);

    // Somebody on a branch that has not seen it.
    checkout.git(["switch", "--quiet", "--create", "older", &base]);
    let jo = |args: &[&str]| {
        let all = args.iter().copied().chain(["--sandbox", "--author", "jo"]);
        checkout.xtask(all).run()
    };
    jo(&["hold", "--reason", "the older branch"]).expect_code(0);
    jo(&["try", "my-new-task-name", "--yes"])
        .expect_code(0)
        .expect_stderr("this deletes 1 task from test: gained-by-main")
        .expect_stderr("this branch lacks 1 commit");
    let released = jo(&["release"]);

    checkout.git(["switch", "--quiet", "main"]);
    let again = checkout.xtask(deploy).run();
    // The other tests go on from where they were.
    checkout.git(["reset", "--quiet", "--hard", &base]);
    checkout.git(["remote", "remove", "origin"]);
    checkout.git(["branch", "--quiet", "-D", "older"]);
    let restored = checkout.xtask(["deploy-test", "--sandbox", "--yes"]).run();

    released
        .expect_code(0)
        .expect_stdout(&format!("main ({main}) is deployed again, nobody holds it"));
    again.expect_code(0).expect_stderr("nothing changes");
    assert_eq!(request(&shared.endpoint, "GET", KEY, &[], "").status, 404);
    restored.expect_code(0);
}
