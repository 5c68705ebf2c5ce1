//! `--help` of every command, as it is printed; and how a mistyped name is answered.

use expect_test::{expect, expect_file};

use crate::harness::{Checkout, Ended, repository};

fn xtask(args: &[&str]) -> Ended {
    Checkout { root: repository() }.xtask(args).run()
}

/// The help of a command and of all below it; what every command has is in the first alone.
fn collect(path: &[&str], text: &mut String) {
    let args: Vec<&str> = path.iter().copied().chain(["--help"]).collect();
    let ended = xtask(&args).expect_code(0);
    assert_eq!(ended.stderr, "", "a help that was asked for is a result");
    let mut help = ended.stdout;
    let global = help.find("\nGlobal options:\n").unwrap();
    let examples = help.find("\nExamples:\n").unwrap();
    if !path.is_empty() {
        help.replace_range(global..examples, "");
    }
    text.push_str(&format!("$ cargo xtask {}\n", args.join(" ")));
    for line in help.lines() {
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    text.push('\n');
    for name in subcommands(&help) {
        let path: Vec<&str> = path.iter().copied().chain([name]).collect();
        collect(&path, text);
    }
}

/// The names below "Commands:"; a line that goes on from the one before is indented further.
fn subcommands(help: &str) -> Vec<&str> {
    let list = help
        .split_once("\nCommands:\n")
        .map_or("", |(_, list)| list);
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn the_help_of_every_command() {
    let mut text = String::new();
    collect(&[], &mut text);
    expect_file!["help.txt"].assert_eq(&text);
}

#[test]
fn a_wrong_name_gets_the_near_ones() {
    let here = repository().display().to_string();
    let said = |args: &[&str]| xtask(args).expect_code(2).stderr.replace(&here, "[HERE]");
    expect![[r#"
        error: unrecognized subcommand 'stauts'

          tip: some similar subcommands exist: 'tasks', 'status'

        Usage: cargo xtask [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]]
    .assert_eq(&said(&["stauts"]));
    expect![[r#"
        error: unrecognized subcommand 'rest'

          tip: a similar subcommand exists: 'reset'

        Usage: cargo xtask sandbox [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]]
    .assert_eq(&said(&["sandbox", "rest"]));
    expect![[r#"
        error: unexpected argument '--isolatd' found

          tip: a similar argument exists: '--isolated'
          tip: to pass '--isolatd' as a value, use '-- --isolatd'

        Usage: cargo xtask try --isolated <TASK> [-- <ARGS>...]

        For more information, try '--help'.
    "#]]
    .assert_eq(&said(&["try", "diagnose", "--isolatd"]));
    expect![[r#"
        error: invalid value 'mian' for '--restore <WHAT>'
          [possible values: main, previous, none]

          tip: a similar value exists: 'main'

        For more information, try '--help'.
    "#]]
    .assert_eq(&said(&["release", "--restore", "mian"]));
    expect![[r#"
        error: there is neither a task nor an entrypoint `diagnos`

        hint: did you mean `diagnose`?
    "#]]
    .assert_eq(&said(&["local", "diagnos"]));
    expect![[r#"
        error: there is no environment `tset` in [HERE]/Cargo.toml

        hint: did you mean `test`?
    "#]]
    .assert_eq(&said(&["tasks", "--env", "tset"]));
}
