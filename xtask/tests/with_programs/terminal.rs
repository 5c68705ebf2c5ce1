//! The view as a person sees it, through tmux at three widths.

use std::path::Path;

use expect_test::expect;
use regex_lite::Regex;

use crate::harness::{Checkout, FakeBin, Shared, filtered, which};
use crate::tmux::Tmux;

/// A cargo that prints what a compile begins with, and goes on for as long as anybody looks. It knows
/// the packages.
const STUCK_CARGO: &str = "#!/bin/sh
[ \"$1\" = metadata ] && exec 'CARGO' \"$@\"
echo '   Compiling serde v1.0.0' >&2
echo '   Compiling a-crate-with-a-rather-long-name-that-no-narrow-terminal-has-room-for v1.0.0' >&2
sleep 300
";

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

pub fn the_live_view_at_three_widths() {
    // Nothing was ever built or deployed in its sandbox.
    let unbuilt = Checkout::named("live-view");
    unbuilt.xtask(["sandbox", "up"]).run().expect_code(0);
    let script = STUCK_CARGO.replace("'CARGO'", &format!("'{}'", which("cargo").display()));
    let fake = FakeBin::named("stuck-cargo").script("cargo", &script);
    let look = |width: usize| {
        let tmux = loop_in_a_window(width, &unbuilt, &fake.path("cargo"));
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

pub fn nothing_is_lost_or_doubled_when_it_scrolls() {
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

pub fn init_asks_what_it_cannot_find_out() {
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
