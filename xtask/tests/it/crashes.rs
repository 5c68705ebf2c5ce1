//! SIGKILL while Terraform works: no lock stays, no Terraform goes on for ever, and the next call
//! converges.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Shared, state_lock};

/// A tree that no earlier test has deployed, so that there is something to build and to apply.
fn change_something(shared: &Shared, what: &str) {
    let file = "api/src/tasks/my_new_task_name.rs";
    let text = shared.checkout.read(file);
    let text = text.replace("Hello from your new background task!", what);
    shared.checkout.write(file, &text);
}

fn undo(shared: &Shared) {
    shared.checkout.git(["checkout", "--quiet", "--", "api"]);
}

/// Waits until no Terraform works on this checkout any more.
fn wait_for_terraform(shared: &Shared) {
    let root = shared.checkout.root.to_string_lossy().into_owned();
    let deadline = Instant::now() + Duration::from_secs(90);
    while is_running(&format!("-chdir={root}")) {
        assert!(Instant::now() < deadline, "an orphan Terraform goes on");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn is_running(argument: &str) -> bool {
    let processes = std::process::Command::new("ps")
        .args(["-e", "-ww", "-o", "args="])
        .output()
        .unwrap();
    String::from_utf8_lossy(&processes.stdout)
        .lines()
        .any(|process| process.starts_with("terraform ") && process.contains(argument))
}

#[test]
fn a_killed_apply_is_ended_gracefully_by_its_watcher() {
    let (shared, _lock) = Shared::alone();
    let args = ["try", "my-new-task-name", "--sandbox"];
    change_something(shared, "killed in the apply");
    let running = shared.checkout.xtask(args).spawn();
    running.wait_for("  apply ").signal(Signal::KILL);
    assert_eq!(running.end().code, 128 + 9);
    wait_for_terraform(shared);
    let lock = state_lock(shared);
    undo(shared);
    shared.checkout.xtask(args).run().expect_code(0);
    assert_eq!(lock, None);
}
