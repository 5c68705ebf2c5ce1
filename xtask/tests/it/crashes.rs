//! SIGKILL and SIGHUP at any point, and a process that is stopped for a while: no lock stays, no Terraform goes on for ever, and the next call converges,
//! with exactly one task.

use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;

use crate::harness::{
    At, FakeBin, Gate, Running, Shared, fault_rounds, has_terraform, state_lock, tasks_of, which,
};

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
    let deadline = Instant::now() + Duration::from_secs(90);
    while has_terraform(shared) {
        assert!(Instant::now() < deadline, "an orphan Terraform goes on");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_killed_apply_is_ended_gracefully_by_its_watcher() {
    let (shared, _lock) = Shared::alone();
    let args = ["try", "my-new-task-name", "--sandbox"];
    for by_us in [true, false] {
        change_something(shared, &format!("killed in the apply, {by_us}"));
        let running = shared.checkout.xtask(args).reattach(by_us).spawn();
        running.wait_for("  apply ").signal(Signal::KILL);
        assert_eq!(running.end().code, 128 + 9);
        wait_for_terraform(shared);
        let lock = state_lock(shared);
        undo(shared);
        assert_eq!(lock, None);
    }
    shared.checkout.xtask(args).run().expect_code(0);
}

/// The next call may plan while the killed one's Terraform still writes the state.
#[test]
fn a_state_that_moved_since_the_plan_is_planned_again() {
    let (shared, _lock) = Shared::alone();
    let folder = shared.checkout.root.join("target/moved");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let script = format!(
        r#"#!/usr/bin/env python3
import json, os, pathlib, subprocess, sys
terraform, moved = "{}", pathlib.Path("{}/moved")
if "apply" in sys.argv and not moved.exists():
    moved.touch()
    state = json.loads(subprocess.check_output([terraform, sys.argv[1], "state", "pull"]))
    state["serial"] += 1
    push = [terraform, sys.argv[1], "state", "push", "-"]
    subprocess.run(push, input=json.dumps(state).encode(), stdout=sys.stderr, check=True)
os.execv(terraform, [terraform, *sys.argv[1:]])
"#,
        which("terraform").display(),
        folder.display()
    );
    let bin = FakeBin::named("moving-terraform").script("terraform", &script);
    let file = "infra/ecs-tasks/template/moved.tf";
    shared.checkout.write(file, "# something to apply\n");
    let ended = shared
        .checkout
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .env("PATH", bin.first())
        .run();
    shared
        .checkout
        .git(["clean", "--quiet", "--force", "infra"]);
    assert!(folder.join("moved").exists(), "{}", ended.stderr);
    ended
        .expect_code(0)
        .expect_stderr("the state has moved since the plan was made: planning again");
}

/// A step, by the beginning of its first line, and how long it takes at most, in milliseconds.
const PHASES: [(&str, u64); 6] = [
    ("  build ", 3_000),
    ("  push ", 60),
    ("  plan ", 4_000),
    ("  apply ", 4_000),
    ("  launch ", 60),
    ("  task ", 1_500),
];

/// How a process ends before its time: at once, or in good order.
const WAYS: [Signal; 3] = [Signal::KILL, Signal::KILL, Signal::HUP];

/// As Ctrl-Z does, or a laptop that sleeps: wherever it is, it goes on from there.
fn stop_for_a_while(running: &Running, dice: &mut Rng) {
    std::thread::sleep(Duration::from_millis(dice.u64(0..600)));
    running.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(dice.u64(0..400)));
    running.signal(Signal::CONT);
}

#[test]
fn killed_anywhere_the_same_call_again_converges_with_one_task() {
    let (shared, _lock) = Shared::alone();
    for round in 0..fault_rounds() {
        let mut dice = Rng::with_seed(u64::try_from(round).unwrap());
        change_something(shared, &format!("killed in round {round}"));
        let author = format!("killed-{round}");
        let mut stopped = 0;
        let args = ["try", "diagnose", "--sandbox", "--author", &author, "--"];
        let args = [&args[..], &["--print", "it runs", "--sleep", "300"]].concat();
        // Of three rounds each kills in an earlier and in a later phase, so that all come up.
        for (phase, longest) in [PHASES[round % 3], PHASES[round % 3 + 3]] {
            let delay = Duration::from_millis(dice.u64(0..longest));
            let signal = WAYS[dice.usize(0..WAYS.len())];
            eprintln!("round {round}: {signal:?} {delay:?} after{phase}");
            let killed = shared.checkout.xtask(&args).reattach(dice.bool());
            let running = killed.spawn();
            running.wait_for(phase);
            std::thread::sleep(delay);
            running.signal(signal);
            let ended = running.end();
            match signal {
                Signal::KILL => assert_eq!(ended.code, 128 + 9),
                // In good order: nothing is held, and a task that ran was stopped.
                _ => {
                    assert_eq!(shared.hold(), None);
                    let ended = ended.expect_code(130);
                    stopped += ended.stderr.matches("was stopped: the command was").count();
                }
            }
        }
        let running = shared.checkout.xtask(&args).spawn();
        stop_for_a_while(&running, &mut dice);
        running.wait_for("it runs").signal(Signal::INT);
        let ended = running.end().expect_code(130);
        undo(shared);
        assert_eq!(
            tasks_of(&shared.endpoint, &author).len(),
            1 + stopped,
            "{}",
            ended.stderr
        );
        wait_for_terraform(shared);
        assert_eq!(state_lock(shared), None);
    }
    let args = ["try", "my-new-task-name", "--sandbox"];
    shared.checkout.xtask(args).run().expect_code(0);
}

/// A call of RunTask may still be on its way when its caller is dead: the record with its token was
/// written before it, so that it is the same task as that of the next call.
#[test]
fn a_launch_that_arrives_after_its_caller_was_killed_is_no_second_task() {
    let (shared, _lock) = Shared::together();
    let gate = Gate::before(&shared.endpoint, At::Request, |head| {
        head.contains("amazonec2containerservicev20141113.runtask")
    });
    let args = [
        "run", "diagnose", "--", "--print", "it runs", "--sleep", "300",
    ];
    let killed = shared.through(&gate, "late", &args).spawn();
    gate.wait();
    killed.signal(Signal::KILL);
    assert_eq!(killed.end().code, 128 + 9);
    let again = shared.through(&gate, "late", &args).spawn();
    again.wait_for("asking once more for api-test-diagnose:");
    again.wait_for("it runs");
    gate.open();
    // A second task would be there at once: RunTask answers when it has one.
    std::thread::sleep(Duration::from_secs(2));
    let tasks = tasks_of(&shared.endpoint, "late");
    again.signal(Signal::INT);
    let ended = again.end().expect_code(130);
    assert_eq!(tasks.len(), 1, "{}", ended.stderr);
}
