//! `trigger`: a schedule and an object start the real container by way of EventBridge. Each broken link
//! is named, and none where the wiring is healthy.

use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Aws, Checkout, Ended, Invocation};

const BUCKET: &str = "api-test-claims-000000000000";
const RULE: &str = "api-test-read-letters";
const RULE_ROLE: &str = "api-test-read-letters-trigger";
const SCHEDULE: &str = "api-test-send-letters";
const SCHEDULE_ROLE: &str = "api-test-send-letters-schedule";

/// A sandbox of its own, since wiring is broken in it: two new tasks, one with a schedule and one with
/// a trigger, as `new-task` writes them and as `try` deploys them.
struct Wired {
    checkout: Checkout,
    aws: Aws,
}

static WIRED: LazyLock<Mutex<Wired>> = LazyLock::new(|| Mutex::new(Wired::deploy()));

impl Wired {
    fn alone() -> MutexGuard<'static, Wired> {
        WIRED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deploy() -> Wired {
        let checkout = Checkout::named("trigger");
        // 02:30 does not exist on one night of the year in Berlin, and comes twice on another.
        checkout
            .xtask(["new-task", "send-letters"])
            .args(["--schedule", "cron(30 2 * * ? *)"])
            .args(["--timezone", "Europe/Berlin"])
            .run()
            .expect_code(0);
        checkout
            .xtask(["new-task", "read-letters"])
            .args(["--on-s3", "claims/letters/*.pdf"])
            .run()
            .expect_code(0);
        let file = "api/src/tasks/read_letters.rs";
        let text = checkout.read(file).replace("_context", "context").replace(
            "    Ok(())\n",
            "    if key.ends_with(\"wait.pdf\") {\n        context.cancelled().await;\n    }\n    Ok(())\n",
        );
        checkout.write(file, &text);
        for name in ["letter.pdf", "wait.pdf", "claims.csv"] {
            checkout.write(&format!("target/{name}"), "one,two\n");
        }
        checkout
            .xtask(["try", "send-letters", "--sandbox"])
            .run()
            .expect_code(0)
            .expect_stdout("Hello from send-letters!");
        let endpoint = checkout.endpoint();
        Wired {
            checkout,
            aws: Aws { endpoint },
        }
    }

    fn trigger_schedule(&self, task: &str) -> Invocation {
        self.checkout
            .xtask(["trigger", "schedule", task, "--sandbox"])
    }

    fn trigger_s3(&self, task: &str, file: &str) -> Invocation {
        let args = ["trigger", "s3", task, "--sandbox", "--file"];
        self.checkout.xtask(args).args([format!("target/{file}")])
    }

    fn read_schedule(&self) -> Value {
        let path = format!("/schedules/{SCHEDULE}?groupName=default");
        serde_json::from_str(&self.aws.rest("scheduler", "GET", &path, "")).unwrap()
    }

    #[track_caller]
    fn require_no_twin(&self) {
        let path = "/schedules?NamePrefix=twin-";
        let left: Value =
            serde_json::from_str(&self.aws.rest("scheduler", "GET", path, "")).unwrap();
        assert_eq!(left["Schedules"], json!([]));
    }

    /// Nothing below the prefix of the trigger: no object, no older version, no delete marker.
    #[track_caller]
    fn require_no_object(&self) {
        let path = format!("/{BUCKET}?versions=&prefix=letters%2F");
        let left = self.aws.rest("s3", "GET", &path, "");
        assert!(left.contains("<ListVersionsResult"), "{left}");
        assert!(!left.contains("<Key>"), "{left}");
    }

    /// The task that a run's stderr names, as ECS has it.
    #[track_caller]
    fn started_task(&self, ended: &Ended) -> Value {
        let line = ended
            .stderr
            .lines()
            .find(|line| line.contains("EventBridge started "));
        let words = line.unwrap_or_else(|| panic!("{}", ended.stderr));
        let id = words.split("EventBridge started ").nth(1).unwrap();
        let id = id.split_whitespace().next().unwrap();
        let body = json!({ "cluster": "api-test", "tasks": [id] });
        self.aws.json("ecs", "DescribeTasks", &body)["tasks"][0].clone()
    }

    fn put_policy(&self, role: &str, actions: &[&str]) {
        let policy =
            json!({ "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] });
        let parameters = [
            ("RoleName", role),
            ("PolicyName", "start-task"),
            ("PolicyDocument", &policy.to_string()),
        ];
        self.aws.iam("PutRolePolicy", &parameters);
    }

    fn let_assume(&self, role: &str, service: &str) {
        let trust = json!({ "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": service },
        }] });
        let parameters = [("RoleName", role), ("PolicyDocument", &trust.to_string())];
        self.aws.iam("UpdateAssumeRolePolicy", &parameters);
    }
}

#[test]
fn a_schedule_starts_the_real_container_in_its_own_zone() {
    let wired = Wired::alone();
    let aws = &wired.aws;
    // A schedule that needs no help: its time is the next minute as Berlin's clocks have it.
    let (due, expression) = next_minute_in_berlin();
    let schedule = wired.read_schedule();
    let body = json!({
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": schedule["Target"],
    });
    aws.rest(
        "scheduler",
        "POST",
        "/schedules/in-berlin",
        &body.to_string(),
    );

    // Meanwhile the twin of the one that is deployed.
    let ended = wired
        .trigger_schedule("send-letters")
        .run()
        .expect_code(0)
        .expect_stdout("Hello from send-letters!")
        .expect_stderr("api-test-send-letters: cron(30 2 * * ? *) Europe/Berlin, enabled, next ")
        .expect_stderr("✓ send-letters exited 0");
    let task = wired.started_task(&ended);
    let started_by = task["startedBy"].as_str().unwrap();
    assert!(
        started_by.starts_with("chronos-schedule/twin-7f1fd8-"),
        "{started_by}"
    );
    // What the schedule says of its task holds for the twin's.
    let environment = &task["overrides"]["containerOverrides"][0]["environment"];
    assert_eq!(
        environment,
        &json!([{ "name": "TASK_AUTHOR", "value": "schedule/send-letters" }])
    );
    wired.require_no_twin();

    let task = wired.task_started_by("chronos-schedule/in-berlin");
    let at = task["createdAt"].as_f64().unwrap();
    assert!(at >= due, "due at {due}, started at {at}");
    aws.rest(
        "scheduler",
        "DELETE",
        "/schedules/in-berlin?groupName=default",
        "",
    );

    // A schedule that is switched off has healthy wiring nevertheless.
    wired
        .trigger_schedule("diagnose")
        .run()
        .expect_code(0)
        .expect_stderr("api-test-diagnose-on-workdays is disabled: it does not fire by itself");

    // Ctrl-C while it is waited for.
    let running = wired.trigger_schedule("send-letters").spawn();
    running.wait_for("fires once").signal(Signal::INT);
    running
        .end()
        .expect_code(130)
        .expect_stderr("interrupted while waiting for the task to start");
    wired.require_no_twin();
}

impl Wired {
    #[track_caller]
    fn task_started_by(&self, started_by: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            for status in ["RUNNING", "STOPPED"] {
                let body = json!({ "cluster": "api-test", "startedBy": started_by, "desiredStatus": status });
                let found = self.aws.json("ecs", "ListTasks", &body);
                if let Some(arn) = found["taskArns"].get(0) {
                    let body = json!({ "cluster": "api-test", "tasks": [arn] });
                    return self.aws.json("ecs", "DescribeTasks", &body)["tasks"][0].clone();
                }
            }
            assert!(
                Instant::now() < deadline,
                "no task was started by {started_by}"
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// The next full minute that is not too near, in seconds since the epoch and as a cron() in Berlin.
fn next_minute_in_berlin() -> (f64, String) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let due = (now + 5).next_multiple_of(60);
    // Not the code under test, but the system's own clocks.
    let output = Command::new("date")
        .env("TZ", "Europe/Berlin")
        .args(["-d", &format!("@{due}"), "+cron(%-M %-H %-d %-m ? %Y)"])
        .output()
        .unwrap();
    let expression = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    (due as f64, expression)
}

#[test]
fn an_object_starts_the_real_container_and_is_taken_away_again() {
    let wired = Wired::alone();
    let ended = wired
        .trigger_s3("read-letters", "letter.pdf")
        .run()
        .expect_code(0)
        .expect_stdout("Hello from read-letters!")
        .expect_stdout("bucket=api-test-claims-000000000000  key=letters/xtask-")
        .expect_stderr("api-test-read-letters: s3://api-test-claims-000000000000/letters/*.pdf")
        .expect_stderr("✓ read-letters exited 0");
    assert_eq!(
        wired.started_task(&ended)["startedBy"],
        "events-rule/api-test-read-letters"
    );
    wired.require_no_object();

    // What the task itself makes of its object is its own affair, not the wiring's.
    let failed = wired.trigger_s3("import-claims", "claims.csv").run();
    let failed = failed
        .expect_code(1)
        .expect_stderr("✗ import-claims exited 1");
    assert!(!failed.stderr.contains("link"), "{}", failed.stderr);

    // Ctrl-C while the task runs: it is stopped, and its object goes.
    let running = wired.trigger_s3("read-letters", "wait.pdf").spawn();
    running.wait_for("Hello from read-letters!");
    running.signal(Signal::INT);
    running
        .end()
        .expect_code(130)
        .expect_stderr("✗ read-letters was stopped");
    wired.require_no_object();
}

#[test]
fn each_broken_link_behind_an_object_is_named() {
    let wired = Wired::alone();
    let aws = &wired.aws;
    let named = |what: &str| {
        wired
            .trigger_s3("read-letters", "letter.pdf")
            .run()
            .expect_code(125)
            .expect_stderr(&format!(
                "error: nothing started; the broken link is the {what}"
            ));
        wired.require_no_object();
    };
    let events = |action: &str, body: Value| aws.json("events", action, &body);

    let notification = format!("/{BUCKET}?notification=");
    aws.rest("s3", "PUT", &notification, "<NotificationConfiguration/>");
    named(&format!(
        "bucket: the bucket {BUCKET} does not tell EventBridge"
    ));
    let on = "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>";
    aws.rest("s3", "PUT", &notification, on);

    events("DisableRule", json!({ "Name": RULE }));
    named("rule: api-test-read-letters is disabled");
    events("EnableRule", json!({ "Name": RULE }));

    let pattern = events("DescribeRule", json!({ "Name": RULE }))["EventPattern"].clone();
    let pattern = pattern.as_str().unwrap();
    let typo = pattern.replace("Object Created", "Object Creatde");
    assert_ne!(typo, pattern);
    events(
        "PutRule",
        json!({ "Name": RULE, "EventPattern": typo, "State": "ENABLED" }),
    );
    named("pattern: EventBridge says that the pattern of api-test-read-letters does not take");
    events(
        "PutRule",
        json!({ "Name": RULE, "EventPattern": pattern, "State": "ENABLED" }),
    );

    wired.put_policy(RULE_ROLE, &["iam:PassRole"]);
    named("role: the dead letter says: ");
    wired.put_policy(RULE_ROLE, &["ecs:RunTask"]);
    named("PassRole: the dead letter says: ");
    wired.put_policy(RULE_ROLE, &["ecs:RunTask", "iam:PassRole"]);

    wired.let_assume(RULE_ROLE, "lambda.amazonaws.com");
    named("role: the dead letter says: events.amazonaws.com is unable to assume");
    wired.let_assume(RULE_ROLE, "events.amazonaws.com");

    let targets = events("ListTargetsByRule", json!({ "Rule": RULE }))["Targets"].clone();
    let mut elsewhere = targets.clone();
    let cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/api-prod";
    elsewhere[0]["Arn"] = json!(cluster);
    events("PutTargets", json!({ "Rule": RULE, "Targets": elsewhere }));
    named(&format!("target: ECS has no active cluster {cluster}"));
    events(
        "RemoveTargets",
        json!({ "Rule": RULE, "Ids": [targets[0]["Id"]] }),
    );
    named("target: the rule api-test-read-letters has no target that starts");
    events("PutTargets", json!({ "Rule": RULE, "Targets": targets }));

    wired
        .trigger_s3("diagnose", "letter.pdf")
        .run()
        .expect_code(125)
        .expect_stderr("the broken link is the rule: no rule in test starts diagnose");

    // With everything mended, nothing is named.
    wired
        .trigger_s3("read-letters", "letter.pdf")
        .run()
        .expect_code(0);
}

#[test]
fn each_broken_link_behind_a_schedule_is_named() {
    let wired = Wired::alone();
    let named = |task: &str, what: &str| {
        wired
            .trigger_schedule(task)
            .run()
            .expect_code(125)
            .expect_stderr(&format!(
                "error: nothing started; the broken link is the {what}"
            ));
        wired.require_no_twin();
    };
    wired.let_assume(SCHEDULE_ROLE, "events.amazonaws.com");
    named("send-letters", "role: Scheduler refuses arn:aws:iam::");
    wired.let_assume(SCHEDULE_ROLE, "scheduler.amazonaws.com");

    wired.put_policy(SCHEDULE_ROLE, &["ecs:RunTask"]);
    named("send-letters", "PassRole: the dead letter says: ");
    wired.put_policy(SCHEDULE_ROLE, &["ecs:RunTask", "iam:PassRole"]);

    let family = json!({ "familyPrefix": "api-test-nightly-report", "status": "ACTIVE" });
    let arns = wired.aws.json("ecs", "ListTaskDefinitions", &family)["taskDefinitionArns"].clone();
    for arn in arns.as_array().unwrap() {
        let body = json!({ "taskDefinition": arn });
        wired.aws.json("ecs", "DeregisterTaskDefinition", &body);
    }
    named(
        "nightly-report",
        "target: ECS has no active task definition api-test-nightly-report",
    );

    wired
        .trigger_schedule("import-claims")
        .run()
        .expect_code(125)
        .expect_stderr("error: no schedule in test starts import-claims\n")
        .expect_stderr("write one in cloudwatch.tf");
    wired
        .trigger_schedule("nightly-reprot")
        .run()
        .expect_code(125)
        .expect_stderr("did you mean `nightly-report`?");
    wired.trigger_schedule("send-letters").run().expect_code(0);
}
