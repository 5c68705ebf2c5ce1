//! `local`: an entrypoint without ECS, natively and in the image, with what is asked for and no more.

use std::process::{Command, Stdio};

use crate::harness::{Checkout, Ended, Shared};

/// Asks `diagnose` for the variables that could be there.
fn asking(checkout: &Checkout, flags: &[&str]) -> Command {
    let mut args = vec!["local", "diagnose"];
    args.extend(flags);
    args.push("--");
    for name in ["DIAGNOSE_SECRET", "FROM_FILE", "FROM_FLAG", "ENVIRONMENT"] {
        args.extend(["--print-env", name]);
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL"] {
        args.extend(["--print-env", name]);
    }
    args.extend(["--exit-code", "7"]);
    checkout
        .xtask(args)
        .env("AWS_ACCESS_KEY_ID", "AKIDMINE")
        .env("AWS_PROFILE", "mine")
        .into_command()
}

#[track_caller]
fn ran(mut command: Command) -> Ended {
    Ended::of(command.stdin(Stdio::null()).output().unwrap()).expect_code(7)
}

#[track_caller]
fn has(ended: &Ended, name: &str, value: Option<&str>) {
    let expected = match value {
        Some(value) => format!("environment variable  name={name}  value={value}"),
        None => format!("environment variable is not set  name={name}"),
    };
    assert!(
        ended.stdout.lines().any(|line| line.contains(&expected)),
        "no `{expected}` in\n{}{}",
        ended.stdout,
        ended.stderr
    );
}

#[test]
fn natively_with_the_definitions_variables_and_nobodys_credentials() {
    let (shared, _lock) = Shared::together();
    let checkout = &shared.checkout;
    let file = checkout.root.join("target/variables.env");
    std::fs::write(
        &file,
        "# mine\nexport FROM_FILE=\"of a file\"\nFROM_FLAG=lost\n",
    )
    .unwrap();
    let file = file.to_string_lossy().into_owned();
    let ended = ran(asking(
        checkout,
        &["--env-file", &file, "-e", "FROM_FLAG=won"],
    ));
    has(&ended, "ENVIRONMENT", Some("test"));
    has(&ended, "FROM_FILE", Some("\"of a file\""));
    has(&ended, "FROM_FLAG", Some("won"));
    for name in ["DIAGNOSE_SECRET", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"] {
        has(&ended, name, None);
    }
    ended.expect_stderr("DIAGNOSE_SECRET is not set: add --secrets, -e DIAGNOSE_SECRET=…");

    // What is asked for: the secret, and credentials.
    let ended = ran(asking(checkout, &["--secrets", "--aws", "--sandbox"]));
    has(&ended, "DIAGNOSE_SECRET", Some("an-example-and-no-secret"));
    has(&ended, "AWS_ENDPOINT_URL", Some(&shared.endpoint));
    assert!(!ended.stdout.contains("AKIDMINE"), "{}", ended.stdout);
    let ended = ran(asking(checkout, &["--aws"]));
    has(&ended, "AWS_ACCESS_KEY_ID", Some("AKIDMINE"));
    has(&ended, "AWS_PROFILE", Some("mine"));
}

#[test]
fn in_the_image_with_the_same_variables() {
    let (shared, _lock) = Shared::alone();
    let flags = [
        "--container",
        "--secrets",
        "--sandbox",
        "-e",
        "FROM_FLAG=won",
    ];
    let ended = ran(asking(&shared.checkout, &flags));
    has(&ended, "ENVIRONMENT", Some("test"));
    has(&ended, "FROM_FLAG", Some("won"));
    has(&ended, "DIAGNOSE_SECRET", Some("an-example-and-no-secret"));
    has(&ended, "AWS_ACCESS_KEY_ID", None);

    // Its image is FROM scratch.
    shared
        .checkout
        .xtask(["local", "diagnose", "--shell", "--sandbox"])
        .run()
        .expect_code(125)
        .expect_stderr("has no shell");
}
