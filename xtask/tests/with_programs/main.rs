//! The end-to-end tests that are about a program which not every machine has. Where it is missing, its
//! tests are shown as ignored, with its name, and never as passed; in CI they fail.
//!
//! A harness of its own, since the standard one knows only at compile time what it ignores. The binary
//! is used like any other: `cargo test -p xtask --test with_programs -- terminal`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed unwrap fails the test"
)]
#![allow(clippy::print_stderr, reason = "a test says what it is waiting for")]

mod completions;
mod docker_context;
mod engine;
#[path = "../it/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "most of it is for the tests that want no other program"
)]
mod harness;
mod image;
mod local;
mod ministack;
mod observed;
mod poetry;
mod programs;
mod registry;
mod report;
mod terminal;
mod tmux;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use programs::{
    BROWSER, BUBBLEWRAP, DOCKER, DOCKER_REGISTRY, FISH, SKOPEO, SYSTEM_PYTHON, TMUX, ZSH, wanting,
};

/// A test that is not in this list is dead code, which the compiler tells.
macro_rules! tests {
    ($($test:path: [$($program:ident),+],)+) => {
        vec![$(wanting(&[$($program),+], stringify!($test), $test)),+]
    };
}

fn main() -> ExitCode {
    let tests: Vec<Trial> = tests![
        completions::fish_completes_tasks_environments_and_options: [FISH],
        completions::zsh_completes_what_is_typed: [ZSH, TMUX],
        docker_context::what_is_in_the_context_is_in_the_image: [DOCKER],
        docker_context::what_the_context_leaves_out_is_no_edit: [DOCKER],
        engine::with_docker: [DOCKER],
        image::both_builders_give_an_image_that_runs_the_same: [DOCKER],
        image::an_image_that_docker_built_is_handed_over_as_a_file: [DOCKER],
        local::in_the_image_with_the_same_variables: [DOCKER],
        ministack::the_extension_passes_its_tests_of_docker: [DOCKER],
        ministack::the_extension_passes_its_tests_of_bubblewrap: [BUBBLEWRAP],
        observed::a_loop_keeps_its_secrets_and_sends_what_aws_takes: [DOCKER],
        poetry::from_the_idea_to_the_run_on_ecs: [DOCKER, SYSTEM_PYTHON],
        registry::another_registry_takes_the_image_and_gives_it_back_whole: [DOCKER_REGISTRY, SKOPEO],
        report::the_page_shows_the_timeline_and_filters_the_log: [BROWSER],
        terminal::init_asks_what_it_cannot_find_out: [TMUX],
        terminal::nothing_is_lost_or_doubled_when_it_scrolls: [TMUX],
        terminal::the_live_view_at_three_widths: [TMUX],
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
