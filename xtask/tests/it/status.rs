//! `status`: one environment on one screen, for people and as JSON.

use expect_test::expect;
use regex_lite::Regex;
use serde_json::Value;

use crate::harness::{Shared, filtered};

#[test]
fn one_environment_on_one_screen() {
    let (shared, _alone) = Shared::alone();
    shared.by_nobody(&["deploy-test"]).expect_code(0);
    let main = "refs/remotes/origin/main";
    let tag = shared.deployed_tag();
    let commit = tag.split("-dirty").next().unwrap();
    shared.checkout.git(["update-ref", main, commit]);
    shared
        .by("kim", &["hold", "--for", "5h", "--reason", "the importer"])
        .expect_code(0);
    // One that has ended, one that runs.
    shared
        .by("kim", &["run", "diagnose", "--", "--exit-code", "3"])
        .expect_code(3);
    let running = shared
        .invocation("kim", &["run", "diagnose", "--", "--sleep", "600"])
        .spawn();
    running.wait_for("task started");
    let text = shared.by_nobody(&["status"]);
    let json = shared.by_nobody(&["status", "--json"]);
    shared.let_go("kim");
    shared.checkout.git(["update-ref", "-d", main]);
    let json: Value = serde_json::from_str(&json.expect_code(0).stdout).unwrap();
    let run = &json["result"]["running"][0];
    let stopped = shared.by_nobody(&["stop", run["id"].as_str().unwrap()]);
    running.end();
    stopped.expect_code(0);

    let text = text.expect_code(0);
    assert_eq!(text.stderr, "");
    expect![[r#"
        test
          deployed     [SHA]: [SUBJECT], A Tester, [AGO], main
          hold         test is held by kim (arn:aws:iam::000000000000:root on [HOST]) since [TIME] ([PERIOD]), until [TIME] (in [PERIOD]): the importer
          auto-deploy  paused (api-auto-deploy.yml), and no run of it is live
          running      diagnose by kim, [PERIOD]: running ([TASK-ID])
          last runs    […]
          schedules    api-test-diagnose-on-workdays: cron(45 7 ? * MON-FRI *), disabled
                       api-test-nightly-report: cron(30 3 * * ? *), next [WHEN]
    "#]].assert_eq(&without_times(&text.stdout));
    let result = &json["result"];
    assert_eq!(result["environment"], "test");
    assert_eq!(
        result["deployed"]["is"]["service_docker_tag"],
        shared.deployed_tag()
    );
    assert_eq!(result["deployed"]["is"]["behind_main"], 0);
    assert_eq!(result["hold"]["is"]["author"], "kim");
    assert_eq!(result["hold"]["is"]["reason"], "the importer");
    assert_eq!(
        (&run["task"], &run["by"]),
        (&"diagnose".into(), &"kim".into())
    );
    assert_eq!(result["last_runs"][0]["state"], "diagnose exited 3");
    assert_eq!(result["schedules"][1]["name"], "api-test-nightly-report");
    assert_eq!(result["unknown"], Value::Array(Vec::new()));
    // It fires at half past three in Berlin.
    let next = result["schedules"][1]["next"].as_str().unwrap();
    assert!(next.contains("03:30"), "{next}");
}

/// What differs from day to day, and what other tests have run.
fn without_times(text: &str) -> String {
    let replace = |text: String, pattern: &str, with: &str| {
        Regex::new(pattern)
            .unwrap()
            .replace_all(&text, with)
            .into_owned()
    };
    let text = replace(
        text.to_owned(),
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        "[TIME]",
    );
    let text = replace(text, r"\d+ (second|minute|hour)s? ago", "[AGO]");
    let text = replace(text, r"\b\d+ (h \d+ min|min|s|days?)( ago)?", "[PERIOD]");
    let text = replace(
        text,
        r"(?s)  last runs .*?(  schedules)",
        "  last runs    […]\n$1",
    );
    let text = replace(text, r"next [^\n]*", "next [WHEN]");
    // A commit of another test's may be deployed, whose image has the same content.
    let text = replace(text, r": [^\n]*, A Tester", ": [SUBJECT], A Tester");
    let text = replace(text, r" on [^ )]+\)", " on [HOST])");
    filtered(&text)
}
