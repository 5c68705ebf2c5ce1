//! The help of every command, as it is printed.

use std::path::PathBuf;

use expect_test::expect_file;

use crate::harness::{Checkout, repository};

/// The commands that the first help lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("\nCommands:\n").nth(1).unwrap();
    let list = list.split("\n\n").next().unwrap();
    let names = list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

fn help(checkout: &Checkout, args: &[&str]) -> String {
    let ended = checkout.xtask(args).env("COLUMNS", "100").run();
    ended.expect_code(0).stdout
}

#[test]
fn every_command_has_a_line_a_paragraph_and_two_examples() {
    let checkout = Checkout { root: repository() };
    let mut all = help(&checkout, &["--help"]);
    let commands = commands(&all);
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands {
        let text = help(&checkout, &[&command, "--help"]);
        let examples = text
            .lines()
            .skip_while(|line| !line.starts_with("Examples:"));
        assert!(
            examples.count() >= 3,
            "{command} has no two examples:\n{text}"
        );
        let words = text.split("Usage:").next().unwrap();
        let paragraphs = words.trim().split("\n\n").count();
        assert!(
            paragraphs >= 2,
            "{command} has a line and no paragraph:\n{text}"
        );
        all.push_str(&format!("\n==== {command}\n{}", global_options_once(&text)));
    }
    let file: PathBuf = repository().join("xtask/tests/it/help.txt");
    expect_file![file].assert_eq(&all);
}

/// The options for all commands are in the first help alone.
fn global_options_once(text: &str) -> String {
    let (before, rest) = text.split_once("Global options:\n").unwrap();
    let after = rest.split_once("\nExamples:\n").unwrap().1;
    format!("{before}Examples:\n{after}")
}

#[test]
fn a_wrong_name_gets_the_near_one() {
    let checkout = Checkout { root: repository() };
    let ended = checkout.xtask(["histroy"]).run();
    ended.expect_code(2).expect_stderr("'history'");
    let ended = checkout.xtask(["report", "--opne"]).run();
    ended.expect_code(2).expect_stderr("'--open'");
}
