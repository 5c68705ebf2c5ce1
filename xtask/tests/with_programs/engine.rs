//! The scenarios of `tests/it/engine.rs` with Docker.

#[path = "../it/engine/scenarios.rs"]
mod scenarios;

use crate::harness::Shared;

pub fn with_docker() {
    let (shared, _alone) = Shared::alone();
    scenarios::every_scenario(&scenarios::On {
        engine: "docker",
        checkout: &shared.checkout,
        without_docker: None,
    });
}
