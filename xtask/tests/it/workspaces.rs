//! A property of random small workspaces: what the compiler reads leads to a new image when it is
//! edited, and what it does not read to none.
//!
//! Each has a seed, which is printed. `XTASK_PROPERTY_SEEDS` asks for so many others, `XTASK_PROPERTY_SEED`
//! takes one again, and `XTASK_PROPERTY_KEEP` leaves its folder for a look.

mod check;
mod crates;
mod edits;
mod files;
mod generator;
mod published;
mod scripts;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::harness::Shared;
use generator::Workspace;

/// A text that can be found in a binary: one of a length, and unlike any of another run, as ECR is
/// shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    pub fn new(seed: u64, number: usize) -> Nonce {
        Nonce(format!(
            "nonce-{seed:016x}-{}-{number:04}.",
            std::process::id()
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All that are in these bytes.
    pub fn all_in(bytes: &[u8]) -> BTreeSet<String> {
        let length = Nonce::new(0, 0).0.len();
        let parts = bytes.windows(length);
        let parts = parts.filter(|part| part.starts_with(b"nonce-"));
        parts
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    }
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok();
        text.map(|text| text.parse::<u64>().unwrap())
    };
    if let Some(seed) = number("XTASK_PROPERTY_SEED") {
        return vec![seed];
    }
    // The same ten each time, so that a change is judged on what the one before was; asked for by
    // number, others each time. Five digits can be typed again.
    let asked = number("XTASK_PROPERTY_SEEDS");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = asked.map_or(1, |_| u64::from(now.subsec_nanos()) ^ now.as_secs());
    let mut random = fastrand::Rng::with_seed(first);
    let count = asked.unwrap_or(10);
    (0..count).map(|_| random.u64(10_000..100_000)).collect()
}

#[test]
fn what_is_read_leads_to_a_new_image_and_nothing_else_does() {
    let mut failed = Vec::new();
    for seed in seeds() {
        let (shared, _together) = Shared::together();
        let began = Instant::now();
        let mut workspace = Workspace::random(seed);
        eprintln!("seed {seed}: {}", workspace.what.join(", "));
        let held = catch_unwind(AssertUnwindSafe(|| check::holds(shared, &mut workspace)));
        let seconds = began.elapsed().as_secs_f32();
        match held {
            Ok(()) => eprintln!("seed {seed}: holds, {seconds:.1} s"),
            Err(_) => {
                eprintln!("seed {seed}: FAILS after {}", workspace.done.join(", "));
                failed.push(seed);
            }
        }
        if std::env::var_os("XTASK_PROPERTY_KEEP").is_none() {
            workspace.remove();
        }
    }
    if !failed.is_empty() {
        let why = format!("seeds {failed:?} fail: take one again with XTASK_PROPERTY_SEED");
        resume_unwind(Box::new(why));
    }
}
