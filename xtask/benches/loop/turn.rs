//! Who takes part, on which sandbox, and one turn of one of them.

use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::classic::{self, Classic};
use crate::floor::Floor;
use crate::harness::proxy::{Profile, Proxy, sequential};
use crate::harness::{Checkout, keys, request};
use crate::{Case, Contender, TASK, clean, report, succeed};

const SOURCE: &str = "api/src/tasks/my_new_task_name.rs";
const TASKS: &str = "infra/ecs-tasks/template/tasks.tf";
const ENVIRONMENTS: &str = "infra/ecs-tasks/environments";

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

/// The checkouts and their sandboxes.
pub struct Bench {
    pub proxy: Proxy,
    tried: Checkout,
    /// The same on a sandbox of its own, whose tasks are processes.
    without_docker: Option<(Checkout, Proxy)>,
    by_hand: Checkout,
    floor: Checkout,
    outputs: Value,
    triple: String,
    /// The image that the classic chain compiles in.
    builder: String,
    terraform_tasks: String,
    /// What the configuration names of the provider's.
    types: Vec<String>,
    turns: u32,
}

impl Bench {
    pub fn set_up() -> Bench {
        let (tried, proxy) = sandbox("bench-try", "docker");
        let endpoint = tried.endpoint();
        let without_docker = cfg!(target_os = "linux").then(|| sandbox("bench-process", "process"));
        let (by_hand, floor) = (
            Checkout::named("bench-classic"),
            Checkout::named("bench-floor"),
        );
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
        let builder = classic::prepare(&by_hand, &triple);
        let terraform_tasks = tried.read(TASKS);
        let infra = tried.root.join("infra");
        let named = succeed(
            Command::new("grep")
                .args(["-rhoE", "--include=*.tf", "aws_[a-z0-9_]+"])
                .arg(infra),
        );
        let types = named.lines().map(str::to_owned).collect();
        Bench {
            proxy,
            tried,
            without_docker,
            by_hand,
            floor,
            outputs: Value::Null,
            triple,
            builder,
            terraform_tasks,
            types,
            turns: 0,
        }
    }

    /// So many task definitions in each environment, all applied, and every cache warm.
    pub fn resize(&mut self, size: u32) {
        let own = self.terraform_tasks.matches("\n      command ").count();
        let more: String = (own..size as usize)
            .map(|number| {
                format!("    bench-{number} = {{\n      command = [\"diagnose\"]\n    }}\n")
            })
            .collect();
        let text =
            self.terraform_tasks
                .replacen("  tasks = {\n", &format!("  tasks = {{\n{more}"), 1);
        let without_docker = self.without_docker.as_ref().map(|(checkout, _)| checkout);
        let others = [&self.tried, &self.by_hand, &self.floor];
        for checkout in others.into_iter().chain(without_docker) {
            checkout.write(TASKS, &text);
            checkout.commit("more tasks");
        }
        let mirror = succeed(Command::new("sh").args(["-c", "for d in ~/.terraform.d/plugins /opt/* /usr/share/terraform/plugins; do [ -d $d/registry.terraform.io ] && printf %s $d && exit; done; true"]));
        for (checkout, name) in [(&self.by_hand, "classic"), (&self.floor, "floor")] {
            let mut init = Command::new("terraform");
            clean(&mut init, &self.proxy, &checkout.root);
            init.current_dir(checkout.root.join(ENVIRONMENTS).join(name))
                .args(["init", "-input=false", "-reconfigure"]);
            if !mirror.is_empty() {
                init.arg(format!("-plugin-dir={mirror}"));
            }
            succeed(&mut init);
        }
        // Nothing of this is measured, and each of these finds its caches warm afterwards.
        for contender in self.contenders() {
            for case in [Case::OneLine, Case::Nothing] {
                self.turn(contender, case);
            }
        }
    }

    /// All that this machine can run.
    pub fn contenders(&self) -> Vec<Contender> {
        let mut all = vec![
            Contender::Classic,
            Contender::Try,
            Contender::TryOrdinary,
            Contender::TryOnly,
            Contender::Floor,
        ];
        all.extend(
            self.without_docker
                .is_some()
                .then_some(Contender::TryWithoutDocker),
        );
        all
    }

    pub fn turn(&mut self, contender: Contender, case: Case) -> Run {
        self.turns += 1;
        let (checkout, proxy) = match contender {
            Contender::Classic => (&self.by_hand, &self.proxy),
            Contender::Try | Contender::TryOrdinary | Contender::TryOnly => {
                (&self.tried, &self.proxy)
            }
            Contender::TryWithoutDocker => {
                let (checkout, proxy) = self.without_docker.as_ref().expect("it is on Linux");
                (checkout, proxy)
            }
            Contender::Floor => (&self.floor, &self.proxy),
        };
        let nonce = format!("turn {}", self.turns);
        change(checkout, case, &nonce);
        let tag = checkout.git(["rev-parse", "HEAD"]).trim().to_owned();
        proxy.take();
        let begun = Instant::now();
        let mut steps = match contender {
            Contender::Classic => self.classic().run(&tag),
            Contender::Try | Contender::TryWithoutDocker => tried(checkout, proxy, &[]),
            Contender::TryOrdinary => tried(checkout, proxy, &["--no-reattach"]),
            Contender::TryOnly => tried(checkout, proxy, &["--only"]),
            Contender::Floor => {
                let mut floor = Floor {
                    proxy: &self.proxy,
                    root: &self.floor.root,
                    outputs: self.outputs.take(),
                    triple: &self.triple,
                    types: &self.types,
                };
                let laps = floor.run(case, &tag);
                self.outputs = floor.outputs;
                laps.steps
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        let trips = proxy.take();
        if contender == Contender::TryOnly {
            // The next one finds all tasks with one image again.
            proxy.behave(Profile::default());
            tried(checkout, proxy, &[]);
            proxy.take();
        }
        if (contender, case) == (Contender::Classic, Case::OneLine) {
            steps.push((
                "(cargo outside of Docker)".to_owned(),
                self.classic().compile_outside(),
            ));
        }
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

    fn classic(&self) -> Classic<'_> {
        Classic {
            proxy: &self.proxy,
            root: &self.by_hand.root,
            builder: &self.builder,
            triple: &self.triple,
        }
    }

    /// What one call of the AWS CLI costs before it does anything, in seconds.
    pub fn cli_start(&self) -> f64 {
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

/// A checkout whose sandbox runs its tasks so, and a proxy before it.
fn sandbox(name: &str, engine: &str) -> (Checkout, Proxy) {
    let tried = Checkout::named(name);
    let up = ["sandbox", "up", "--engine", engine];
    tried.xtask(up).run().expect_code(0);
    let endpoint = tried.endpoint();
    let proxy = Proxy::start(endpoint.rsplit(':').next().unwrap().parse().unwrap());
    keys::know_as(&proxy.endpoint, &endpoint);
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
    (tried, proxy)
}

fn tried(checkout: &Checkout, proxy: &Proxy, flags: &[&str]) -> Vec<(String, f64)> {
    let mut command = checkout
        .xtask(["try", TASK, "--yes", "--author", "bench", "--json"])
        .args(flags)
        .into_command();
    clean(&mut command, proxy, &checkout.root);
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
