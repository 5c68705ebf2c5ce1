//! A try of one task alone: everybody else's tasks stay as they are deployed, and it is taken back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{At, Aws, Ended, Gate, Shared};

const OURS: &str = "my-new-task-name";

/// What ECS starts for each task when a schedule, a trigger or a person asks for its family: the revision
/// and the tag of its image.
fn newest(shared: &Shared) -> BTreeMap<String, (u64, String)> {
    let aws = Aws {
        endpoint: shared.endpoint.clone(),
    };
    let tasks = shared.deployed("test")["task_definitions"]["value"].clone();
    let newest = |task: &String| {
        let family = json!({ "taskDefinition": format!("api-test-{task}") });
        let found = aws.json("ecs", "DescribeTaskDefinition", &family)["taskDefinition"].clone();
        let image = found["containerDefinitions"][0]["image"].as_str().unwrap();
        let tag = image.rsplit(':').next().unwrap().to_owned();
        (task.clone(), (found["revision"].as_u64().unwrap(), tag))
    };
    tasks.as_object().unwrap().keys().map(newest).collect()
}

/// The one task differs, in one revision and its tag, which is returned.
#[track_caller]
fn only_one_changed(
    task: &str,
    before: &BTreeMap<String, (u64, String)>,
    after: &BTreeMap<String, (u64, String)>,
) -> String {
    let (revision, tag) = after[task].clone();
    let mut expected = before.clone();
    expected.insert(task.to_owned(), (before[task].0 + 1, tag.clone()));
    assert_eq!(*after, expected);
    assert_ne!(tag, before[task].1, "revision {revision}");
    tag
}

fn own_tags(shared: &Shared) -> Value {
    shared.deployed("test")["task_docker_tags"]["value"].clone()
}

#[track_caller]
fn planned(ended: Ended) -> Ended {
    let ended = ended.expect_code(0);
    assert!(ended.stderr.contains("✓ apply"), "{}", ended.stderr);
    ended
}

#[test]
fn tasks_tried_alone_under_one_hold_add_up_until_its_release() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    checkout.as_committed();
    let main = checkout.git(["rev-parse", "HEAD"]).trim().to_owned();
    shared.by("jo", &["try", OURS]).expect_code(0);
    let before = newest(shared);
    assert!(
        before.values().all(|(_, tag)| *tag == main),
        "{before:?} is not {main}"
    );
    shared.by("jo", &["hold"]).expect_code(0);

    checkout.another_image("tried alone");
    // The setting makes it the rule.
    let tried = shared.invocation("jo", &["try", "diagnose", "--raw"]);
    let tried = tried.env("XTASK_TRY_ONLY", "true").run();
    let first = newest(shared);
    // Its schedule starts the new image; that takes a while.
    let args = ["trigger", "schedule", "diagnose", "--raw", "--sandbox"];
    let fired = checkout.xtask(args).spawn();
    checkout.another_image("tried alone as well");
    let second_tried = shared.by("jo", &["try", OURS, "--only", "--raw"]);
    let second = newest(shared);
    let deployed = shared.deployed("test");
    let again = shared.by("jo", &["try", OURS, "--only"]);
    let ran = shared.by("jo", &["run", "diagnose", "--raw"]);
    let status = shared.by_nobody(&["status"]);
    let document = shared.by_nobody(&["status", "--json"]);
    let foreseen = shared.by("jo", &["try", OURS, "--dry-run"]);
    let unchanged = newest(shared);
    let fired = fired.end();
    checkout.as_committed();
    let released = shared.by("jo", &["release"]);
    let restored = newest(shared);

    let diagnose = only_one_changed("diagnose", &before, &first);
    planned(tried)
        .expect_stdout(&diagnose)
        .expect_stderr("1 task definition with the new image");
    let ours = only_one_changed(OURS, &first, &second);
    planned(second_tried)
        .expect_stdout("(tried alone as well)")
        .expect_stderr("1 task definition with the new image");
    assert_ne!(ours, diagnose);
    assert_eq!(deployed["service_docker_tag"]["value"], main);
    let own = json!({ "diagnose": diagnose, OURS: ours });
    assert_eq!(deployed["task_docker_tags"]["value"], own);
    // Nothing has changed: nothing is planned.
    let again = again
        .expect_code(0)
        .expect_stderr("of my-new-task-name alone is applied");
    assert!(again.stderr.contains("– plan"), "{}", again.stderr);
    assert_eq!(unchanged, second);
    ran.expect_code(0).expect_stdout(&diagnose);
    fired.expect_code(0).expect_stdout(&diagnose);
    status
        .expect_code(0)
        .expect_stdout(&format!("diagnose alone: {diagnose}"))
        .expect_stdout(&format!("{OURS} alone: {ours}"))
        .expect_stdout("; tried alone: diagnose (");
    let document: Value = serde_json::from_str(&document.stdout).unwrap();
    assert_eq!(
        document["result"]["deployed"]["is"]["task_docker_tags"],
        own
    );
    foreseen
        .expect_code(0)
        .expect_stderr("; takes back diagnose (")
        .expect_stderr("takes back what was tried alone: diagnose (");
    released
        .expect_code(0)
        .expect_stderr("takes back what was tried alone: diagnose (")
        .expect_stdout(&format!("main ({main}) is deployed again"));
    assert_eq!(own_tags(shared), json!({}));
    for (task, (revision, tag)) in &restored {
        let was_tried = ["diagnose", OURS].contains(&task.as_str());
        let expected = before[task].0 + if was_tried { 2 } else { 0 };
        assert_eq!((*revision, tag), (expected, &main), "{task}");
    }
}

#[test]
fn who_comes_next_takes_back_what_was_tried_alone() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    checkout.as_committed();
    shared.by("jo", &["try", OURS]).expect_code(0);
    checkout.another_image("jo's");
    // Somebody deploys another commit after jo has planned: that is what others must go on running.
    let gate = Gate::before(&shared.endpoint, At::Request, |head| {
        head.starts_with("put ") && head.contains("/holds/test.json")
    });
    let running = shared
        .through(&gate, "jo", &["try", OURS, "--only", "--yes"])
        .spawn();
    gate.wait();
    checkout.as_committed();
    let sha = shared.commit_infra();
    shared.by_nobody(&["build-and-publish"]).expect_code(0);
    let deployed = shared.by("kim", &["deploy-test"]);
    let before = newest(shared);
    shared.uncommit();
    gate.open();
    let jo = running.end();
    let jos = newest(shared);
    let own = own_tags(shared);
    // Nobody holds the environment, so that kim's exception is no addition to jo's.
    checkout.another_image("kim's");
    let kim = shared.by("kim", &["try", "diagnose", "--only", "--yes"]);
    checkout.as_committed();
    let (kims, tag) = (own_tags(shared), shared.deployed_tag());
    let foreseen = shared.by_nobody(&["deploy-test", "--dry-run"]);
    let last = shared.by_nobody(&["deploy-test"]);

    deployed.expect_code(0);
    let jo = jo
        .expect_code(0)
        .expect_stderr("the state is no longer the one that this was planned from: planning again");
    let mine = only_one_changed(OURS, &before, &jos);
    assert_eq!(own, json!({ OURS: mine }), "{}", jo.stderr);
    let back = format!("takes back what was tried alone: {OURS} (");
    kim.expect_code(0).expect_stderr(&back);
    let alone = kims.as_object().unwrap();
    assert!(alone.len() == 1 && alone.contains_key("diagnose"), "{kims}");
    assert_eq!(tag, sha);
    let back = "takes back what was tried alone: diagnose (";
    foreseen.expect_code(0).expect_stderr(back);
    last.expect_code(0).expect_stderr(back);
    assert_eq!(own_tags(shared), json!({}));
    let main = checkout.git(["rev-parse", "HEAD"]);
    let all = newest(shared);
    assert!(all.values().all(|(_, tag)| tag == main.trim()), "{all:?}");
}

/// Before anything is built: what a root lacks. And no name is passed over that is no task's.
#[test]
fn what_gives_no_task_a_tag_of_its_own_is_refused() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let root = "infra/ecs-tasks/environments/test";
    let outputs = format!("{root}/outputs.tf");
    let text = checkout.read(&outputs);
    let at = text.find("output \"task_docker_tags\"").unwrap();
    checkout.write(&outputs, &text[..at]);
    let lacking = shared.by("jo", &["try", OURS, "--only"]);
    checkout.write(&outputs, &text);

    let main = format!("{root}/main.tf");
    let text = checkout.read(&main);
    let passed = "= local.task_docker_tags";
    let with = format!(
        "= merge(local.task_docker_tags, {{ nobody = \"{}\" }})",
        "0".repeat(40)
    );
    assert!(text.contains(passed), "{text}");
    checkout.write(&main, &text.replace(passed, &with));
    let unknown = shared.by("jo", &["try", OURS, "--only"]);
    checkout.write(&main, &text);

    let lacking = lacking
        .expect_code(126)
        .expect_stderr(
            "gives no task a tag of its own, so that my-new-task-name cannot be tried alone",
        )
        .expect_stderr("add to infra/ecs-tasks/environments/test:")
        .expect_stderr("output \"task_docker_tags\" {");
    assert!(!lacking.stderr.contains("build"), "{}", lacking.stderr);
    unknown
        .expect_code(125)
        .expect_stderr("task_docker_tags names what is no task in tasks.tf: nobody.");
}
