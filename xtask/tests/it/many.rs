//! `run --count`: many tasks at once, each with all of its log and its own end.

use std::collections::BTreeMap;

use crate::harness::Shared;

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
