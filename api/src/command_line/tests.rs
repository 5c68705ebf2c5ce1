//! The registry and the search for near names.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{near, tasks, unknown};

#[test]
fn names_are_unique() {
    let names: BTreeSet<_> = tasks().iter().map(|task| task.name).collect();
    assert_eq!(names.len(), tasks().len());
}

/// A file that `tasks.rs` does not name is not compiled, and nothing else would say so.
#[test]
fn every_file_of_tasks_registers_a_task() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tasks");
    let files: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    let registered: BTreeSet<_> = tasks()
        .iter()
        .map(|task| Path::new(task.file).file_name().unwrap().to_owned())
        .collect();
    assert_eq!(files, registered);
}

#[test]
fn finds_near_names() {
    let cases: [(&str, &[&str]); 7] = [
        ("import-claim", &["`import-claims`"]),
        ("import_claims", &["`import-claims`"]),
        ("IMPORT-CLAIMS", &["`import-claims`"]),
        ("claims", &["`import-claims`"]),
        ("diagnsoe", &["`diagnose`"]),
        ("report", &["`nightly-report`"]),
        ("xyz", &[]),
    ];
    for (name, expected) in cases {
        assert_eq!(near(name, &tasks()), expected, "{name}");
    }
}

#[test]
fn an_unknown_name_without_a_near_one_points_to_the_list() {
    let expected = "error: no task is named `xyz`\n\nhint: `api --list` names all tasks\n";
    assert_eq!(unknown("xyz", &tasks()), expected);
}
