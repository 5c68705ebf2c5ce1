//! The sandbox itself: who gets in, what it takes along, and how it is found again.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::Value;

use crate::harness::keys::{self, Who};
use crate::harness::{Checkout, Shared, always_answering, base, copy_folder, stranger};

const ECS: &str = "AmazonEC2ContainerServiceV20141113";

/// The rest is the extension's own list of doors, in its test_gate.py.
#[test]
fn nobody_gets_in_without_the_secrets() {
    let (shared, _together) = Shared::together();
    let keys = keys::of(&shared.endpoint).unwrap();
    let call = |headers: &[(&str, &str)], method, path, body| {
        stranger(&shared.endpoint, method, path, headers, body).status
    };
    let target = format!("{ECS}.RegisterTaskDefinition");
    let json = [
        ("X-Amz-Target", target.as_str()),
        ("Content-Type", "application/x-amz-json-1.1"),
    ];
    let state = "/api-terraform-state-000000000000/ecs-tasks/test.tfstate";
    assert_eq!(call(&json, "POST", "/", "{}"), 403);
    assert_eq!(
        call(&[], "GET", "/?Action=CreateQueue&QueueName=q", ""),
        403
    );
    assert_eq!(call(&[], "GET", state, ""), 403);
    assert_eq!(call(&[], "GET", "/v2/", ""), 401);
    assert_eq!(call(&[], "GET", "/_github/user", ""), 401);

    // A task's key reads what is a task's, and neither the state nor ECS.
    let url = format!("{}{state}", shared.endpoint);
    let signed = keys.signed(Who::Tasks, "s3", ("GET", &url), &[], "");
    assert_eq!(call(&borrowed(&signed), "GET", state, ""), 403);
    let url = format!("{}/", shared.endpoint);
    let signed = keys.signed(Who::Tasks, "ecs", ("POST", &url), &json, "{}");
    assert_eq!(call(&borrowed(&signed), "POST", "/", "{}"), 400);
    let signed = keys.signed(Who::Control, "ecs", ("POST", &url), &json, "{}");
    let refused = stranger(&shared.endpoint, "POST", "/", &borrowed(&signed), "{}");
    assert!(refused.body.contains("family is required"), "{refused:?}");
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = headers.iter();
    pairs.map(|(name, value)| (&name[..], &value[..])).collect()
}

#[test]
fn status_says_where_the_keys_are_and_never_what_they_are() {
    let (shared, _together) = Shared::together();
    let keys = keys::of(&shared.endpoint).unwrap();
    let text = shared.checkout.xtask(["sandbox", "status"]).run();
    let text = text.expect_code(0).expect_stdout("AWS_PROFILE=sandbox");
    let json = shared.checkout.xtask(["sandbox", "status", "--json"]).run();
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    let file = document["result"]["credentials"].as_str().unwrap();
    let said = format!("AWS_SHARED_CREDENTIALS_FILE={file}");
    let text = text.expect_stdout(&said);
    for secret in [&keys.control_secret, &keys.tasks_secret, &keys.github_token] {
        assert!(!text.stdout.contains(secret) && !json.stdout.contains(secret));
    }
    let profile = std::fs::read_to_string(file).unwrap();
    assert!(profile.contains(&keys.control_secret), "{profile}");
    let folder = shared.checkout.root.join("target/xtask/sandbox");
    for name in [
        "aws-credentials",
        "keys.json",
        "server.json",
        "ministack.log",
    ] {
        let mode = folder.join(name).metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
}

/// Each variable leads to another AWS, to other arguments or to another way there.
#[test]
fn nothing_of_the_users_aws_or_terraform_gets_in() {
    let (shared, _alone) = Shared::alone();
    let elsewhere = always_answering(500, "text/plain", "another AWS");
    let mut tried = shared.invocation("variables", &["try", "my-new-task-name"]);
    for name in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_ECS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
        "AWS_ENDPOINT_URL_ECR",
        "HTTP_PROXY",
        "http_proxy",
    ] {
        tried = tried.env(name, &elsewhere);
    }
    // Something to apply, so that Terraform has calls to make.
    shared.checkout.another_image("variables");
    let ended = tried
        .env("AWS_PROFILE", "mine")
        .env("AWS_CA_BUNDLE", "/nonexistent")
        .env("TF_CLI_ARGS_plan", "-destroy")
        .env("TF_REATTACH_PROVIDERS", "nonsense")
        .run();
    shared.checkout.as_committed();
    ended.expect_code(0).expect_stderr("✓ apply");
}

#[test]
fn a_copy_does_not_stop_it_cargo_clean_does_not_lose_it_and_no_lock_stays_with_it() {
    let checkout = Checkout::named("found-again");
    let home = base().join("found-again-home");
    let _ = std::fs::remove_dir_all(&home);
    let xtask = |checkout: &Checkout, args: &[&str]| {
        let command = checkout.xtask(args).env("XDG_STATE_HOME", &home);
        command.run().expect_code(0)
    };
    // What the caller has open and locked, as `flock FILE cargo xtask …` has.
    let lock = base().join("found-again-lock");
    let caller = "import fcntl, os, sys\n\
        file = open(sys.argv[1], 'w')\n\
        fcntl.flock(file, fcntl.LOCK_EX)\n\
        os.set_inheritable(file.fileno(), True)\n\
        os.execv(sys.argv[2], sys.argv[2:])";
    let up = checkout
        .program("python3")
        .args(["-c", caller])
        .arg(&lock)
        .args([env!("CARGO_BIN_EXE_xtask"), "sandbox", "up"])
        .env("XDG_STATE_HOME", &home)
        .output()
        .unwrap();
    assert!(up.status.success(), "{up:?}");
    File::open(&lock).unwrap().try_lock().unwrap();

    let process = |checkout: &Checkout| {
        let json = xtask(checkout, &["sandbox", "status", "--json"]).stdout;
        let document: Value = serde_json::from_str(&json).unwrap();
        document["result"]["process"].as_i64()
    };
    let first = process(&checkout).unwrap();
    let pid = Pid::from_raw(i32::try_from(first).unwrap()).unwrap();

    let copy = Checkout::to_be_cloned("found-again-copy");
    let sources = checkout.root.join("target/xtask/sandbox");
    copy_folder(&sources, &copy.root.join("target/xtask/sandbox"));
    std::fs::copy(
        checkout.root.join("Cargo.toml"),
        copy.root.join("Cargo.toml"),
    )
    .unwrap();
    assert_eq!(process(&copy), None);
    let down = xtask(&copy, &["sandbox", "down"]);
    down.expect_stdout("the sandbox was not running");
    assert_eq!(process(&checkout), Some(first));

    std::fs::remove_dir_all(checkout.root.join("target")).unwrap();
    let status = xtask(&checkout, &["sandbox", "status"]);
    status.expect_stdout("its files are gone: the next command starts it anew");
    xtask(&checkout, &["sandbox", "down"]).expect_stdout("the sandbox is stopped");
    assert!(test_kill_process(pid).is_err());
    assert_eq!(process(&checkout), None);
}

/// Nothing is installed for it, and an installation that is interrupted says so in one line.
#[test]
fn a_wrong_task_and_an_interrupt_in_the_set_up() {
    let checkout = Checkout::named("set-up");
    let ended = checkout
        .xtask(["try", "my-new-task-nme", "--sandbox"])
        .run();
    let ended = ended
        .expect_code(2)
        .expect_stderr("did you mean `my-new-task-name`?");
    assert!(!ended.stderr.contains("sandbox"), "{}", ended.stderr);
    assert!(!checkout.root.join("target/xtask/sandbox").exists());

    let running = checkout.xtask(["sandbox", "up"]).spawn();
    running.wait_for("installing MiniStack");
    running.signal(Signal::INT);
    let ended = running.end().expect_code(130);
    let ended = ended.expect_stderr("interrupted the installation of MiniStack");
    assert!(!ended.stderr.contains("import"), "{}", ended.stderr);
    assert!(ended.stderr.len() < 1000, "{}", ended.stderr);
}
