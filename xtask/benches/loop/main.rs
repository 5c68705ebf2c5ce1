//! The loop from an edit to an ECS log line, measured: the classic chain by hand, `try`, and the
//! floor, interleaved on one sandbox.
//!
//! ```sh
//! cargo bench -p xtask --bench loop
//! ```
//!
//! All times depend on the machine and on what else it does: the ratios are what counts. Set by
//! environment variables: `BENCH_ROUNDS` (5), `BENCH_SIZES` (10,60,200: task definitions),
//! `BENCH_AWS_ROUNDS` (2) and `BENCH_AWS_SIZES` (10) of the profile that is nearer to AWS,
//! `BENCH_PROVISIONING_SECONDS` there (25), `BENCH_JSON` (a file, beside the table),
//! `BENCH_TRIPS` (set: names the trips before RunTask that waited for each other). `--profile dev`
//! takes the xtask that is built already. The classic chain compiles in an image of this machine's
//! own toolchain, `xtask-bench-builder`, which stays for the next call.
//!
//! The AWS-like profile adds 80 ms to each round trip, the registry's too; registers twenty task
//! definitions at once and then one a second; and provisions for 25 s. Not simulated: TLS, the
//! bandwidth of an uplink, and the time ECS takes to pull.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark stops at the first thing that goes wrong, and its output is its result"
)]

mod classic;
mod floor;
#[path = "../../tests/it/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the end-to-end tests' checkouts and HTTP; not all of it is needed here"
)]
mod harness;
mod report;
mod turn;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::proxy::{Profile, Proxy};
use report::Measured;
use turn::Bench;

pub const TASK: &str = "my-new-task-name";

/// What changed since the last loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Nothing,
    OneLine,
    /// A new commit whose image is the same.
    Docs,
    Terraform,
}

impl Case {
    const ALL: [Case; 4] = [Case::Nothing, Case::OneLine, Case::Docs, Case::Terraform];

    pub fn name(self) -> &'static str {
        match self {
            Case::Nothing => "nothing changed",
            Case::OneLine => "one line changed",
            Case::Docs => "only docs changed",
            Case::Terraform => "Terraform changed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    Classic,
    Try,
    /// Terraform starts the provider each time: `--no-reattach`.
    TryOrdinary,
    /// One task alone gets the image.
    TryOnly,
    /// The sandbox runs the tasks as processes.
    TryWithoutDocker,
    Floor,
}

/// Named stretches of one run, in seconds.
pub struct Laps {
    last: Instant,
    pub steps: Vec<(String, f64)>,
}

impl Laps {
    fn start() -> Laps {
        Laps {
            last: Instant::now(),
            steps: Vec::new(),
        }
    }

    fn lap(&mut self, name: &str) {
        self.steps
            .push((name.to_owned(), self.last.elapsed().as_secs_f64()));
        self.last = Instant::now();
    }
}

/// The target directory that cargo used for this benchmark.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Where cargo builds what this checkout has. Each has its own, as people do: checkouts that share one
/// compile all of the workspace anew whenever they take turns.
pub fn build_folder(checkout: &Path) -> PathBuf {
    let name = checkout.file_name().expect("it is a folder of the harness");
    target().join("bench").join(name)
}

/// What all see of AWS and of the machine, in this checkout.
pub fn clean(command: &mut Command, proxy: &Proxy, checkout: &Path) {
    // `cargo bench` describes the benchmark's crate in the last two, which build scripts watch: the
    // api's dependencies would be compiled anew at each change of contenders.
    let hidden = [
        "AWS_",
        "GITHUB_",
        "GH_",
        "XTASK_",
        "TF_",
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
    ];
    for (key, _) in
        std::env::vars().filter(|(key, _)| hidden.iter().any(|prefix| key.starts_with(prefix)))
    {
        command.env_remove(key);
    }
    let keys = harness::keys::of(&proxy.endpoint).expect("the sandbox is known");
    command
        .env("AWS_ENDPOINT_URL", &proxy.endpoint)
        .env("AWS_ACCESS_KEY_ID", keys.control_id)
        .env("AWS_SECRET_ACCESS_KEY", keys.control_secret)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("GITHUB_API_URL", format!("{}/_github", proxy.endpoint))
        .env("GH_TOKEN", keys.github_token)
        .env("CHECKPOINT_DISABLE", "1")
        .env("CARGO_TARGET_DIR", build_folder(checkout))
        .current_dir(checkout)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!(
                "-Ctarget-feature=+crt-static\u{1f}--remap-path-prefix={}=/cargo",
                cargo_home()
            ),
        );
}

fn cargo_home() -> String {
    std::env::var("CARGO_HOME")
        .unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()))
}

/// Runs to the end and returns stdout.
pub fn succeed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn main() {
    let numbers = |key: &str, default: &str| -> Vec<u32> {
        let text = std::env::var(key).unwrap_or_else(|_| default.to_owned());
        text.split(',')
            .filter(|number| !number.is_empty())
            .map(|number| number.trim().parse().expect(key))
            .collect()
    };
    let one = |key: &str, default: &str| numbers(key, default)[0];
    let near = Profile::default();
    let far = Profile {
        delay: Duration::from_millis(80),
        registrations: Some(20),
        provisioning: Duration::from_secs(one("BENCH_PROVISIONING_SECONDS", "25").into()),
    };
    let mut bench = Bench::set_up();
    let mut measured = Vec::new();
    for (profile_name, profile, rounds, sizes) in [
        (
            "sandbox",
            near,
            one("BENCH_ROUNDS", "5"),
            numbers("BENCH_SIZES", "10,60,200"),
        ),
        (
            "AWS-like",
            far,
            one("BENCH_AWS_ROUNDS", "2"),
            numbers("BENCH_AWS_SIZES", "10"),
        ),
    ] {
        for size in sizes {
            bench.proxy.behave(near);
            bench.resize(size);
            for round in 0..rounds {
                for case in Case::ALL {
                    // Whoever goes first finds the machine as the one before has left it.
                    let mut order = bench.contenders();
                    let plans = matches!(case, Case::OneLine | Case::Terraform);
                    order.retain(|one| plans || *one != Contender::TryOrdinary);
                    let images = case == Case::OneLine;
                    order.retain(|one| images || *one != Contender::TryOnly);
                    // Which engine the sandbox has tells nothing of AWS.
                    order.retain(|one| profile == near || *one != Contender::TryWithoutDocker);
                    let first = round as usize % order.len();
                    order.rotate_left(first);
                    for contender in order {
                        bench.proxy.behave(profile);
                        let run = bench.turn(contender, case);
                        eprintln!(
                            "{profile_name}, {size} definitions, {}: {contender:?} {:.2} s",
                            case.name(),
                            run.seconds
                        );
                        measured.push(Measured {
                            profile: profile_name,
                            size,
                            case,
                            contender,
                            run,
                        });
                    }
                }
            }
        }
    }
    let cli = bench.cli_start();
    let document = report::document(&measured, cli);
    let file =
        std::env::var("BENCH_JSON").map_or_else(|_| target().join("loop.json"), PathBuf::from);
    std::fs::write(&file, serde_json::to_string_pretty(&document).unwrap()).unwrap();
    println!("{}", report::table(&measured, cli));
    println!("as JSON: {}", file.display());
}
