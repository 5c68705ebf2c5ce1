use std::os::unix::process::ExitStatusExt;

use crate::{api, check, lines, run};

const START: &str =
    r#"{"time":"_","level":"INFO","message":"task started","task":"diagnose","git_sha":"3f2c1ab"}"#;

#[test]
fn a_task_chooses_its_exit_code() {
    let expected = [
        START,
        "\n",
        r#"{"time":"_","level":"ERROR","message":"task finished","task":"diagnose","git_sha":"3f2c1ab","outcome":"error","duration_ms":_,"exit_code":3,"error":"the task chose exit code 3"}"#,
        "\n",
    ];
    check(
        &run(&["diagnose", "--exit-code", "3"]),
        3,
        &expected.concat(),
        "",
    );
    for code in [0, 1, 2, 137, 255] {
        let output = run(&["diagnose", "--exit-code", &code.to_string()]);
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn a_panic_is_logged_and_exits_101() {
    let expected = [
        START,
        "\n",
        r#"{"time":"_","level":"ERROR","message":"panic","task":"diagnose","git_sha":"3f2c1ab","error":"this panic was asked for","location":"api/src/tasks/diagnose.rs:_"}"#,
        "\n",
        r#"{"time":"_","level":"ERROR","message":"task finished","task":"diagnose","git_sha":"3f2c1ab","outcome":"panic","duration_ms":_,"exit_code":101,"error":"this panic was asked for","location":"api/src/tasks/diagnose.rs:_"}"#,
        "\n",
    ];
    check(&run(&["diagnose", "--panic"]), 101, &expected.concat(), "");
}

#[test]
fn an_error_is_logged_with_its_chain_and_exits_1() {
    let expected = concat!(
        r#"{"time":"_","level":"INFO","message":"task started","task":"api","git_sha":"3f2c1ab"}"#,
        "\n",
        r#"{"time":"_","level":"ERROR","message":"task finished","task":"api","git_sha":"3f2c1ab","outcome":"error","duration_ms":_,"exit_code":1,"error":"PORT must be a number, not `x`: invalid digit found in string"}"#,
        "\n",
    );
    check(
        &api(&[]).env("PORT", "x").output().unwrap(),
        1,
        expected,
        "",
    );
}

#[test]
fn a_fault_is_a_real_one_and_loses_no_line() {
    let output = run(&["diagnose", "--lines", "5000", "--segfault"]);
    assert_eq!(output.status.signal(), Some(11));
    assert_eq!(lines(&output).len(), 5001);
}

#[test]
fn memory_is_allocated() {
    let output = run(&["diagnose", "--alloc-mb", "10"]);
    assert_eq!(
        (output.status.code(), &lines(&output)[1]["megabytes"]),
        (Some(0), &10.into())
    );
    let output = run(&["diagnose", "--alloc-mb", "99999999999"]);
    assert_eq!(output.status.code(), Some(1));
    let error = lines(&output)[1]["error"].to_string();
    assert!(
        error.contains("allocating 99999999999 MB: memory allocation failed"),
        "{error}"
    );
}
