use std::process::Command;

use crate::{api, check, lines, run};

#[test]
fn the_template_says_hello_between_start_and_finish() {
    let expected = concat!(
        r#"{"time":"_","level":"INFO","message":"task started","task":"my-new-task-name","git_sha":"3f2c1ab","author":"jo"}"#,
        "\n",
        r#"{"time":"_","level":"INFO","message":"Hello from your new background task!","task":"my-new-task-name","git_sha":"3f2c1ab","author":"jo"}"#,
        "\n",
        r#"{"time":"_","level":"INFO","message":"task finished","task":"my-new-task-name","git_sha":"3f2c1ab","author":"jo","outcome":"success","duration_ms":_,"exit_code":0}"#,
        "\n",
    );
    let output = api(&["my-new-task-name"])
        .env("TASK_AUTHOR", "jo")
        .output()
        .unwrap();
    check(&output, 0, expected, "");
}

#[test]
fn the_sha_comes_from_the_environment_alone() {
    for tag in ["3f2c1ab", "3f2c1ab-dirty-99"] {
        let output = api(&["my-new-task-name"])
            .env("SERVICE_DOCKER_TAG", tag)
            .output()
            .unwrap();
        assert!(lines(&output).iter().all(|line| line["git_sha"] == tag));
    }
    let output = api(&["my-new-task-name"])
        .env_remove("SERVICE_DOCKER_TAG")
        .output()
        .unwrap();
    assert!(
        lines(&output)
            .iter()
            .all(|line| line["git_sha"] == "unknown")
    );
}

/// The same sources must give the same image, whatever commit they were built at.
#[test]
fn no_sha_is_compiled_in() {
    let head = Command::new("git").args(["rev-parse", "HEAD"]).output();
    // Where there is no repository there is no SHA that could have got in.
    let Some(head) = head.ok().filter(|head| head.status.success()) else {
        return;
    };
    let head = head.stdout.trim_ascii();
    let binary = std::fs::read(env!("CARGO_BIN_EXE_api")).unwrap();
    assert!(!binary.windows(head.len()).any(|window| window == head));
}

#[test]
fn the_level_can_be_changed() {
    let output = api(&["my-new-task-name"])
        .env("LOG_LEVEL", "error")
        .output()
        .unwrap();
    check(&output, 0, "", "");
}

#[test]
fn lines_are_numbered_complete_and_of_the_size_asked_for() {
    for (count, bytes) in [(1, 0), (20_000, 0), (300, 20_000)] {
        let arguments = [
            "--lines",
            &count.to_string(),
            "--line-bytes",
            &bytes.to_string(),
        ];
        let output = run(&[&["diagnose"][..], &arguments].concat());
        let lines = lines(&output);
        assert_eq!(lines.len(), count + 2);
        for (index, line) in lines[1..=count].iter().enumerate() {
            assert_eq!(line["message"], format!("line {} of {count}", index + 1));
        }
        if bytes > 0 {
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(
                text.lines()
                    .skip(1)
                    .take(count)
                    .all(|line| line.len() == bytes)
            );
        }
    }
}

#[test]
fn print_is_raw_and_in_order() {
    let output = run(&["diagnose", "--print", "-\u{1b}[31mred\u{7}\r"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let middle = text
        .split_once("}\n")
        .unwrap()
        .1
        .rsplit_once("\n{")
        .unwrap()
        .0;
    assert_eq!(middle, "-\u{1b}[31mred\u{7}\r");
}

#[test]
fn a_variable_is_printed_only_when_asked_for() {
    let mut command = api(&["diagnose", "--print-env", "SECRET", "--print-env", "NONE"]);
    let output = command
        .env("SECRET", "s3cr3t")
        .env("OTHER", "0th3r")
        .output()
        .unwrap();
    let lines = lines(&output);
    assert_eq!(
        (&lines[1]["name"], &lines[1]["value"]),
        (&"SECRET".into(), &"s3cr3t".into())
    );
    assert_eq!(lines[2]["message"], "environment variable is not set");
    assert!(!String::from_utf8(output.stdout).unwrap().contains("0th3r"));
}
