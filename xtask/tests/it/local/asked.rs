//! `diagnose` as `local` runs it, asked for its variables.

use std::process::{Command, Stdio};

use crate::harness::{Checkout, Ended};

/// Asks `diagnose` for the variables that could be there.
pub fn asking(checkout: &Checkout, flags: &[&str]) -> Command {
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
pub fn ran(mut command: Command) -> Ended {
    Ended::of(command.stdin(Stdio::null()).output().unwrap()).expect_code(7)
}

#[track_caller]
pub fn has(ended: &Ended, name: &str, value: Option<&str>) {
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
