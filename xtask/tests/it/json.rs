//! `--json`: one document, or an event a line, and nothing else on stdout.

use serde_json::Value;

use crate::harness::{Checkout, repository};

fn here() -> Checkout {
    Checkout { root: repository() }
}

#[test]
fn a_command_ends_with_one_document() {
    let ended = here().xtask(["tasks", "--json"]).run().expect_code(0);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["schema"], 2);
    assert_eq!(document["command"], "tasks");
    assert_eq!(document["exit_code"], 0);
    assert_eq!(document["environment"], "test");
    assert!(
        document["result"].is_string() || document["result"].is_array(),
        "{document}"
    );
}

#[test]
fn an_error_is_in_the_document_with_its_hint() {
    let ended = here()
        .xtask(["report", "no-such-run", "--json"])
        .run()
        .expect_code(2);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["exit_code"], 2);
    let error = &document["errors"][0];
    assert_eq!(error["kind"], "usage");
    assert_eq!(
        error["message"],
        "there is no record `no-such-run` of a run that has ended"
    );
    assert!(error["hint"].is_string(), "{error}");
    assert!(
        ended.stderr.starts_with("error: there is no record"),
        "{}",
        ended.stderr
    );
}

#[test]
fn events_are_json_lines_from_begun_to_ended() {
    let ended = here()
        .xtask(["history", "--json=events"])
        .run()
        .expect_code(0);
    let events: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["begun", "result", "ended"]);
    assert_eq!(events[0]["schema"], 2);
    assert_eq!(events[2]["summary"]["command"], "history");
}

#[test]
fn the_schema_is_documented() {
    let text = std::fs::read_to_string(repository().join("docs/json.md")).unwrap();
    let ended = here().xtask(["history", "--json"]).run().expect_code(0);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    for key in document.as_object().unwrap().keys() {
        assert!(
            text.contains(&format!("`{key}`")),
            "docs/json.md does not tell of `{key}`"
        );
    }
    let source = std::fs::read_to_string(repository().join("xtask/src/ui/event.rs")).unwrap();
    let events = source.split("pub enum Event {").nth(1).unwrap();
    let events = events.split("\n}\n").next().unwrap();
    for line in events.lines().filter_map(|line| line.strip_prefix("    ")) {
        if let Some(variant) = line
            .strip_suffix(" {")
            .or_else(|| line.split_once('(').map(|(name, _)| name))
            && variant.starts_with(|c: char| c.is_ascii_uppercase())
        {
            let name = snake_case(variant);
            assert!(
                text.contains(&format!("`{name}`")),
                "docs/json.md does not tell of `{name}`"
            );
        }
    }
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
