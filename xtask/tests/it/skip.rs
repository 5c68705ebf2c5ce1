//! What is applied is not planned again, and everything that makes it doubtful is planned in full.

use serde_json::Value;

use crate::harness::{Checkout, Ended, FakeBin, Shared, request, which};

const SKIPPED: &str = "the state is as that apply left it";
const STATE: &str = "/api-terraform-state-000000000000/ecs-tasks/test.tfstate";

fn command(checkout: &Checkout) -> crate::harness::Invocation {
    checkout.xtask(["try", "my-new-task-name", "--sandbox"])
}

/// A try that must plan, and everything else must be as ever.
#[track_caller]
fn planned(ended: Ended, why: &str) {
    let (code, stderr) = (ended.code, &ended.stderr);
    assert!(
        code == 0 && stderr.contains("✓ plan") && !stderr.contains("– plan"),
        "{why}: {code}\n{stderr}"
    );
}

#[track_caller]
fn skipped(ended: Ended, words: &str) {
    let ended = ended.expect_code(0).expect_stderr(words);
    assert!(!ended.stderr.contains("✓ plan"), "{}", ended.stderr);
    assert!(ended.stdout.contains("Hello from"), "{}", ended.stdout);
}

#[test]
fn what_is_applied_is_not_planned_again_unless_asked_for() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    command(checkout).run().expect_code(0);
    skipped(command(checkout).run(), SKIPPED);
    let refresh = ["try", "my-new-task-name", "--sandbox", "--refresh"];
    planned(checkout.xtask(refresh).run(), "--refresh");
    skipped(command(checkout).run(), SKIPPED);
}

/// Only docs changed: a new commit, an image of the same content, and nothing to apply.
#[test]
fn a_commit_of_docs_alone_neither_builds_nor_plans() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let before = checkout.git(["rev-parse", "HEAD"]);
    // Sources of its own: those of other tests may be in ECR twice, as images of two commits.
    let file = "api/src/tasks/my_new_task_name.rs";
    let text = checkout.read(file);
    checkout.write(file, &format!("{text}// Only docs follow.\n"));
    checkout.commit("sources of its own");
    command(checkout).run().expect_code(0);
    checkout.write("docs/of-the-test.md", "words");
    checkout.commit("only docs");
    let foreseen = checkout
        .xtask(["try", "my-new-task-name", "--sandbox", "--dry-run"])
        .run();
    let ended = command(checkout).run();
    checkout.git(["reset", "--quiet", "--hard", before.trim()]);
    let same = "is applied, whose image has the same content";
    foreseen
        .expect_code(0)
        .expect_stderr("build   skip  the same content is in ECR as content-")
        .expect_stderr(same)
        .expect_stderr("apply   skip  nothing changes");
    let ended = ended.expect_stderr("– build     the same content is in ECR");
    skipped(ended, same);
}

/// Only Terraform changed: two calls of it, and only what differs is registered.
#[test]
fn a_configuration_alone_is_a_plan_of_what_differs() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let before = checkout.git(["rev-parse", "HEAD"]);
    let file = "api/src/tasks/my_new_task_name.rs";
    let text = checkout.read(file);
    checkout.write(file, &format!("{text}// Terraform follows.\n"));
    checkout.commit("sources of its own");
    command(checkout).run().expect_code(0);
    let applied = checkout.git(["rev-parse", "--short=7", "HEAD"]);
    let called = checkout.root.join("target/called");
    let _ = std::fs::remove_file(&called);
    let script = format!(
        "#!/bin/sh\necho \"$*\" >>'{}'\nexec '{}' \"$@\"\n",
        called.display(),
        which("terraform").display()
    );
    let bin = FakeBin::named("noting-terraform").script("terraform", &script);
    let tasks = "infra/ecs-tasks/template/tasks.tf";
    let text = checkout.read(tasks);
    let task = text.find("my-new-task-name = {").unwrap();
    let env = task + text[task..].find("env     = [").unwrap();
    let end = env + text[env..].find('\n').unwrap();
    let changed = r#"env     = [{ name = "CHANGED", value = "yes" }]"#;
    checkout.write(tasks, &format!("{}{changed}{}", &text[..env], &text[end..]));
    checkout.commit("only Terraform");
    let ended = command(checkout).env("PATH", bin.first()).run();
    let again = command(checkout).run();
    let foreseen = checkout
        .xtask(["try", "my-new-task-name", "--sandbox", "--dry-run"])
        .run();
    checkout.git(["reset", "--quiet", "--hard", before.trim()]);

    let replaced = r#"replace module.ecs_tasks.aws_ecs_task_definition.this["my-new-task-name"]"#;
    let ended = ended.expect_code(0).expect_stderr(replaced);
    let applied = format!("service_docker_tag is {}", applied.trim());
    let ended = ended.expect_stderr(&applied);
    assert!(!ended.stderr.contains("diagnose"), "{}", ended.stderr);
    let called = std::fs::read_to_string(&called).unwrap();
    let verbs = called.lines().filter(|line| line.starts_with("-chdir"));
    let verbs: Vec<_> = verbs.filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(verbs, ["plan", "apply"], "{called}");
    assert!(called.contains("-refresh=false"), "{called}");
    skipped(again, "is applied, whose image has the same content");
    foreseen.expect_stderr("apply   skip  nothing changes");
}

#[test]
fn another_configuration_is_planned_in_full() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    // Each row begins where nothing is to be planned. Terraform writes the state anew, even for an
    // apply of nothing.
    let settle = || {
        command(checkout).run().expect_code(0);
        skipped(command(checkout).run(), SKIPPED);
    };
    settle();
    // Terraform reads it, and git does not: the tag stays as it is.
    let variables = "infra/ecs-tasks/environments/test/terraform.tfvars";
    checkout.write(".git/info/exclude", "terraform.tfvars\n");
    checkout.write(variables, "# nothing\n");
    let ended = command(checkout).run();
    std::fs::remove_file(checkout.root.join(variables)).unwrap();
    planned(ended, "tfvars");

    settle();
    let variable = command(checkout).env("TF_VAR_of_nobody", "1");
    planned(variable.run(), "a variable");

    settle();
    let terraform = which("terraform");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *version*) '{0}' \"$@\" | sed 's/\"terraform_version\": \"1/\"terraform_version\": \"9/' ;; *) exec '{0}' \"$@\" ;; esac\n",
        terraform.display()
    );
    let bin = FakeBin::named("newer-terraform").script("terraform", &script);
    let newer = command(checkout).env("PATH", bin.first());
    planned(newer.run(), "another Terraform");

    settle();
    // Another tag, and yet an image of the same content: it is the file alone that asks for a plan.
    let template = "infra/ecs-tasks/template/tasks.tf";
    let text = checkout.read(template) + "# a comment\n";
    checkout.write(template, &text);
    let ended = command(checkout).run();
    checkout.git(["checkout", "--quiet", "--", "infra"]);
    planned(ended, "a file of infra");
}

/// Somebody else has applied, or made a revision by hand.
#[test]
fn what_somebody_else_has_left_is_planned_in_full() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    command(checkout).run().expect_code(0);
    let signed = [(
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=test/20260102/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
    )];
    let state = request(&shared.endpoint, "GET", STATE, &signed, "");
    assert_eq!(state.status, 200, "{}", state.body);
    // The same state in other bytes.
    let body = format!("{}\n", state.body);
    let put = request(&shared.endpoint, "PUT", STATE, &signed, &body);
    assert_eq!(put.status, 200, "{}", put.body);
    planned(command(checkout).run(), "the state's object");
    skipped(command(checkout).run(), SKIPPED);

    let ecs = |call: &str, body: &str| {
        let target = format!("AmazonEC2ContainerServiceV20141113.{call}");
        let headers = [
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260102/us-east-1/ecs/aws4_request, SignedHeaders=host, Signature=0",
            ),
            ("X-Amz-Target", target.as_str()),
            ("Content-Type", "application/x-amz-json-1.1"),
        ];
        let answer = request(&shared.endpoint, "POST", "/", &headers, body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let by_hand = r#"{"family": "api-test-my-new-task-name", "containerDefinitions": [{"name": "by-hand", "image": "none", "memory": 64}]}"#;
    let registered = ecs("RegisterTaskDefinition", by_hand);
    let ended = command(checkout).run();
    let arn = registered["taskDefinition"]["taskDefinitionArn"]
        .as_str()
        .unwrap();
    let body = format!(r#"{{"taskDefinition": "{arn}"}}"#);
    ecs("DeregisterTaskDefinition", &body);
    planned(ended, "a revision made by hand");
}

/// What is done to a checkout before a loop.
type Change<'a> = &'a dyn Fn(&Checkout);

/// What is planned, shown, recorded and done is one thing: a step that is planned to be skipped is not
/// done, one that is planned to run is, and only what nobody could know of may go either way.
#[test]
fn plan_steps_and_record_agree() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let before = checkout.git(["rev-parse", "HEAD"]);
    // Compiled here and now, so that the last compile is of these sources.
    checkout.another_image("first");
    checkout.commit("sources of its own");
    command(checkout).run().expect_code(0);
    let nothing = |_: &Checkout| {};
    let docs = |checkout: &Checkout| {
        checkout.write("docs/agreed.md", "words");
        checkout.commit("only docs");
    };
    let edit = |checkout: &Checkout| checkout.another_image("agreed");
    let terraform = |checkout: &Checkout| {
        let file = "infra/ecs-tasks/template/agreed.tf";
        checkout.write(file, "locals {\n  agreed = true\n}\n");
        checkout.commit("only Terraform");
    };
    let forget = |checkout: &Checkout| {
        checkout.as_committed();
        std::fs::remove_dir_all(checkout.root.join("target/xtask/compiled")).unwrap();
        checkout.write("docs/agreed.md", "other words");
        checkout.commit("nothing is known of a compile");
    };
    let cases: [(&str, Change<'_>, &str); 5] = [
        ("nothing", &nothing, "build skip, plan skip, apply skip"),
        ("docs", &docs, "build skip, plan skip, apply skip"),
        ("Terraform", &terraform, "build skip, plan run, apply ask"),
        ("an edit", &edit, "build run, plan run, apply ask"),
        ("no record", &forget, "build ask, plan run, apply ask"),
    ];
    let mut wrong = Vec::new();
    for (what, change, expected) in cases {
        change(checkout);
        let ended = command(checkout).args(["--json"]).run();
        let document: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        wrong.extend(
            disagreements(checkout, &document, expected)
                .map(|why| format!("{what}: {why}\n{}", ended.stderr)),
        );
    }
    checkout.git(["reset", "--quiet", "--hard", before.trim()]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What does not agree in the document of a loop and in its record.
fn disagreements(checkout: &Checkout, document: &Value, expected: &str) -> Option<String> {
    let run = document["run"].as_str().unwrap_or_default();
    let recorded = checkout.read(&format!("target/xtask/runs/{run}/summary.json"));
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    if recorded["plan"] != document["plan"] || recorded["steps"] != document["steps"] {
        return Some("the record differs from the document".to_owned());
    }
    let plan = document["plan"].as_array().unwrap();
    let decided = ["build", "plan", "apply"].map(|step| {
        let planned = plan.iter().find(|planned| planned["step"] == step);
        let decision = planned.map(|planned| planned["decision"].as_str().unwrap());
        format!("{step} {}", decision.unwrap_or("missing"))
    });
    if decided.join(", ") != expected {
        return Some(format!("{} instead of {expected}", decided.join(", ")));
    }
    let states = |step: &Value| -> Vec<&str> {
        let steps = document["steps"].as_array().unwrap().iter();
        let steps = steps.filter(|seen| seen["step"] == *step);
        steps.map(|seen| seen["state"].as_str().unwrap()).collect()
    };
    plan.iter().find_map(|planned| {
        let states = states(&planned["step"]);
        let fits = match planned["decision"].as_str().unwrap() {
            "run" => states.contains(&"done"),
            "skip" => !states.contains(&"done"),
            _ => states
                .iter()
                .all(|state| ["done", "skipped"].contains(state)),
        };
        (!fits).then(|| format!("{planned} was {states:?}"))
    })
}
