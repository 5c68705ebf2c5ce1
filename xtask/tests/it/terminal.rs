//! What is printed without a terminal, and in a CI job; the view on one is in `tests/with_programs`.

use std::sync::LazyLock;

use regex_lite::Regex;

use crate::harness::{Checkout, FakeBin, which};

/// A checkout with a sandbox of its own in which nothing was ever built or deployed.
pub static UNBUILT: LazyLock<Checkout> = LazyLock::new(|| {
    let checkout = Checkout::named("view");
    checkout.xtask(["sandbox", "up"]).run().expect_code(0);
    checkout
});

/// A cargo that prints what a compile begins with, and then does as it is told. It knows the packages.
fn cargo(name: &str, then: &str) -> FakeBin {
    let real = which("cargo");
    let real = real.display();
    let script = format!(
        "#!/bin/sh
[ \"$1\" = metadata ] && exec '{real}' \"$@\"
echo '   Compiling serde v1.0.0' >&2
{then}
"
    );
    FakeBin::named(name).script("cargo", &script)
}

#[test]
fn a_build_that_fails_without_a_terminal() {
    let fake = cargo("failing-cargo", "echo 'error: no such crate' >&2; exit 101");
    let ended = UNBUILT
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .env("CARGO", fake.path("cargo"))
        .run()
        .expect_code(125);
    assert!(!ended.stderr.contains('\x1b'), "{}", ended.stderr);
    let times = Regex::new(r"(?m)^\d\d:\d\d:\d\dZ [ ✓✗–!] [a-z]+").unwrap();
    assert!(
        times.find_iter(&ended.stderr).count() >= 5,
        "{}",
        ended.stderr
    );
    for words in [
        "✗ build     failed",
        "– plan      given up",
        " ended with exit code 101\n",
        "    error: no such crate\n",
        "all of its output: ",
        "  record    cargo xtask report ",
    ] {
        assert!(
            ended.stderr.contains(words),
            "no `{words}` in\n{}",
            ended.stderr
        );
    }
    let file = ended.stderr.split("all of its output: ").nth(1).unwrap();
    let output = std::fs::read_to_string(file.lines().next().unwrap()).unwrap();
    assert!(
        output.starts_with("   Compiling serde v1.0.0\n"),
        "{output}"
    );
    let run = ended.stderr.split("cargo xtask report ").nth(1).unwrap();
    let run = run.lines().next().unwrap();
    UNBUILT.xtask(["report", run]).run().expect_code(0);
    let history = UNBUILT.xtask(["history"]).run();
    history.expect_stdout(run);
}

#[test]
fn a_build_that_fails_in_ci() {
    let fake = cargo(
        "failing-cargo-in-ci",
        "echo 'x ::error::no' >&2; echo '::add-mask::no' >&2; exit 101",
    );
    let ended = UNBUILT
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .env("CARGO", fake.path("cargo"))
        .env("GITHUB_ACTIONS", "true")
        .run()
        .expect_code(125);
    let group = ended.stderr.split("::group::✗ build").nth(1);
    let group = group.unwrap_or_else(|| panic!("no group in\n{}", ended.stderr));
    let group = group.split("::endgroup::\n").next().unwrap();
    assert!(group.contains("\n   Compiling serde v1.0.0\n"), "{group}");
    assert!(
        !group.contains("\n::add-mask::"),
        "a child commands the runner: {group}"
    );
    assert!(group.contains("add-mask"), "{group}");
    assert_eq!(
        ended.stderr.matches("\n::error::").count(),
        1,
        "{}",
        ended.stderr
    );
}
