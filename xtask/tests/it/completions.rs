//! Completions as a shell asks for them.

use std::process::Command;

use crate::harness::{Checkout, Tmux};

/// What bash offers for a line, its last word being completed.
fn bash(checkout: &Checkout, line: &[&str]) -> Vec<String> {
    let words: Vec<String> = line.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        r#"
        _cargo_before() {{ COMPREPLY=(from-cargo); }}
        complete -F _cargo_before cargo
        source <("$1" completions bash)
        COMP_WORDS=({})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        $(complete -p cargo | sed 's/.* -F \([^ ]*\) .*/\1/')
        printf '%s\n' "${{COMPREPLY[@]}}"
        "#,
        words.join(" ")
    );
    let output = Command::new("bash")
        .args(["-c", &script, "bash", env!("CARGO_BIN_EXE_xtask")])
        .current_dir(&checkout.root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A checkout where xtask was built, as the scripts look for it.
fn built(name: &str) -> Checkout {
    let checkout = Checkout::named(name);
    let built = checkout.root.join("target/debug");
    std::fs::create_dir_all(&built).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_xtask"), built.join("xtask")).unwrap();
    checkout
}

#[test]
fn zsh_completes_what_is_typed() {
    let checkout = built("completions-zsh");
    let shell = format!("cd '{}' && exec zsh -f -i", checkout.root.display());
    let zsh = Tmux::start("zsh", (100, 20), &shell);
    let script = format!(
        "autoload -Uz compinit && compinit -u -D && source <('{}' completions zsh); clear; echo loaded-$((40 + 2))",
        env!("CARGO_BIN_EXE_xtask")
    );
    zsh.type_keys(&[&script, "Enter"]);
    zsh.wait_for(&["loaded-42"]);
    for (typed, completed) in [
        ("cargo xtask try my-", "cargo xtask try my-new-task-name"),
        ("cargo xtask hist", "cargo xtask history"),
        (
            "cargo xtask try diagnose --sand",
            "cargo xtask try diagnose --sandbox",
        ),
        ("cargo xtask run diagnose --env ", "stage  test"),
    ] {
        zsh.type_keys(&["C-u", typed, "Tab"]);
        zsh.wait_for(&[completed]);
    }
}

#[test]
fn fish_completes_tasks_environments_and_options() {
    let checkout = built("completions-fish");
    for (line, expected) in [
        ("cargo xtask try my-", "my-new-task-name\n"),
        ("cargo xtask run diagnose --env ", "stage\ntest\n"),
        ("cargo xtask hist", "history\n"),
        ("cargo xtask try --sand", "--sandbox\n"),
    ] {
        let script = "$argv[1] completions fish | source; complete -C $argv[2]";
        let output = Command::new("fish")
            .args([
                "--no-config",
                "-c",
                script,
                env!("CARGO_BIN_EXE_xtask"),
                line,
            ])
            .current_dir(&checkout.root)
            .output()
            .expect("these tests need fish: .ci/install.sh installs it");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected,
            "{output:?}"
        );
    }
}

#[test]
fn bash_completes_tasks_environments_and_records() {
    let checkout = built("completions");
    checkout.write(
        "target/xtask/runs/20260102-030405-1a2b3c/summary.json",
        "{}",
    );

    for (line, expected) in [
        (
            &["cargo", "xtask", "try", "my-"][..],
            &["my-new-task-name"][..],
        ),
        (&["cargo", "xtask", "logs", "night"], &["nightly-report"]),
        (
            &["cargo", "xtask", "run", "diagnose", "--env", ""],
            &["stage", "test"],
        ),
        (
            &["cargo", "xtask", "report", ""],
            &["20260102-030405-1a2b3c"],
        ),
        (&["cargo", "xtask", "hist"], &["history"]),
        (&["cargo", "xtask", "try", "diagnose", "--", ""], &[]),
        // Another cargo command stays with the completion that was there before.
        (&["cargo", "bui"], &["from-cargo"]),
    ] {
        assert_eq!(bash(&checkout, line), expected, "{line:?}");
    }
}
