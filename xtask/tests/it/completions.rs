//! Completions as a shell asks for them.

use std::process::Command;

use crate::harness::Checkout;

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

#[test]
fn bash_completes_tasks_environments_and_records() {
    let checkout = Checkout::built("completions");
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
