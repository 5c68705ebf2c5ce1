//! A task that fails, in every way it can: the exit code, the cause, and what to do next.

use crate::harness::{Ended, Shared, filtered};

fn diagnose(shared: &Shared, args: &[&str]) -> Ended {
    let mut all = vec!["run", "diagnose", "--sandbox", "--author", "failures", "--"];
    all.extend(args);
    shared.checkout.xtask(all).run()
}

/// What `run` says after the task has stopped, without what differs from run to run.
pub fn verdict(ended: &Ended) -> String {
    let text = filtered(&ended.stderr);
    let start = text.find(['✗']).or_else(|| text.rfind("✓ diagnose"));
    let start = start.unwrap_or_else(|| panic!("no verdict in\n{text}"));
    // The times of the steps follow.
    let end = text[start..]
        .find("\n  time ")
        .map_or(text.len(), |end| start + end + 1);
    // Which engine ran it is the machine's business.
    text[start..end].replace("  engine: process (without Docker)\n", "")
}

#[test]
fn exit_codes_pass_through() {
    let (shared, _lock) = Shared::together();
    for (args, code, words) in [
        (&[][..], 0, "✓ diagnose exited 0\n"),
        (&["--exit-code", "1"], 1, "✗ diagnose exited 1\n"),
        (&["--exit-code", "255"], 255, "✗ diagnose exited 255\n"),
    ] {
        let ended = diagnose(shared, args).expect_code(code);
        assert!(verdict(&ended).starts_with(words), "{}", verdict(&ended));
        // Shorter than any poll, and still its last line is here.
        ended.expect_stdout("task finished");
    }
}

#[test]
fn a_real_fault_is_told_from_a_panic() {
    let (shared, _lock) = Shared::together();
    let ended = diagnose(shared, &["--segfault"]).expect_code(139);
    ended.expect_stderr(
        "✗ diagnose exited 139 (SIGSEGV)\n  why:    it read or wrote memory that is not its own (SIGSEGV)\n",
    );
    let ended = diagnose(shared, &["--panic"]).expect_code(101);
    ended
        .expect_stdout("this panic was asked for")
        .expect_stderr("✗ diagnose exited 101\n  why:    it panicked\n");
}

#[test]
fn out_of_memory_says_how_much_there_was_and_where_to_raise_it() {
    let (shared, _lock) = Shared::alone();
    let args = ["try", "diagnose", "--sandbox", "--", "--alloc-mb", "4000"];
    let ended = shared.checkout.xtask(args).run().expect_code(137);
    expect_test::expect![[r#"
        ✗ diagnose exited 137 (SIGKILL)
          why:    the container diagnose ran out of memory: it had the task's 512 MiB
          hint:   raise `memory` of the task `diagnose` in tasks.tf, or try more at once: --memory MIB
          ECS:    EssentialContainerExited: Essential container in task exited
          ECS:    container diagnose: exit code 137, OutOfMemoryError: Container killed due to memory usage
    "#]]
    .assert_eq(&verdict(&ended));
}

#[test]
fn stopped_by_another_says_so_and_why() {
    let (shared, _lock) = Shared::together();
    let args = [
        "run",
        "diagnose",
        "--sandbox",
        "--author",
        "stopped",
        "--",
        "--print",
        "it runs",
        "--sleep",
        "60",
    ];
    let running = shared.checkout.xtask(args).spawn();
    running.wait_for("it runs");
    let stderr = running.stderr();
    let id = stderr
        .lines()
        .find_map(|line| line.split("logs of ").nth(1));
    let stop = [
        "stop",
        id.unwrap().trim(),
        "--sandbox",
        "--reason",
        "wrong bucket",
    ];
    shared.checkout.xtask(stop).run().expect_code(0);
    let ended = running
        .end()
        .expect_code(143)
        .expect_stdout("outcome=stopped");
    expect_test::expect![[r#"
        ✗ diagnose exited 143 (SIGTERM)
          why:    it was stopped: wrong bucket
          ECS:    UserInitiated: wrong bucket
    "#]]
    .assert_eq(&verdict(&ended));
}

#[test]
fn what_a_task_prints_does_not_drive_the_terminal() {
    let (shared, _lock) = Shared::together();
    for flags in [&["--raw"][..], &[]] {
        let mut args = vec![
            "run",
            "diagnose",
            "--sandbox",
            "--author",
            "terminal",
            "--again",
        ];
        args.extend(flags);
        args.extend(["--", "--print", "\u{1b}]0;title\u{7}\u{1b}[2J"]);
        let ended = shared.checkout.xtask(args).run().expect_code(0);
        assert!(!ended.stdout.contains('\u{1b}'));
        ended.expect_stdout("␛]0;title␇␛[2J\n");
    }
}
