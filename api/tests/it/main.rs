//! The real binary, by feature:
//!
//! - `entrypoints`: the list, unknown names, wrong arguments
//! - `log_lines`: what a task writes, and in which order
//! - `exits`: exit codes, panics, errors, faults
//! - `stops`: SIGTERM and SIGINT
//! - `health`: the HTTP API
//! - `s3`: `import-claims` and `nightly-report` against a stand-in that speaks enough S3
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod entrypoints;
mod exits;
mod health;
mod log_lines;
mod s3;
mod stops;

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The binary as ECS starts it, with nothing of the developer's own environment.
fn api(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command
        .args(arguments)
        .env_clear()
        .env("SERVICE_DOCKER_TAG", "3f2c1ab");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    api(arguments).output().unwrap()
}

/// Checks everything that a call leaves: exit code, stdout with times masked, stderr.
#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(masked(&output.stdout), stdout);
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
    assert_eq!(output.status.code(), Some(code));
}

/// Replaces what differs from run to run: times of day, durations, ports, places in the source.
fn masked(text: &[u8]) -> String {
    let mut text = String::from_utf8(text.to_vec()).unwrap();
    for (key, end) in [
        ("\"time\":\"", "\""),
        ("\"duration_ms\":", ","),
        ("\"port\":", "}"),
        (".rs:", "\""),
    ] {
        let pieces: Vec<&str> = text.split(key).collect();
        let (first, rest) = pieces.split_first().unwrap();
        let rest = rest
            .iter()
            .map(|piece| &piece[piece.find(end).unwrap_or(0)..]);
        text = [*first]
            .into_iter()
            .chain(rest)
            .collect::<Vec<_>>()
            .join(&format!("{key}_"));
    }
    text
}

/// The lines of a run, parsed.
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    // The shell's own: a minimal Debian has no such program.
    assert!(
        Command::new("sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", name, &pid])
            .status()
            .unwrap()
            .success()
    );
}
