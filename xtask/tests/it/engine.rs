//! What runs a task's containers is no concern of its user: one list of scenarios for both engines.
//!
//! How a container ends, in every detail, is one list of Python tests for both engines, in
//! `xtask/src/sandbox/ministack/tests`; here is what a user sees of it. What differs is in
//! `xtask/src/sandbox/README.md`.

#![cfg(target_os = "linux")]

mod scenarios;

use crate::harness::{Checkout, FakeBin};

#[test]
fn without_docker_tasks_run_as_processes() {
    let checkout = Checkout::named("engine");
    let on = scenarios::On {
        engine: "process",
        checkout: &checkout,
        without_docker: Some(FakeBin::named("engine").everything_but(&["docker", "dockerd"])),
    };
    scenarios::every_scenario(&on);
    on.xtask(&["sandbox", "up", "--engine", "docker"])
        .run()
        .expect_code(125)
        .expect_stderr("`docker` is not installed");
    on.xtask(&["sandbox", "down"]).run().expect_code(0);
}
