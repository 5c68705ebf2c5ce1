//! Ctrl-C, SIGTERM, SIGHUP, a timeout and a lost terminal while a task runs: what becomes of the task, what
//! the exit code says, and how one comes back to it.

use rustix::process::Signal;

use crate::harness::{Ended, Running, Shared, tasks_of};

/// Launches a task that logs a line and sleeps for a minute. Each test has an author of its own,
/// since the same run by the same person would be attached to.
fn launch(shared: &Shared, author: &str, flags: &[&str]) -> Running {
    let running = start(shared, author, flags);
    running.wait_for("it runs");
    running
}

/// The same, without waiting for the line.
fn start(shared: &Shared, author: &str, flags: &[&str]) -> Running {
    let mut args = vec!["run", "diagnose", "--sandbox", "--author", author];
    args.extend(flags);
    args.extend(["--", "--print", "it runs", "--sleep", "60"]);
    shared.checkout.xtask(args).spawn()
}

fn task_id(stderr: &str) -> String {
    let line = stderr.lines().find(|line| line.contains("logs of "));
    let id = line.and_then(|line| line.split_whitespace().last());
    id.unwrap_or_else(|| panic!("no task in\n{stderr}"))
        .to_owned()
}

/// The file that says which call launched this task.
fn record_of(shared: &Shared, id: &str) -> std::path::PathBuf {
    let runs = std::fs::read_dir(shared.checkout.root.join("target/xtask/runs")).unwrap();
    let mut files = runs.map(|run| run.unwrap().path().join("launch.json"));
    let names = |file: &std::path::PathBuf| {
        std::fs::read_to_string(file).is_ok_and(|text| text.contains(id))
    };
    files.find(names).unwrap()
}

fn stop(shared: &Shared, id: &str) {
    let reason = ["stop", id, "--sandbox", "--reason", "the test is over"];
    shared.checkout.xtask(reason).run().expect_code(0);
}

fn logs(shared: &Shared, id: &str) -> Ended {
    shared
        .checkout
        .xtask(["logs", id, "--follow", "--sandbox"])
        .run()
}

#[test]
fn off_a_terminal_an_interrupt_stops_the_task_and_waits_for_its_last_line() {
    for (signal, author) in [
        (Signal::INT, "sigint"),
        (Signal::TERM, "sigterm"),
        (Signal::HUP, "sighup"),
    ] {
        let (shared, _lock) = Shared::together();
        let running = launch(shared, author, &[]);
        running.signal(signal);
        if signal == Signal::HUP {
            // The shell says so, and then the kernel: nobody is in a hurry.
            running.signal(signal);
        }
        let ended = running.end().expect_code(130);
        let ended = ended
            .expect_stdout("outcome=stopped")
            .expect_stderr("✗ diagnose was stopped: the command was interrupted\n");
        let id = task_id(&ended.stderr);
        let reason = format!("cargo xtask: interrupted by {author}");
        logs(shared, &id).expect_code(0).expect_stderr(&reason);
    }
}

/// The window is closed: every write to the terminal fails from then on, and nobody is there to be asked.
#[test]
fn a_terminal_that_is_closed_stops_the_task() {
    let (shared, _lock) = Shared::together();
    let script = r#"
import os, pty, sys
process, terminal = pty.fork()
if process == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"it runs" not in seen:
    seen += os.read(terminal, 4096)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"#;
    let run = [
        "run",
        "diagnose",
        "--sandbox",
        "--author",
        "closed",
        "--",
        "--print",
        "it runs",
    ];
    let output = shared
        .checkout
        .program("python3")
        .args(["-c", script, env!("CARGO_BIN_EXE_xtask")])
        .args(run)
        .args(["--sleep", "60"])
        .output()
        .unwrap();
    Ended::of(output).expect_code(0).expect_stdout("130\n");
    let tasks = tasks_of(&shared.endpoint, "closed");
    let [task] = &tasks[..] else {
        panic!("{tasks:?}")
    };
    let id = task.rsplit('/').next().unwrap();
    logs(shared, id)
        .expect_code(0)
        .expect_stderr("cargo xtask: interrupted by closed");
}

#[test]
fn a_second_interrupt_leaves_at_once_and_says_what_goes_on() {
    let (shared, _lock) = Shared::together();
    let mut args = vec![
        "run",
        "diagnose",
        "--sandbox",
        "--author",
        "impatient",
        "--",
    ];
    args.extend(["--print", "it runs", "--sleep", "60", "--ignore-sigterm"]);
    let running = shared.checkout.xtask(args).spawn();
    running.wait_for("it runs").signal(Signal::INT);
    running.wait_for("waiting for its end; Ctrl-C leaves at once");
    running.signal(Signal::INT);
    let ended = running.end().expect_code(130);
    let id = task_id(&ended.stderr);
    ended.expect_stderr(&format!("left; the task {id} was asked to stop\n"));
}

#[test]
fn a_detached_task_goes_on_and_the_same_run_attaches_to_it() {
    let (shared, _lock) = Shared::together();
    let running = launch(shared, "detacher", &["--on-interrupt", "detach"]);
    running.signal(Signal::INT);
    let ended = running.end().expect_code(122);
    let id = task_id(&ended.stderr);
    let ended = ended.expect_stderr(&format!("error: detached; the task {id} goes on running\n"));
    ended.expect_stderr(&format!("cargo xtask logs {id} --follow --sandbox\n"));

    // The same run again is not a second task, and its log is there from the first line.
    let again = launch(shared, "detacher", &["--on-interrupt", "detach"]);
    again.wait_for(&format!("attached to {id}, which detacher started"));
    again.signal(Signal::INT);
    assert_eq!(task_id(&again.end().expect_code(122).stderr), id);

    // Another machine has no records of ours, and the task's tags are enough.
    let record = record_of(shared, &id);
    std::fs::remove_file(record).unwrap();
    let elsewhere = launch(shared, "detacher", &[]);
    elsewhere.wait_for(&format!("attached to {id}"));

    // Who asks for another one gets it; and who looks on ends with what the task ended with.
    let another = launch(shared, "detacher", &["--again"]);
    let other = task_id(&another.stderr());
    assert_ne!(other, id);
    let onlooker = shared
        .checkout
        .xtask(["logs", &id, "--follow", "--sandbox"])
        .spawn();
    onlooker.wait_for("it runs");
    stop(shared, &id);
    stop(shared, &other);
    let words = "UserInitiated: the test is over";
    onlooker.end().expect_code(0).expect_stderr(words);
    elsewhere
        .end()
        .expect_code(143)
        .expect_stderr("the test is over");
    another
        .end()
        .expect_code(143)
        .expect_stderr("the test is over");
}

#[test]
fn leaving_a_look_at_a_log_stops_nothing() {
    let (shared, _lock) = Shared::together();
    let running = launch(shared, "looked-at", &[]);
    let id = task_id(&running.stderr());
    let onlooker = shared
        .checkout
        .xtask(["logs", &id, "--follow", "--sandbox"])
        .spawn();
    onlooker.wait_for("it runs").signal(Signal::INT);
    onlooker
        .end()
        .expect_code(122)
        .expect_stderr("goes on running");
    running.signal(Signal::INT);
    running.end().expect_code(130);
}

#[test]
fn a_timeout_stops_the_task_or_leaves_it() {
    let (shared, _lock) = Shared::together();
    // A busy machine needs seconds for a container.
    let stopped = launch(shared, "timed-out", &["--timeout", "6s"])
        .end()
        .expect_code(124);
    stopped
        .expect_stdout("outcome=stopped")
        .expect_stderr("✗ diagnose was stopped: it had not ended within --timeout 6.0 s\n");
    let flags = ["--timeout", "1s", "--on-timeout", "leave"];
    // On a busy machine it is left before it has printed anything.
    let left = start(shared, "timed-out", &flags).end().expect_code(124);
    let id = task_id(&left.stderr);
    left.expect_stderr(&format!(
        "error: the task {id} has not ended within 1.0 s, and goes on running"
    ));
    stop(shared, &id);
    // A timeout that is not reached changes nothing.
    let flags = [
        "run",
        "diagnose",
        "--sandbox",
        "--timeout",
        "60s",
        "--",
        "--exit-code",
        "4",
    ];
    shared.checkout.xtask(flags).run().expect_code(4);
}

#[test]
fn a_killed_follow_loses_no_task() {
    let (shared, _lock) = Shared::together();
    let killed = launch(shared, "killed", &[]);
    let id = task_id(&killed.stderr());
    killed.signal(Signal::KILL);
    assert_eq!(killed.end().code, 128 + 9);
    let rerun = launch(shared, "killed", &[]);
    rerun
        .wait_for(&format!("attached to {id}"))
        .signal(Signal::INT);
    rerun
        .end()
        .expect_code(130)
        .expect_stdout("outcome=stopped");
}
