use crate::{check, run};

/// The registry has no second list, so this is where a lost or an accidental entrypoint is noticed.
const LIST: &str = "\
diagnose          Does what can go wrong on ECS: exit codes, many lines, long lines, memory, panics, signals.
import-claims     Imports a CSV of claims from S3: checks every row and writes a result object.
my-new-task-name  Says hello: the template to copy for a task of your own.
nightly-report    Reports how many claims were imported and rejected on one day: yesterday, unless told otherwise.
";

#[test]
fn list_names_exactly_these() {
    check(&run(&["--list"]), 0, LIST, "");
}

#[test]
fn list_as_json_says_the_same() {
    let output = run(&["--list", "--json"]);
    let entries: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let width = 16;
    let text: String = entries
        .iter()
        .map(|entry| {
            let (name, doc) = (
                entry["name"].as_str().unwrap(),
                entry["doc"].as_str().unwrap(),
            );
            format!("{name:width$}  {doc}\n")
        })
        .collect();
    assert_eq!(text, LIST);
}

#[test]
fn an_unknown_name_lists_the_near_ones() {
    let message = "error: no task is named `import-clams`\n\nhint: did you mean `import-claims`?\n";
    check(&run(&["import-clams", "bucket"]), 2, "", message);
}

#[test]
fn an_unknown_flag_shows_the_usage() {
    let output = run(&["--lists"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.starts_with("error: unexpected `--lists`\n\nOne image"),
        "{message}"
    );
}

#[test]
fn a_wrong_argument_exits_2_before_the_task_starts() {
    let cases: [(&[&str], &str); 5] = [
        (
            &["my-new-task-name", "x"],
            "error: unexpected argument 'x' found\n",
        ),
        (
            &["import-claims", "bucket"],
            "error: the following required arguments were not provided:",
        ),
        (
            &["diagnose", "--exit-code", "256"],
            "error: invalid value '256' for '--exit-code <N>'",
        ),
        (
            &["diagnose", "--sleep", "x"],
            "error: invalid value 'x' for '--sleep <SECONDS>'",
        ),
        (
            &["nightly-report", "--day", "x"],
            "error: invalid value 'x' for '--day <YYYY-MM-DD>'",
        ),
    ];
    for (arguments, start) in cases {
        let output = run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.starts_with(start), "{message}");
        assert!(
            message.ends_with("\n\nFor more information, try '--help'.\n"),
            "{message}"
        );
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(2), &b""[..])
        );
    }
}

#[test]
fn each_task_has_a_help() {
    let help = "\
Imports a CSV of claims from S3: checks every row and writes a result object.

Usage: api import-claims <BUCKET> <KEY>

Arguments:
  <BUCKET>  The bucket that holds the CSV
  <KEY>     The object's key

Options:
  -h, --help  Print help
";
    check(&run(&["import-claims", "--help"]), 0, help, "");
}
