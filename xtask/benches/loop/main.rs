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
//! takes the xtask that is built already.
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

mod floor;
#[path = "../../tests/it/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the end-to-end tests' checkouts and HTTP; not all of it is needed here"
)]
mod harness;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use floor::Floor;
use harness::proxy::{Profile, Proxy, sequential};
use harness::{Checkout, request};
use report::Measured;

pub const TASK: &str = "my-new-task-name";
const SOURCE: &str = "api/src/tasks/my_new_task_name.rs";
const TASKS: &str = "infra/ecs-tasks/template/tasks.tf";
const ENVIRONMENTS: &str = "infra/ecs-tasks/environments";

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

/// What all three see of AWS and of the machine.
pub fn clean(command: &mut Command, proxy: &Proxy) {
    let hidden = ["AWS_", "GITHUB_", "GH_", "XTASK_", "TF_"];
    for (key, _) in
        std::env::vars().filter(|(key, _)| hidden.iter().any(|prefix| key.starts_with(prefix)))
    {
        command.env_remove(key);
    }
    command
        .env("AWS_ENDPOINT_URL", &proxy.endpoint)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("GITHUB_API_URL", format!("{}/_github", proxy.endpoint))
        .env("GH_TOKEN", "a-token")
        .env("CHECKPOINT_DISABLE", "1")
        .env("CARGO_TARGET_DIR", target())
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
                    let mut order = [Contender::Classic, Contender::Try, Contender::Floor];
                    order.rotate_left(round as usize % 3);
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

/// One run of one contender.
#[derive(Debug, Clone)]
pub struct Run {
    pub seconds: f64,
    pub steps: Vec<(String, f64)>,
    /// Requests that had to wait for each other, up to the one that starts the task, and in all.
    pub trips_to_launch: usize,
    pub trips: usize,
    pub bytes: usize,
}

struct Bench {
    proxy: Proxy,
    tried: Checkout,
    by_hand: Checkout,
    floor: Checkout,
    outputs: Value,
    triple: String,
    terraform_tasks: String,
    turns: u32,
}

impl Bench {
    fn set_up() -> Bench {
        let tried = Checkout::named("bench-try");
        tried.xtask(["sandbox", "up"]).run().expect_code(0);
        let endpoint = tried.endpoint();
        let proxy = Proxy::start(endpoint.rsplit(':').next().unwrap().parse().unwrap());
        let (by_hand, floor) = (
            Checkout::named("bench-classic"),
            Checkout::named("bench-floor"),
        );
        // The sandbox's account, met as the real one is: no setting says --sandbox.
        let account = tried
            .read("Cargo.toml")
            .replace("123456789012", "000000000000");
        tried.write("Cargo.toml", &account);
        for environment in ["test", "stage"] {
            let file = format!("{ENVIRONMENTS}/{environment}/main.tf");
            let text = tried.read(&file).replace("123456789012", "000000000000");
            tried.write(&file, &text);
        }
        tried.commit("the account of the sandbox");
        for (checkout, name) in [(&by_hand, "classic"), (&floor, "floor")] {
            let from = checkout.root.join(ENVIRONMENTS).join("stage");
            let to = checkout.root.join(ENVIRONMENTS).join(name);
            succeed(Command::new("cp").arg("-r").args([&from, &to]));
            let file = format!("{ENVIRONMENTS}/{name}/main.tf");
            let text = checkout
                .read(&file)
                .replace("123456789012", "000000000000")
                .replace("stage", name);
            checkout.write(&file, &text);
            checkout.commit("an environment");
            create_cluster(&endpoint, &format!("api-{name}"));
        }
        let version = succeed(Command::new("rustc").arg("-vV"));
        let triple = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap()
            .to_owned();
        let terraform_tasks = tried.read(TASKS);
        Bench {
            proxy,
            tried,
            by_hand,
            floor,
            outputs: Value::Null,
            triple,
            terraform_tasks,
            turns: 0,
        }
    }

    /// So many task definitions in each environment, all applied, and every cache warm.
    fn resize(&mut self, size: u32) {
        let own = self.terraform_tasks.matches("\n      command ").count();
        let more: String = (own..size as usize)
            .map(|number| {
                format!("    bench-{number} = {{\n      command = [\"diagnose\"]\n    }}\n")
            })
            .collect();
        let text =
            self.terraform_tasks
                .replacen("  tasks = {\n", &format!("  tasks = {{\n{more}"), 1);
        for checkout in [&self.tried, &self.by_hand, &self.floor] {
            checkout.write(TASKS, &text);
            checkout.commit("more tasks");
        }
        let mirror = succeed(Command::new("sh").args(["-c", "for d in ~/.terraform.d/plugins /opt/* /usr/share/terraform/plugins; do [ -d $d/registry.terraform.io ] && printf %s $d && exit; done; true"]));
        for (checkout, name) in [(&self.by_hand, "classic"), (&self.floor, "floor")] {
            let mut init = Command::new("terraform");
            clean(&mut init, &self.proxy);
            init.current_dir(checkout.root.join(ENVIRONMENTS).join(name))
                .args(["init", "-input=false", "-reconfigure"]);
            if !mirror.is_empty() {
                init.arg(format!("-plugin-dir={mirror}"));
            }
            succeed(&mut init);
        }
        // Nothing of this is measured, and each of these finds its caches warm afterwards.
        for contender in [Contender::Floor, Contender::Try, Contender::Classic] {
            for case in [Case::OneLine, Case::Nothing] {
                self.turn(contender, case);
            }
        }
    }

    fn turn(&mut self, contender: Contender, case: Case) -> Run {
        self.turns += 1;
        let checkout = match contender {
            Contender::Classic => &self.by_hand,
            Contender::Try => &self.tried,
            Contender::Floor => &self.floor,
        };
        let nonce = format!("turn {}", self.turns);
        change(checkout, case, &nonce);
        let tag = checkout.git(["rev-parse", "HEAD"]).trim().to_owned();
        self.proxy.take();
        let begun = Instant::now();
        let steps = match contender {
            Contender::Classic => self.classic(&tag),
            Contender::Try => self.tried(),
            Contender::Floor => {
                let mut floor = Floor {
                    proxy: &self.proxy,
                    root: &self.floor.root,
                    outputs: self.outputs.take(),
                    triple: &self.triple,
                };
                let laps = floor.run(case, &tag);
                self.outputs = floor.outputs;
                laps.steps
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        let trips = self.proxy.take();
        let launch = trips.iter().position(|trip| trip.what == "RunTask");
        let launch = launch.map_or(Instant::now(), |at| trips[at].begin);
        let before: Vec<_> = trips
            .iter()
            .filter(|trip| trip.end <= launch)
            .cloned()
            .collect();
        let chain = sequential(&before);
        if std::env::var_os("BENCH_TRIPS").is_some() {
            let names: Vec<&str> = chain.iter().map(|trip| trip.what.as_str()).collect();
            eprintln!(
                "  {} before RunTask, one after the other: {}",
                names.len(),
                names.join(", ")
            );
        }
        Run {
            seconds,
            steps,
            trips_to_launch: chain.len(),
            trips: trips.len(),
            bytes: trips.iter().map(|trip| trip.bytes).sum(),
        }
    }

    fn classic(&self, tag: &str) -> Vec<(String, f64)> {
        let root = &self.by_hand.root;
        let context = stage_context(&root.join("target/image"));
        let steps = root.join("target/steps");
        let _ = std::fs::remove_file(&steps);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/loop/classic.sh");
        let mut command = Command::new("bash");
        clean(&mut command, &self.proxy);
        command
            .arg(script)
            .env("TAG", tag)
            .env("REPOSITORY", format!("localhost:{}/api", self.proxy.port))
            .env("ROOT", root)
            .env("CONTEXT", context)
            .env("STEPS", &steps)
            .env("TASK", TASK)
            .env("TRIPLE", &self.triple)
            .env("AWS_DEFAULT_REGION", "us-east-1");
        let said = succeed(&mut command);
        assert!(said.contains("task finished"), "{said}");
        let text = std::fs::read_to_string(steps).unwrap();
        let times: Vec<(String, f64)> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(name, time)| (name.to_owned(), time.parse().unwrap()))
            .collect();
        times
            .windows(2)
            .map(|pair| (pair[1].0.clone(), pair[1].1 - pair[0].1))
            .collect()
    }

    fn tried(&self) -> Vec<(String, f64)> {
        let mut command = self
            .tried
            .xtask(["try", TASK, "--yes", "--author", "bench", "--json"])
            .into_command();
        clean(&mut command, &self.proxy);
        // The flags are its own business.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS");
        let said = succeed(&mut command);
        let document: Value = serde_json::from_str(&said).unwrap();
        assert!(document["log_lines"].as_u64() > Some(0), "{document}");
        let steps = document["steps"].as_array().unwrap().iter();
        steps
            .map(|step| {
                let name = format!(
                    "{}{}",
                    step["step"].as_str().unwrap(),
                    if step["state"] == "skipped" {
                        " (skipped)"
                    } else {
                        ""
                    }
                );
                (name, step["took_ms"].as_f64().unwrap() / 1000.0)
            })
            .collect()
    }

    /// What one call of the AWS CLI costs before it does anything, in seconds.
    fn cli_start(&self) -> f64 {
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let begun = Instant::now();
                succeed(Command::new("aws").arg("--version"));
                begun.elapsed().as_secs_f64()
            })
            .collect();
        report::median(&mut times)
    }
}

fn change(checkout: &Checkout, case: Case, nonce: &str) {
    match case {
        Case::Nothing => {}
        Case::OneLine => {
            let text = checkout.read(SOURCE);
            let start = text.find("info!(\"").unwrap() + 7;
            let end = start + text[start..].find('"').unwrap();
            checkout.write(
                SOURCE,
                &format!("{}Hello from {nonce}{}", &text[..start], &text[end..]),
            );
            checkout.commit(nonce);
        }
        Case::Docs => {
            checkout.write("docs/bench.md", nonce);
            checkout.commit(nonce);
        }
        Case::Terraform => {
            let text = checkout.read(TASKS);
            let start = text.find("my-new-task-name = {").unwrap();
            let env = start + text[start..].find("env     = [").unwrap();
            let end = env + text[env..].find('\n').unwrap();
            let changed = format!("env     = [{{ name = \"TURN\", value = \"{nonce}\" }}]");
            checkout.write(TASKS, &format!("{}{changed}{}", &text[..env], &text[end..]));
            checkout.commit(nonce);
        }
    }
}

/// The Docker context of the classic chain but for its binary.
fn stage_context(context: &Path) -> PathBuf {
    let rootfs = context.join("rootfs");
    std::fs::create_dir_all(rootfs.join("etc/ssl/certs")).unwrap();
    std::fs::create_dir_all(rootfs.join("tmp")).unwrap();
    std::fs::write(rootfs.join("etc/passwd"), "app:x:65532:65532::/:/\n").unwrap();
    if let Ok(bundle) = std::fs::read("/etc/ssl/certs/ca-certificates.crt") {
        std::fs::write(rootfs.join("etc/ssl/certs/ca-certificates.crt"), bundle).unwrap();
    }
    context.to_owned()
}

fn create_cluster(endpoint: &str, name: &str) {
    let headers = [
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260102/us-east-1/ecs/aws4_request, SignedHeaders=host, Signature=0",
        ),
        (
            "X-Amz-Target",
            "AmazonEC2ContainerServiceV20141113.CreateCluster",
        ),
        ("Content-Type", "application/x-amz-json-1.1"),
    ];
    let answer = request(
        endpoint,
        "POST",
        "/",
        &headers,
        &format!(r#"{{"clusterName":"{name}"}}"#),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
}
