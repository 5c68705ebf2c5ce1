//! Sharing an environment: of two people exactly one has it, and everybody else is told who.

use std::process::Stdio;

use rustix::process::Signal;

use crate::harness::{Ended, Shared, answering};

#[test]
fn of_two_people_exactly_one_wins_fifty_times() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    for round in 0..50 {
        let start = |author| {
            let mut command = checkout
                .xtask(["hold", "--sandbox", "--author", author])
                .into_command();
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let (jo, kim) = (start("jo"), start("kim"));
        let jo = Ended::of(jo.wait_with_output().unwrap());
        let kim = Ended::of(kim.wait_with_output().unwrap());
        let (winner, loser, name) = match (jo.code, kim.code) {
            (0, 126) => (jo, kim, "jo"),
            (126, 0) => (kim, jo, "kim"),
            codes => panic!("round {round}: {codes:?}\n{}\n{}", jo.stderr, kim.stderr),
        };
        assert!(
            winner.stdout.contains(&format!("held by {name}")),
            "{}",
            winner.stdout
        );
        loser.expect_stderr(&format!("test is held by {name}"));
        shared.let_go(name);
    }
}

#[test]
fn a_hold_refuses_everybody_else_and_says_who_and_why() {
    let (shared, _alone) = Shared::alone();
    shared
        .by("kim", &["hold", "--reason", "the claims import"])
        .expect_code(0);
    for args in [
        &["try", "my-new-task-name"][..],
        &["hold"],
        &["release"],
        &["try", "my-new-task-name", "--hold"],
    ] {
        shared
            .by("jo", args)
            .expect_code(126)
            .expect_stderr("test is held by kim (arn:aws:iam::000000000000:root on ")
            .expect_stderr(": the claims import");
    }
    // The holder's own loop goes on, and leaves the hold alone.
    shared
        .by("kim", &["try", "my-new-task-name"])
        .expect_code(0);
    let record = shared.hold().unwrap();
    assert_eq!(record["author"], "kim");
    assert_eq!(record["reason"], "the claims import");
    shared.let_go("kim");
    assert_eq!(shared.hold(), None);
}

#[test]
fn an_expired_hold_says_so_and_may_be_taken() {
    let (shared, _alone) = Shared::alone();
    shared.by("kim", &["hold", "--for", "1s"]).expect_code(0);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    shared
        .by("jo", &["try", "my-new-task-name"])
        .expect_code(126)
        .expect_stderr("kim's hold on test expired")
        .expect_stderr("cargo xtask release --sandbox");
    shared.by("jo", &["hold"]).expect_code(0);
    assert_eq!(shared.hold().unwrap()["author"], "jo");
    shared.let_go("jo");
}

#[test]
fn breaking_a_hold_is_recorded_and_its_duties_are_taken_over() {
    let (shared, _alone) = Shared::alone();
    shared.set_workflow("enable");
    shared
        .by("kim", &["hold", "--reason", "lunch"])
        .expect_code(0);
    assert_eq!(shared.workflow(), "disabled_manually");
    shared
        .by("jo", &["hold", "--break"])
        .expect_code(0)
        .expect_stderr("breaking a hold: test is held by kim");
    let record = shared.hold().unwrap();
    assert_eq!(record["author"], "jo");
    assert_eq!(record["broke"][0]["author"], "kim");
    assert_eq!(record["broke"][0]["reason"], "lunch");
    // Kim's own release finds somebody else there.
    shared.by("kim", &["release"]).expect_code(126);
    // What kim's hold had disabled, jo's release enables.
    shared.let_go("jo");
    assert_eq!(shared.workflow(), "active");
    shared.set_workflow("disable");
}

#[test]
fn a_workflow_that_somebody_else_paused_stays_paused() {
    let (shared, _alone) = Shared::alone();
    assert_eq!(shared.workflow(), "disabled_manually");
    shared.by("jo", &["hold"]).expect_code(0);
    shared.let_go("jo");
    assert_eq!(shared.workflow(), "disabled_manually");
}

#[test]
fn a_record_that_cannot_be_read_refuses() {
    let (shared, _alone) = Shared::alone();
    shared.put_hold(r#"{"format": 2}"#);
    for args in [&["try", "my-new-task-name"][..], &["hold"], &["release"]] {
        shared.by("jo", args)
            .expect_code(126)
            .expect_stderr("nobody can tell who holds the environment: s3://api-terraform-state-000000000000/holds/test.json");
    }
    shared.by("jo", &["hold", "--break"]).expect_code(0);
    shared.let_go("jo");
}

/// GitHub does not let us disable the workflow: then there is no hold either.
#[test]
fn a_hold_that_cannot_pause_is_none() {
    let (shared, _alone) = Shared::alone();
    shared.set_workflow("enable");
    shared.github(
        "fault",
        r#"{"path_prefix":"/repos","method":"PUT","status":403,"count":1}"#,
    );
    shared
        .by("jo", &["hold"])
        .expect_code(125)
        .expect_stderr("disabling the workflow api-auto-deploy.yml")
        .expect_stderr("Actions: write to pause");
    assert_eq!(shared.hold(), None);
    // And an unknown state refuses before anything is written.
    shared.github(
        "fault",
        r#"{"path_prefix":"/repos","status":404,"count":9}"#,
    );
    let refused = shared.by("jo", &["hold"]);
    shared.github("reset", "");
    refused.expect_code(126);
    assert_eq!(shared.hold(), None);
}

/// A process that was killed leaves a claim; the same person's next call takes it over, where its death
/// is proved.
#[test]
fn a_claim_that_a_crash_left_is_replaced_by_its_owner_alone() {
    let (shared, _alone) = Shared::alone();
    shared.by("jo", &["hold"]).expect_code(0);
    let mut claim = shared.hold().unwrap();
    claim["purpose"] = "try".into();
    // A process has this number, but it is another one than that of the claim.
    claim["process"] = std::process::id().into();
    shared.put_hold(&claim.to_string());
    shared
        .by("kim", &["try", "my-new-task-name"])
        .expect_code(126)
        .expect_stderr("test is in use by a try of jo")
        .expect_stderr("is gone, the environment is free in ")
        .expect_stderr("cargo xtask run TASK --sandbox");
    // The same number on another machine of the same name, or before this one was started anew, where no
    // process has it: that proves nothing.
    let mut elsewhere = claim.clone();
    elsewhere["boot"] = "another".into();
    elsewhere["process"] = 2_000_000_000.into();
    shared.put_hold(&elsewhere.to_string());
    shared
        .by("jo", &["try", "my-new-task-name"])
        .expect_code(126);
    shared.put_hold(&claim.to_string());
    shared
        .by("jo", &["try", "my-new-task-name"])
        .expect_code(0)
        .expect_stderr("ended without giving test back: its claim is taken over");
    assert_eq!(shared.hold(), None);
}

/// A store that refuses each write under a condition although nobody holds the environment: it ends, says
/// what was seen, and can be interrupted.
#[test]
fn a_write_that_is_refused_each_time_ends() {
    let (shared, _together) = Shared::together();
    let s3 = answering("application/xml", |request| {
        let (status, code) = match request.starts_with("PUT ") {
            true => (412, "PreconditionFailed"),
            false => (404, "NoSuchKey"),
        };
        let error = format!("<Error><Code>{code}</Code><Message>no luck</Message></Error>");
        (status, error)
    });
    let hold = || {
        shared
            .really(&["hold", "--author", "jo"])
            .env("AWS_ENDPOINT_URL_S3", &s3)
    };
    let running = hold().spawn();
    running.wait_for("reserving test").signal(Signal::TERM);
    running
        .end()
        .expect_code(130)
        .expect_stderr("interrupted while reserving test");
    hold()
        .run()
        .expect_code(126)
        .expect_stderr(
            "10 writes to s3://api-terraform-state-000000000000/holds/test.json were refused",
        )
        .expect_stderr("(PreconditionFailed: no luck), and the last look found nobody there");
}

/// Reserves, pauses, tries, and puts everything back.
#[test]
fn try_with_hold_takes_care_of_itself() {
    let (shared, _alone) = Shared::alone();
    let main = shared.checkout.git(["rev-parse", "HEAD"]);
    shared.set_workflow("enable");
    // What is tried is not what main is, and not committed.
    shared
        .checkout
        .write("infra/ecs-tasks/template/note.tf", "# uncommitted\n");
    let running = shared
        .invocation("jo", &["try", "diagnose", "--hold", "--", "--sleep", "600"])
        .spawn();
    running.wait_for("task started");
    let (record, workflow, tag) = (shared.hold(), shared.workflow(), shared.deployed_tag());
    shared
        .by("kim", &["try", "my-new-task-name"])
        .expect_code(126);
    let stderr = running.stderr();
    let id = stderr.split("✓ launch    task ").nth(1).unwrap();
    shared
        .by_nobody(&["stop", id.split_whitespace().next().unwrap()])
        .expect_code(0);
    let ended = running.end();
    let after = (shared.hold(), shared.workflow(), shared.deployed_tag());
    shared.set_workflow("disable");
    shared
        .checkout
        .git(["clean", "--quiet", "--force", "infra"]);

    let record = record.unwrap();
    assert_eq!(record["purpose"], "hold");
    assert_eq!(record["reason"], "trying diagnose");
    assert_eq!(workflow, "disabled_manually");
    assert!(tag.contains("-dirty-"), "{tag}");
    let ended = ended.expect_stderr(&format!(
        "main ({}) is deployed again, api-auto-deploy.yml enabled, nobody holds it",
        main.trim()
    ));
    assert!(ended.stderr.contains("diagnose exited"), "{}", ended.stderr);
    assert_eq!(after, (None, "active".to_owned(), main.trim().to_owned()));
}
