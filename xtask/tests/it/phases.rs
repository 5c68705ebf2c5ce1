//! Ctrl-C, SIGTERM and a lost terminal before the task runs: in the build, in the plan, in the apply. Terraform is asked
//! once, the state's lock is given back, and nothing goes on in the background.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{FakeBin, Shared, has_terraform, state_lock, which};

const TRY: [&str; 3] = ["try", "my-new-task-name", "--sandbox"];
/// The terminal's Ctrl-C, what a CI system sends, and what a terminal sends that is closed: all three are
/// one thing, so that each phase meets two of them.
const IN_BUILD: [Signal; 2] = [Signal::INT, Signal::HUP];
const IN_PLAN: [Signal; 2] = [Signal::TERM, Signal::HUP];
const IN_APPLY: [Signal; 2] = [Signal::HUP, Signal::TERM];

/// Terraform behind a program that writes down each SIGINT that reaches it: the group is signalled, so
/// that Terraform gets the same ones.
struct CountingTerraform {
    bin: FakeBin,
    folder: PathBuf,
}

impl CountingTerraform {
    fn named(shared: &Shared, name: &str) -> Self {
        let folder = shared.checkout.root.join("target").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let script = format!(
            r#"#!/usr/bin/env python3
import pathlib, signal, subprocess, sys
folder = pathlib.Path("{}")
verb = sys.argv[2] if len(sys.argv) > 2 else sys.argv[1]
def count(*_):
    with open(folder / (verb + ".interrupts"), "a") as file:
        file.write("SIGINT\n")
signal.signal(signal.SIGINT, count)
(folder / (verb + ".started")).touch()
code = subprocess.run(["{}", *sys.argv[1:]]).returncode
sys.exit(code if code >= 0 else 128 - code)
"#,
            folder.display(),
            which("terraform").display()
        );
        CountingTerraform {
            bin: FakeBin::named(name).script("terraform", &script),
            folder,
        }
    }

    fn has_started(&self, verb: &str) -> bool {
        self.folder.join(format!("{verb}.started")).exists()
    }

    fn interrupts(&self, verb: &str) -> usize {
        let file = self.folder.join(format!("{verb}.interrupts"));
        fs::read_to_string(file).map_or(0, |text| text.lines().count())
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        // Each look may be a request, which the sandbox answers one after the other.
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_interrupt_in_the_build_ends_the_compiler() {
    let (shared, _lock) = Shared::alone();
    let started = shared.checkout.root.join("target/compiler");
    let script = format!(
        "#!/bin/sh\necho $$ > '{}'\nexec sleep 300\n",
        started.display()
    );
    let bin = FakeBin::named("endless-cargo").script("cargo", &script);
    shared.checkout.another_image("interrupted");
    for signal in IN_BUILD {
        let _ = fs::remove_file(&started);
        let running = shared
            .checkout
            .xtask(TRY)
            .env("CARGO", bin.path("cargo"))
            .spawn();
        let compiler = || fs::read_to_string(&started).is_ok_and(|text| text.ends_with('\n'));
        wait_until("no compiler was started", compiler);
        running.signal(signal);
        running.end().expect_code(130).expect_stderr("interrupted");
        let compiler = fs::read_to_string(&started).unwrap();
        let program = PathBuf::from(format!("/proc/{}/exe", compiler.trim()));
        wait_until("the compiler goes on", || !program.exists());
        wait_until("an orphan Terraform goes on", || !has_terraform(shared));
        assert_eq!(state_lock(shared), None);
    }
    shared.checkout.as_committed();
}

#[test]
fn an_interrupt_in_the_plan_is_one_sigint_to_terraform() {
    let (shared, _lock) = Shared::alone();
    for (number, signal) in IN_PLAN.into_iter().enumerate() {
        let terraform = CountingTerraform::named(shared, "terraform-planning");
        // What is applied already is not planned.
        let file = "infra/ecs-tasks/template/interrupted.tf";
        shared
            .checkout
            .write(file, &format!("# not planned yet: {number}\n"));
        let running = shared
            .checkout
            .xtask(TRY)
            .env("PATH", terraform.bin.first())
            .reattach(number == 0)
            .spawn();
        wait_until("no plan was started", || terraform.has_started("plan"));
        running.signal(signal);
        running
            .end()
            .expect_code(130)
            .expect_stderr("error: interrupted while planning ");
        wait_until("an orphan Terraform goes on", || !has_terraform(shared));
        assert_eq!(terraform.interrupts("plan"), 1);
        assert!(!terraform.has_started("apply"));
        assert_eq!(state_lock(shared), None);
    }
    shared
        .checkout
        .git(["clean", "--quiet", "--force", "infra"]);
}

#[test]
fn an_interrupt_in_the_apply_is_one_sigint_and_leaves_no_lock() {
    let (shared, _lock) = Shared::alone();
    for (number, signal) in IN_APPLY.into_iter().enumerate() {
        let terraform = CountingTerraform::named(shared, "terraform-applying");
        let file = "infra/ecs-tasks/template/interrupted.tf";
        shared.checkout.write(file, &format!("# {number}\n"));
        let running = shared
            .checkout
            .xtask(TRY)
            .env("PATH", terraform.bin.first())
            .reattach(number == 0)
            .spawn();
        wait_until("the apply takes no lock", || state_lock(shared).is_some());
        running.signal(signal);
        let ended = running.end();
        // It was waited for: there is nothing left to do when the command ends.
        assert_eq!(state_lock(shared), None);
        assert!(!has_terraform(shared));
        assert_eq!(terraform.interrupts("apply"), 1);
        ended
            .expect_code(130)
            .expect_stderr("error: interrupted while applying ")
            .expect_stderr(": Terraform was asked once to stop and ended by itself\n");
    }
    shared
        .checkout
        .git(["clean", "--quiet", "--force", "infra"]);
    shared.checkout.xtask(TRY).run().expect_code(0);
}
