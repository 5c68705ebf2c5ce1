//! `try --watch`: what a save does while the loop builds, while it applies, and while it waits.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, test_kill_process};

use crate::harness::{FakeBin, Running, Shared, state_lock, which};

const SOURCE: &str = "api/src/tasks/my_new_task_name.rs";
const WATCHING: &str = "watching: save a file to run it again";

/// A tree that no earlier test has built, so that there is something to build and to apply.
fn change_something(shared: &Shared, what: &str) {
    let text = shared.checkout.read(SOURCE);
    let text = text.replace("Hello from your new background task!", what);
    shared.checkout.write(SOURCE, &text);
}

fn undo(shared: &Shared) {
    shared.checkout.git(["checkout", "--quiet", "--", "api"]);
}

/// As an editor does whose user changed nothing, or changed it back.
fn save(shared: &Shared) {
    let text = shared.checkout.read(SOURCE);
    shared.checkout.write(SOURCE, &text);
}

fn watch(shared: &Shared, variable: &str, value: impl AsRef<std::ffi::OsStr>) -> Running {
    let args = ["try", "my-new-task-name", "--sandbox", "--watch"];
    shared.checkout.xtask(args).env(variable, value).spawn()
}

/// How many loops have begun.
fn loops(running: &Running) -> usize {
    running
        .stderr()
        .matches("  check     my-new-task-name")
        .count()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_save_during_a_build_cancels_it_and_ctrl_c_ends_the_watch() {
    let (shared, _alone) = Shared::alone();
    change_something(shared, "watched while it builds");
    let bin = FakeBin::named("watched-cargo");
    let builds = bin.path("builds");
    let bin = bin.script(
        "cargo",
        &format!(
            "#!/bin/sh\necho $$ >> '{}'\nexec sleep 300\n",
            builds.display()
        ),
    );
    let pids = || -> Vec<i32> {
        let text = std::fs::read_to_string(&builds).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    };
    let is_gone = |pid| test_kill_process(Pid::from_raw(pid).unwrap()).is_err();

    let running = watch(shared, "CARGO", bin.path("cargo"));
    until("the first build", || pids().len() == 1);
    save(shared);
    running.wait_for("a file was saved: starting again");
    until("the second build", || pids().len() == 2);
    assert!(is_gone(pids()[0]), "the first build goes on");
    running.signal(Signal::INT);
    let ended = running.end().expect_code(130);
    until("the second build's end", || is_gone(pids()[1]));
    undo(shared);
    assert_eq!(pids().len(), 2);
    assert!(!ended.stderr.contains(WATCHING), "{}", ended.stderr);
    // A build that was given up has not failed, and is no error.
    let (first, second) = ended.stderr.split_once("starting again\n").unwrap();
    assert!(!first.contains('✗'), "{first}");
    assert!(second.contains("– build     given up"), "{second}");
    assert_eq!(second.matches("error:").count(), 1, "{second}");
}

#[test]
fn ten_saves_during_an_apply_give_one_more_loop_and_no_second_apply() {
    let (shared, _alone) = Shared::alone();
    change_something(shared, "watched while it applies");
    let bin = FakeBin::named("watched-terraform");
    let (applies, gate) = (bin.path("applies"), bin.path("gate"));
    let bin = bin.script(
        "terraform",
        &format!(
            "#!/bin/sh
case \" $* \" in *' apply '*)
  echo apply >> '{}'
  while ! [ -e '{}' ]; do sleep 0.05; done
esac
exec '{}' \"$@\"
",
            applies.display(),
            gate.display(),
            which("terraform").display()
        ),
    );
    let applies = || {
        let text = std::fs::read_to_string(&applies).unwrap_or_default();
        text.lines().count()
    };

    let running = watch(shared, "PATH", bin.first());
    until("the apply", || applies() == 1);
    for _ in 0..10 {
        save(shared);
        // Longer than a burst: each of them is seen by itself.
        std::thread::sleep(Duration::from_millis(450));
    }
    assert_eq!(loops(&running), 1);
    std::fs::write(&gate, "").unwrap();
    running.wait_for(WATCHING);
    assert_eq!(loops(&running), 2, "{}", running.stderr());
    assert_eq!(applies(), 1, "{}", running.stderr());
    assert_eq!(
        running
            .stderr()
            .matches("✓ my-new-task-name exited 0")
            .count(),
        2
    );

    // A burst of saves is one save.
    for _ in 0..20 {
        save(shared);
        std::thread::sleep(Duration::from_millis(40));
    }
    running.wait_for_times(WATCHING, 2);
    assert_eq!(loops(&running), 3, "{}", running.stderr());
    assert_eq!(applies(), 1);

    running.signal(Signal::INT);
    running.end().expect_code(130);
    undo(shared);
    assert_eq!(state_lock(shared), None);
    let status = shared.checkout.xtask(["status", "--sandbox"]).run();
    status.expect_code(0).expect_stdout("nobody");
}
