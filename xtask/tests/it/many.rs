//! `run --count`: many tasks at once, each with all of its log and its own end.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Shared, tasks_of};

#[test]
fn fifty_tasks_end_with_all_their_logs() {
    let (shared, _lock) = Shared::alone();
    let mut args = vec!["run", "diagnose", "--sandbox", "--author", "many"];
    args.extend(["--count", "50", "--", "--print", "it runs", "--lines", "20"]);
    let ended = shared.checkout.xtask(args).run().expect_code(0);
    // Each line has its task before it.
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in ended.stdout.lines() {
        let (task, line) = line.split_once(" | ").unwrap();
        lines.entry(task).or_default().push(line);
    }
    assert_eq!(lines.len(), 50, "{}", ended.stdout);
    for (task, lines) in lines {
        assert!(lines[0].contains("task started"), "{task}: {lines:?}");
        assert!(lines[22].contains("task finished"), "{task}: {lines:?}");
        assert!(lines.contains(&"it runs"), "{task}: {lines:?}");
        assert_eq!(lines.len(), 23, "{task}: {lines:?}");
    }
    let ended = ended.expect_stderr("✓ 50 × diagnose exited 0\n");
    assert_eq!(ended.stderr.matches(" diagnose exited 0\n").count(), 51);
}

/// Wherever it is killed: the same call again finds what it has started, and starts what is missing.
#[test]
fn killed_the_same_call_again_starts_none_twice() {
    let (shared, _lock) = Shared::alone();
    let mut args = vec!["run", "diagnose", "--sandbox", "--author", "many-killed"];
    args.extend([
        "--count", "12", "--", "--print", "it runs", "--sleep", "300",
    ]);
    for phase in ["12 × diagnose", "it runs"] {
        let running = shared.checkout.xtask(&args).spawn();
        running.wait_for(phase).signal(Signal::KILL);
        assert_eq!(running.end().code, 128 + 9);
    }
    let running = shared.checkout.xtask(&args).spawn();
    running.wait_for("it runs").signal(Signal::INT);
    let ended = running
        .end()
        .expect_code(130)
        .expect_stderr("going on with those that were left");
    let tasks = tasks_of(&shared.endpoint, "many-killed");
    assert_eq!(tasks.len(), 12, "{}", ended.stderr);
    // They were seen to their end: from here on it is another run.
    let running = shared.checkout.xtask(&args).spawn();
    running.wait_for("it runs").signal(Signal::INT);
    let ended = running.end().expect_code(130);
    let tasks = tasks_of(&shared.endpoint, "many-killed");
    assert_eq!(tasks.len(), 24, "{}", ended.stderr);
}

#[test]
fn one_that_fails_fails_all() {
    let (shared, _lock) = Shared::together();
    let mut args = vec!["run", "diagnose", "--sandbox", "--author", "many-fail"];
    args.extend(["--count", "2", "--", "--exit-code", "3"]);
    let ended = shared.checkout.xtask(args).run().expect_code(3);
    ended
        .expect_stderr("✗ 2 of 2 × diagnose failed\n")
        .expect_stderr(": diagnose exited 3\n");
}

#[test]
fn each_is_in_the_json() {
    let (shared, _lock) = Shared::together();
    let mut args = vec!["run", "diagnose", "--sandbox", "--author", "many-json"];
    args.extend(["--json", "--count", "2", "--", "--exit-code", "3"]);
    let ended = shared.checkout.xtask(args).run().expect_code(3);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let each = document["result"].as_array().unwrap();
    assert_eq!(each.len(), 2, "{document}");
    for one in each {
        assert!(one["id"].as_str().is_some_and(|id| id.len() >= 32), "{one}");
        assert_eq!(one["verdict"]["happened"], "diagnose exited 3", "{one}");
        assert_eq!(one["verdict"]["exit_code"], 3, "{one}");
        assert_eq!(one["verdict"]["origin"], "task", "{one}");
    }
}
