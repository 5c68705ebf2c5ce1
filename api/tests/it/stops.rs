use std::io::{BufRead, BufReader, Read};
use std::process::Output;

use crate::{api, check, signal};

const START: &str =
    r#"{"time":"_","level":"INFO","message":"task started","task":"diagnose","git_sha":"3f2c1ab"}"#;

/// Sends the signals to a run, the first of them once the task has begun its work, each of the
/// others once the one before it was logged.
fn stopped(arguments: &[&str], signals: &[&str]) -> Output {
    let mut child = api(arguments).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // The start line, and the line that says that the arguments before the sleep are done.
    stdout.read_line(&mut text).unwrap();
    stdout.read_line(&mut text).unwrap();
    for name in signals {
        signal(&child, name);
        stdout.read_line(&mut text).unwrap();
    }
    stdout.read_to_string(&mut text).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stdout = text.into_bytes();
    output
}

fn expected(lines: &[&str]) -> String {
    let line = r#"{"time":"_","level":"INFO","message":"line 1 of 1","task":"diagnose","git_sha":"3f2c1ab"}"#;
    let all = [&[START, line], lines].concat();
    all.iter().map(|line| format!("{line}\n")).collect()
}

fn requested(name: &str) -> String {
    format!(
        r#"{{"time":"_","level":"INFO","message":"stop requested","task":"diagnose","git_sha":"3f2c1ab","signal":"{name}"}}"#
    )
}

fn finished(level: &str, outcome: &str, code: u8) -> String {
    format!(
        r#"{{"time":"_","level":"{level}","message":"task finished","task":"diagnose","git_sha":"3f2c1ab","outcome":"{outcome}","duration_ms":_,"exit_code":{code}}}"#
    )
}

#[test]
fn a_stopped_task_cleans_up() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let output = stopped(&["diagnose", "--lines", "1", "--sleep", "60"], &[name]);
        let cleaning = r#"{"time":"_","level":"INFO","message":"cleaning up","task":"diagnose","git_sha":"3f2c1ab"}"#;
        let finish = finished("WARN", "stopped", code);
        let expected = expected(&[&requested(&format!("SIG{name}")), cleaning, &finish]);
        check(&output, code.into(), &expected, "");
    }
}

#[test]
fn a_task_that_does_not_look_is_waited_for() {
    let arguments = [
        "diagnose",
        "--lines",
        "1",
        "--sleep",
        "1",
        "--ignore-sigterm",
    ];
    let output = stopped(&arguments, &["TERM"]);
    let expected = expected(&[&requested("SIGTERM"), &finished("INFO", "success", 0)]);
    check(&output, 0, &expected, "");
}

#[test]
fn a_second_interrupt_waits_no_longer() {
    let arguments = [
        "diagnose",
        "--lines",
        "1",
        "--sleep",
        "60",
        "--ignore-sigterm",
    ];
    let output = stopped(&arguments, &["INT", "INT"]);
    let expected = expected(&[&requested("SIGINT"), &finished("WARN", "stopped", 130)]);
    check(&output, 130, &expected, "");
}
