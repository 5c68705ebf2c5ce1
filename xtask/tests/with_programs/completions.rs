//! Completions in zsh and in fish; bash, which every machine has, is in `tests/it`.

use std::process::Command;

use crate::harness::Checkout;
use crate::tmux::Tmux;

pub fn zsh_completes_what_is_typed() {
    let checkout = Checkout::built("completions-zsh");
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

pub fn fish_completes_tasks_environments_and_options() {
    let checkout = Checkout::built("completions-fish");
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
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected,
            "{output:?}"
        );
    }
}
