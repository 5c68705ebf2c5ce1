//! The whole loop on the process engine, on a machine that has no docker command and no Engine.
//!
//! What a container's end looks like on either engine is one table of Python tests, in
//! `xtask/src/sandbox/ministack/tests`; here is what a user sees of it.

use expect_test::expect;

use crate::harness::{Checkout, FakeBin, Invocation, filtered};

fn xtask(checkout: &Checkout, bin: &FakeBin, args: &[&str]) -> Invocation {
    checkout
        .xtask(args)
        .env("PATH", bin.only())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
}

#[cfg(target_os = "linux")]
#[test]
fn without_docker_tasks_run_as_processes() {
    let checkout = Checkout::named("engine");
    let bin = FakeBin::named("engine").everything_but(&["docker", "dockerd"]);
    let ended = xtask(&checkout, &bin, &["try", "my-new-task-name", "--sandbox"])
        .run()
        .expect_code(0);
    expect![[r#"
        [TIME] INFO  task started
        [TIME] INFO  Hello from your new background task!
        [TIME] INFO  task finished  outcome=success  duration_ms=[N]  exit_code=0
    "#]]
    .assert_eq(&filtered(&ended.stdout));
    ended.expect_stderr("its tasks run as processes of this machine, without Docker");
    xtask(&checkout, &bin, &["sandbox", "status"])
        .run()
        .expect_stdout("engine process");

    let cases: [(&[&str], i32, &str); 5] = [
        (&["--exit-code", "3"], 3, "✗ diagnose exited 3"),
        (&["--segfault"], 139, "SIGSEGV"),
        (&["--panic"], 101, "panic"),
        (&["--alloc-mb", "4000"], 137, "ran out of memory"),
        (&["--lines", "100000"], 0, "✓ diagnose exited 0"),
    ];
    for (arguments, code, words) in cases {
        let mut all = vec!["run", "diagnose", "--sandbox", "--raw", "--"];
        all.extend(arguments);
        let ended = xtask(&checkout, &bin, &all)
            .run()
            .expect_code(code)
            .expect_stderr(words);
        if arguments[0] == "--lines" {
            // The task's first and last lines are its wrapper's.
            assert_eq!(ended.stdout.lines().count(), 100_002, "a line was lost");
        }
    }

    xtask(&checkout, &bin, &["sandbox", "up", "--engine", "docker"])
        .run()
        .expect_code(125)
        .expect_stderr("`docker` is not installed");
    xtask(&checkout, &bin, &["sandbox", "down"])
        .run()
        .expect_code(0);
}
