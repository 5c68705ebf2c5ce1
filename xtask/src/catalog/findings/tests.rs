use std::path::Path;

use super::*;
use crate::catalog::{Entrypoint, terraform};

fn catalog(names: &[&str], text: &str) -> Catalog {
    let source = terraform::parse(Path::new("t.tf"), text.to_owned()).unwrap();
    let written = terraform::read(&[source]);
    let entrypoints = names.iter().enumerate().map(|(index, name)| Entrypoint {
        name: (*name).to_owned(),
        place: Place {
            file: "a.rs".into(),
            line: index + 1,
        },
    });
    Catalog {
        entrypoints: entrypoints.collect(),
        definitions: written.definitions,
        schedules: written.schedules,
        triggers: written.triggers,
    }
}

fn check(names: &[&str], text: &str, expected: &[&str]) {
    let no_tasks = ["server".to_owned()];
    let found: Vec<String> = catalog(names, text)
        .findings(&no_tasks)
        .into_iter()
        .map(|finding| format!("{}: {}", finding.place, finding.message))
        .collect();
    assert_eq!(found, expected, "{text}");
}

fn tasks(entries: &str) -> String {
    format!("locals {{\n  tasks = {{\n{entries}\n  }}\n}}\n")
}

#[test]
fn what_fits_has_no_findings() {
    check(
        &["a", "b", "server"],
        &tasks(
            "a = { command = [\"a\", \"x\"] }\n nightly = { command = [\"poetry\", \"run\", \"b\"] }\n c = { command = local.command }",
        ),
        &[],
    );
    check(&["a"], "locals {\n  tasks = merge(local.x)\n}\n", &[]);
}

#[test]
fn entrypoints_and_definitions() {
    check(
        &["a", "b", "a"],
        &tasks("a = { command = [\"a\"] }\nx = { command = [\"y\"] }\nz = { command = [] }"),
        &[
            "a.rs:2: the entrypoint b has no definition",
            "a.rs:3: the entrypoint a is at a.rs:1 as well",
            "t.tf:4: the task x runs y, which is no entrypoint",
            "t.tf:5: the task z has an empty command",
        ],
    );
}

#[test]
fn sizes() {
    // 2048 is what the template takes, and 256 goes with it.
    check(&["a"], &tasks("a = { command = [\"a\"], cpu = 256 }"), &[]);
    check(
        &["a"],
        &tasks("a = { command = [\"a\"], cpu = 512, memory = 512 }"),
        &[
            "t.tf:3: the task a: Fargate has no cpu 512 with memory 512: it has 1024 to 4096 in steps of 1024",
        ],
    );
}

#[test]
fn schedules_and_triggers() {
    let text = tasks("a = { command = [\"a\"] }")
        + "module \"s\" {\n  source = \"m/ecs_task_scheduler\"\n  task = local.startable[\"b\"]\n  schedule_expression = \"cron(1)\"\n  schedule_expression_timezone = \"Mars/Phobos\"\n}\n"
        + "module \"t\" {\n  source = \"m/s3_ecs_trigger\"\n  task = local.startable[\"c\"]\n  bucket = \"x\"\n}\n";
    check(
        &["a"],
        &text,
        &[
            "t.tf:6: the schedule s starts b, which is no task",
            "t.tf:6: the schedule s: `Mars/Phobos` is not a time zone of the IANA database, such as Europe/Berlin or UTC",
            "t.tf:6: the schedule s: `cron(1)`: cron(…) has six fields (minutes hours day-of-month month day-of-week year), this has 1",
            "t.tf:12: the S3 trigger t starts c, which is no task",
        ],
    );
}
