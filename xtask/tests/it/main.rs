//! The tool at its boundary: the real binary, a real sandbox, what a user sees.
//!
//! One binary for all features, so that it links once and its tests share one sandbox. Rust, git and
//! Python are all that these want; a test that is about another program is in `tests/with_programs`:
//! - `adopt`: another repository takes xtask in, in both ways, on two layouts
//! - `the_loop`: build, push, apply, launch, logs, exit code
//! - `skip`: what is applied is not planned again, and what makes it doubtful
//! - `auto_deploy`: what refuses a deploy, and when
//! - `deploys`: what a deploy asks about and refuses
//! - `bad_input`: everything a user can get wrong, and the error that says so
//! - `tasks`: what is written about tasks, and what does not fit
//! - `new_task`: all files of a new task, or none
//! - `crashes`: SIGKILL, SIGHUP and SIGSTOP at any point, and how a rerun converges
//! - `faults`: the loop behind throttling, resets and expired credentials
//! - `phases`: Ctrl-C, SIGTERM and SIGHUP in the build, the plan and the apply
//! - `failures`: a task that fails in every way it can, and what is said about it
//! - `long_logs`: a hundred thousand lines and more, whole and with bounded memory
//! - `loops`: what waits has a bound, a pause and an interrupt
//! - `never_started`: a task that does not get as far as its first line; one of two containers
//! - `interrupts`: Ctrl-C, SIGTERM, SIGHUP, SIGKILL and timeouts while a task runs, and how one comes back
//! - `many`: `run --count`, many tasks at once
//! - `image`: the image without Docker
//! - `engine`: the loop on the process engine, without Docker
//! - `local`: an entrypoint without ECS
//! - `trigger`: schedules and objects start the real container; broken links are named
//! - `tools`: the pinned Terraform, fetched and refused
//! - `hold`: who has the environment, and what that refuses
//! - `isolated`: a try beside what is deployed
//! - `only`: one task tried alone, and taken back
//! - `layouts`: what runs is what is written, in repositories that are laid out otherwise
//! - `release`: what a branch did is put back
//! - `races`: two at once, at the worst moment
//! - `sandbox`: who gets into the sandbox, what it takes along, and how it is found again
//! - `status`: one environment on one screen
//! - `protected`: an environment as prod is one
//! - `policies`: the rights that the code needs, and who has which
//! - `foundation`: how infra/foundation is set up
//! - `doctor`: each prerequisite taken away
//! - `readme`: the way from clone to report, as README has it
//! - `help`: `--help` of every command, and mistyped names
//! - `completions`: completions as bash asks for them
//! - `json`: `--json`, a document or events
//! - `report`: the list of records
//! - `terminal`: plain lines, a CI job's log
//! - `watch`: saves while the loop builds, applies and waits
//! - `workspaces`: a property of random small workspaces: what is read, and nothing else, is a new image
//! - `ministack`: the tests of our MiniStack extension, which are Python

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed unwrap fails the test"
)]
#![allow(clippy::print_stderr, reason = "a test says what it is waiting for")]

mod adopt;
mod auto_deploy;
mod bad_input;
mod completions;
mod crashes;
mod deploys;
mod doctor;
mod engine;
mod failures;
mod faults;
mod foundation;
#[allow(dead_code, reason = "tests/with_programs needs more of it")]
mod harness;
mod help;
mod hold;
mod image;
mod interrupts;
mod isolated;
mod json;
mod layouts;
mod local;
mod long_logs;
mod loops;
mod many;
mod ministack;
mod never_started;
mod new_task;
mod only;
mod phases;
mod policies;
mod protected;
mod provider;
mod races;
mod readme;
mod release;
mod report;
mod sandbox;
mod skip;
mod status;
mod tasks;
mod terminal;
mod the_loop;
mod tools;
mod trigger;
mod watch;
mod workspaces;
