//! Checkouts of the repository under test, the binary run in them, and the one sandbox they share.

mod checkout;
mod ended;
mod gate;
mod http;
pub mod keys;
mod path;
#[allow(
    dead_code,
    reason = "the benchmark, which shares it, counts and slows down as well"
)]
pub mod proxy;
pub mod python;
mod running;
mod sandbox;
pub mod served;
mod sharing;
mod wire;

use std::sync::{LazyLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use checkout::{
    Checkout, FakeBin, Invocation, as_if_real, base, copy_folder, repository, target_dir,
};
pub use ended::{Ended, filtered};
pub use gate::{At, Gate};
pub use http::{always_answering, answering, request, stranger};
pub use path::{path, which};
pub use python::Microburst;
pub use running::Running;
pub use sandbox::{Aws, aws, has_terraform, providers, state_lock, tasks_of};
pub use wire::{Behaviour, Wire};

/// A checkout whose sandbox all tests share. Tests that deploy or pause have it to themselves;
/// tests that only launch and look may use it together.
pub struct Shared {
    pub checkout: Checkout,
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    lock: RwLock<()>,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    // The sandbox of the tests' other binary may be on its way down.
    let checkout = Checkout::named(&format!(
        "shared-{}",
        env!("CARGO_CRATE_NAME").replace('_', "-")
    ));
    let ended = checkout
        .xtask(["try", "my-new-task-name", "--sandbox"])
        .run();
    assert_eq!(
        ended.code, 0,
        "the shared sandbox does not come up:\n{}{}",
        ended.stdout, ended.stderr
    );
    let endpoint = checkout.endpoint();
    Shared {
        checkout,
        endpoint,
        lock: RwLock::new(()),
    }
});

impl Shared {
    /// Alone with the sandbox: for what deploys, pauses or breaks something.
    pub fn alone() -> (&'static Shared, RwLockWriteGuard<'static, ()>) {
        // A test that failed while it had the lock has not broken the others.
        (
            &SHARED,
            SHARED
                .lock
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// Together with others: for what launches and looks at what is deployed.
    pub fn together() -> (&'static Shared, RwLockReadGuard<'static, ()>) {
        (
            &SHARED,
            SHARED
                .lock
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

/// How often the tests that break things do it: `XTASK_FAULT_ROUNDS`, else 3.
pub fn fault_rounds() -> usize {
    let rounds = std::env::var("XTASK_FAULT_ROUNDS").ok();
    rounds.map_or(3, |rounds| rounds.parse().unwrap())
}
