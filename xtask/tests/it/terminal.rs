//! The view as a person sees it, through tmux at three widths; without a terminal; in a CI job.

use std::path::Path;
use std::sync::LazyLock;

use expect_test::expect;
use regex_lite::Regex;

use crate::harness::{Checkout, FakeBin, Shared, Tmux, filtered};

/// A checkout with a sandbox of its own in which nothing was ever built or deployed.
pub static UNBUILT: LazyLock<Checkout> = LazyLock::new(|| {
    let checkout = Checkout::named("view");
    checkout.xtask(["sandbox", "up"]).run().expect_code(0);
    checkout
});

/// A cargo that prints what a compile begins with, and then does as it is told.
fn cargo(name: &str, then: &str) -> FakeBin {
    let script = format!(
        "#!/bin/sh
echo '   Compiling serde v1.0.0' >&2
echo '   Compiling a-crate-with-a-rather-long-name-that-no-narrow-terminal-has-room-for v1.0.0' >&2
{then}
"
    );
    FakeBin::named(name).script("cargo", &script)
}

/// A window where xtask tries a task, with a build that this cargo makes.
fn loop_in_a_window(width: usize, checkout: &Checkout, cargo: &Path) -> Tmux {
    let command = format!(
        "cd '{}' && CARGO='{}' NO_COLOR=1 GITHUB_ACTIONS= '{}' try my-new-task-name --sandbox; sleep 300",
        checkout.root.display(),
        cargo.display(),
        env!("CARGO_BIN_EXE_xtask"),
    );
    Tmux::start(&format!("view-{width}"), (width, 50), &command)
}

/// The rows that are redrawn: from the first spinner on.
fn rows(screen: &str) -> String {
    let spinner = Regex::new("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]").unwrap();
    let screen = spinner.replace_all(screen, "*").into_owned();
    let rows = screen.lines().skip_while(|line| !line.starts_with('*'));
    let rows: Vec<&str> = rows.filter(|line| !line.is_empty()).collect();
    filtered(&(rows.join("\n") + "\n"))
}

#[test]
fn the_live_view_at_three_widths() {
    let fake = cargo("stuck-cargo", "sleep 300");
    let look = |width: usize| {
        let tmux = loop_in_a_window(width, &UNBUILT, &fake.path("cargo"));
        let screen = tmux.wait_for(&["✓ plan", "waits for build", "2 crates"]);
        tmux.type_keys(&["C-c"]);
        let end = tmux.wait_for(&["error: interrupted"]);
        // The rows are gone, and what was said before them is still there.
        assert!(!end.contains("waits for"), "{end}");
        assert!(end.contains("✓ check"), "{end}");
        rows(&screen)
    };
    expect![[r#"
        * build     2 crates, now a-crate-with-a-rather-lon…  [N] s
        · push      waits for build
        · pause     waits for push
        · apply     waits for pause
        · pause     waits for apply
        · launch    waits for apply
        · task      waits for launch
    "#]]
    .assert_eq(&look(60));
    expect![[r#"
        * build     2 crates, now a-crate-with-a-rather-long-name-that-no-narrow-terminal-has-room-…  [N] s
        · push      waits for build
        · pause     waits for push
        · apply     waits for pause
        · pause     waits for apply
        · launch    waits for apply
        · task      waits for launch
    "#]]
    .assert_eq(&look(100));
    expect![[r#"
        * build     2 crates, now a-crate-with-a-rather-long-name-that-no-narrow-terminal-has-room-for v1.0.0  [N] s
        · push      waits for build
        · pause     waits for push
        · apply     waits for pause
        · pause     waits for apply
        · launch    waits for apply
        · task      waits for launch
    "#]]
    .assert_eq(&look(200));
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

#[test]
fn nothing_is_lost_or_doubled_when_it_scrolls() {
    let (shared, _together) = Shared::together();
    let command = format!(
        "cd '{}' && NO_COLOR=1 GITHUB_ACTIONS= '{}' run diagnose --sandbox --author scroller -- --lines 400; echo it ended with $?; sleep 300",
        shared.checkout.root.display(),
        env!("CARGO_BIN_EXE_xtask"),
    );
    let window = Tmux::start("scroll", (60, 12), &command);
    window.wait_for(&["it ended with 0"]);
    let everything = window.everything();
    // Each line of the log stands once, in its order; what was redrawn has left nothing behind.
    let number = Regex::new(r"INFO  line (\d+) of 400").unwrap();
    let numbers: Vec<u32> = number
        .captures_iter(&everything)
        .map(|found| found[1].parse().unwrap())
        .collect();
    assert_eq!(numbers, (1..=400).collect::<Vec<u32>>(), "{everything}");
    assert!(!everything.contains("⠋"), "{everything}");
    for once in ["✓ launch ", "✓ task ", "✓ diagnose exited 0"] {
        assert_eq!(everything.matches(once).count(), 1, "{once}\n{everything}");
    }
}

#[test]
fn init_asks_what_it_cannot_find_out() {
    let checkout = Checkout::empty("init-asks");
    checkout.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"worker\"]\nresolver = \"3\"\n",
    );
    checkout.write(
        "worker/Cargo.toml",
        "[package]\nname = \"worker\"\nedition = \"2024\"\n",
    );
    checkout.write("worker/src/main.rs", "fn main() {}\n");
    let origin = "https://github.com/acme/shop.git";
    checkout.git(["remote", "add", "origin", origin]);
    let command = format!(
        "cd '{}' && env -u AWS_REGION -u AWS_DEFAULT_REGION NO_COLOR=1 '{}' init; sleep 300",
        checkout.root.display(),
        env!("CARGO_BIN_EXE_xtask"),
    );
    let tmux = Tmux::start("init-asks", (100, 50), &command);
    for (question, answer) in [
        ("(--app):", "shop"),
        ("(--aws-account-id):", "111122223333"),
        ("(--region):", "eu-central-1"),
    ] {
        tmux.wait_for(&[question]);
        tmux.type_keys(&[answer, "Enter"]);
    }
    let screen = tmux.wait_for(&["a first task:"]);
    assert!(!screen.contains("--package"), "{screen}");
    let settings = checkout.read("Cargo.toml");
    for line in [
        "app = \"shop\"\n",
        "package = \"worker\"\n",
        "github_repository = \"acme/shop\"\n",
        "aws_account_id = \"111122223333\"\n",
        "region = \"eu-central-1\"\n",
    ] {
        assert!(settings.contains(line), "no {line} in\n{settings}");
    }
}
