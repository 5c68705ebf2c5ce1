use super::*;
use crate::clients::answering::block_on;

#[test]
fn both_outputs_arrive_and_the_last_line_needs_no_line_feed() {
    block_on(async {
        let interrupt = Interrupt::install().unwrap();
        let mut lines = Vec::new();
        let program = Program::new("sh").args(["-c", "echo out; echo err >&2; printf end; exit 3"]);
        let finished = program
            .run(&interrupt, |source, line| {
                lines.push((source, line.to_owned()))
            })
            .await
            .unwrap();
        lines.sort_by_key(|(source, _)| *source == Source::Stderr);
        let expected = [
            (Source::Stdout, "out"),
            (Source::Stdout, "end"),
            (Source::Stderr, "err"),
        ];
        assert_eq!(
            lines,
            expected.map(|(source, line)| (source, line.to_owned()))
        );
        assert_eq!(finished.status.code(), Some(3));
        let error = finished.success("sh").unwrap_err().to_string();
        assert!(
            error.starts_with("`sh` ended with exit code 3\n"),
            "{error}"
        );
    });
}

#[test]
fn a_missing_program_says_what_to_install() {
    block_on(async {
        let interrupt = Interrupt::install().unwrap();
        let error = Program::new("no-such-program")
            .read(&interrupt)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`no-such-program` is not installed, or not on PATH"
        );
    });
}

#[test]
fn quoting() {
    for (arg, expected) in [
        ("a-b", "a-b"),
        ("", "''"),
        ("a b", "'a b'"),
        ("it's", r"'it'\''s'"),
    ] {
        assert_eq!(quote(arg), expected);
    }
}

#[test]
fn a_child_that_outlives_us_is_missed_by_name_as_well() {
    block_on(async {
        let interrupt = Interrupt::install().unwrap();
        let program = Program::that_outlives_us("no-such-program");
        let error = program.read(&interrupt).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`no-such-program` is not installed, or not on PATH"
        );
        let program =
            Program::that_outlives_us("sh").args(["-c", "echo out; echo err >&2; exit 3"]);
        let mut lines = Vec::new();
        let finished = program
            .run(&interrupt, |source, line| {
                lines.push((source, line.to_owned()))
            })
            .await
            .unwrap();
        let expected = [(Source::Stdout, "out"), (Source::Stderr, "err")];
        assert_eq!(
            lines,
            expected.map(|(source, line)| (source, line.to_owned()))
        );
        assert_eq!(finished.status.code(), Some(3));
    });
}
