//! What holds for both engines, one after the other: `tests/it` runs it on the process engine, and
//! `tests/with_programs` on Docker.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Checkout, FakeBin, Invocation, Running, request};

/// A checkout whose sandbox has one of the engines.
pub struct On<'a> {
    pub engine: &'static str,
    pub checkout: &'a Checkout,
    /// PATH, for a machine that has no docker command and no Engine.
    pub without_docker: Option<FakeBin>,
}

type Scenario = fn(&On);

const SCENARIOS: [(&str, Scenario); 9] = [
    ("the digest that ran", the_digest_that_ran),
    ("two containers", two_containers),
    ("how a task ends", how_a_task_ends),
    ("every line", every_line),
    ("detach and attach", detach_and_attach),
    ("an S3 trigger", an_s3_trigger),
    ("isolated", isolated),
    ("missing image", missing_image),
    ("names", the_engine_is_named),
];

pub fn every_scenario(on: &On) {
    on.deploy_with_a_sidecar();
    // These wait for the clock, so the others run meanwhile.
    let scheduled = on.xtask(&["trigger", "schedule", "nightly-report", "--sandbox"]);
    let scheduled = scheduled.spawn();
    let stubborn = on.asked_to_stop_in_vain();
    for (name, scenario) in SCENARIOS {
        eprintln!("{} engine: {name}", on.engine);
        scenario(on);
    }
    let killed = stubborn.end().expect_code(137);
    killed.expect_stderr("✗ diagnose exited 137 (SIGKILL)\n  why:    it was stopped: enough\n");
    scheduled
        .end()
        .expect_code(0)
        .expect_stderr("✓ nightly-report exited 0");
    on.checkout
        .git(["checkout", "--quiet", "--", "infra", "api"]);
}

impl On<'_> {
    pub fn xtask(&self, args: &[&str]) -> Invocation {
        let invocation = self.checkout.xtask(args);
        match &self.without_docker {
            Some(bin) => invocation
                .env("PATH", bin.only())
                .env("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
            None => invocation,
        }
    }

    fn diagnose(&self, author: &str, args: &[&str]) -> Invocation {
        let mut all = vec!["run", "diagnose", "--sandbox", "--raw", "--author", author];
        all.push("--");
        all.extend(args);
        self.xtask(&all)
    }

    /// The task `diagnose` has a container beside it from now on.
    fn deploy_with_a_sidecar(&self) {
        let file = "infra/ecs-tasks/template/tasks.tf";
        let sidecar = r#"sidecars = [{
        name    = "beside"
        image   = "${var.repository_url}:${var.service_docker_tag}"
        command = ["diagnose", "--print", "from beside"]
      }]
      memory  = 512"#;
        let text = self.checkout.read(file);
        assert_eq!(text.matches("memory  = 512").count(), 1);
        let text = text.replace("memory  = 512", sidecar);
        self.checkout.write(file, &text);
        let args = ["try", "my-new-task-name", "--sandbox"];
        self.xtask(&args)
            .run()
            .expect_code(0)
            .expect_stdout("Hello from your new background task!");
    }

    fn asked_to_stop_in_vain(&self) -> Running {
        let args = ["--print", "it runs", "--sleep", "100", "--ignore-sigterm"];
        let running = self.diagnose("stubborn", &args).spawn();
        running.wait_for("it runs");
        let id = task_id(&running);
        let stop = ["stop", &id, "--sandbox", "--reason", "enough"];
        self.xtask(&stop).run().expect_code(0);
        running
    }

    /// A call of the sandbox's AWS that the tool itself has no use for.
    fn call(&self, target: &str, body: &Value) -> Value {
        let headers = [
            ("X-Amz-Target", target),
            ("Content-Type", "application/x-amz-json-1.1"),
        ];
        let endpoint = self.checkout.endpoint();
        let answer = request(&endpoint, "POST", "/", &headers, &body.to_string());
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

fn task_id(running: &Running) -> String {
    let stderr = running.stderr();
    let line = stderr.lines().find(|line| line.contains("logs of "));
    let id = line.and_then(|line| line.split_whitespace().last());
    id.unwrap_or_else(|| panic!("no task in\n{stderr}"))
        .to_owned()
}

fn the_digest_that_ran(on: &On) {
    let args = ["build-and-publish", "--allow-dirty", "--sandbox"];
    let pushed = on.xtask(&args).run().expect_code(0).stdout;
    let pushed = pushed.trim().rsplit('@').next().unwrap();
    let args = ["run", "my-new-task-name", "--sandbox", "--json"];
    let ended = on.xtask(&args).run().expect_code(0);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let described = on.call(
        "AmazonEC2ContainerServiceV20141113.DescribeTasks",
        &json!({"cluster": "api-test", "tasks": [document["task"]["arn"]]}),
    );
    assert_eq!(
        described["tasks"][0]["containers"][0]["imageDigest"], pushed,
        "{described}"
    );
}

fn two_containers(on: &On) {
    let args = ["--print", "from the task", "--sleep", "1"];
    on.diagnose("two", &args)
        .run()
        .expect_code(0)
        .expect_stdout("from the task\n")
        .expect_stdout("from beside\n");
}

fn how_a_task_ends(on: &On) {
    let cases: [(&[&str], i32, &str); 6] = [
        (&[], 0, "✓ diagnose exited 0\n"),
        (&["--exit-code", "3"], 3, "✗ diagnose exited 3\n"),
        (&["--exit-code", "255"], 255, "✗ diagnose exited 255\n"),
        (
            &["--segfault"],
            139,
            "✗ diagnose exited 139 (SIGSEGV)\n  why:    it read or wrote memory that is not its own (SIGSEGV)\n",
        ),
        (
            &["--panic"],
            101,
            "✗ diagnose exited 101\n  why:    it panicked\n",
        ),
        (
            &["--alloc-mb", "4000"],
            137,
            "✗ diagnose exited 137 (SIGKILL)\n  why:    the container diagnose ran out of memory: it had the task's 512 MiB\n",
        ),
    ];
    for (args, code, words) in cases {
        on.diagnose("ends", args)
            .run()
            .expect_code(code)
            .expect_stderr(words);
    }
}

fn every_line(on: &On) {
    let ended = on.diagnose("lines", &["--lines", "100000"]).run();
    let ended = ended.expect_code(0);
    let numbered = ended.stdout.matches("line ").count();
    assert_eq!(numbered, 100_000, "lines were lost");
}

/// Who leaves a task finds it again; SIGTERM reaches it, and its last line is here.
fn detach_and_attach(on: &On) {
    let mut args = vec!["run", "diagnose", "--sandbox", "--author", "leaver"];
    args.extend(["--on-interrupt", "detach", "--"]);
    args.extend(["--print", "it runs", "--sleep", "100"]);
    let running = on.xtask(&args).spawn();
    running.wait_for("it runs").signal(Signal::INT);
    let id = task_id(&running);
    running.end().expect_code(122);
    args[6] = "stop";
    let again = on.xtask(&args).spawn();
    again
        .wait_for(&format!("attached to {id}"))
        .wait_for("it runs")
        .signal(Signal::INT);
    again
        .end()
        .expect_code(130)
        .expect_stdout("outcome=stopped");
}

fn an_s3_trigger(on: &On) {
    on.checkout.write(
        "target/claims.csv",
        "claim_id,first_day,last_day,weekly_benefit\n1,2026-01-01,2026-01-31,100.00\n",
    );
    let args = ["trigger", "s3", "import-claims", "--sandbox", "--file"];
    let args = [&args[..], &["target/claims.csv"]].concat();
    on.xtask(&args)
        .run()
        .expect_code(0)
        .expect_stderr("✓ import-claims exited 0");
}

fn isolated(on: &On) {
    let args = ["try", "my-new-task-name", "--isolated", "--sandbox"];
    on.xtask(&args)
        .run()
        .expect_code(0)
        .expect_stderr("registered api-test-isolated-my-new-task-name-")
        .expect_stdout("Hello from your new background task!");
}

/// What is in no registry does not run, also where it has run before.
fn missing_image(on: &On) {
    let args = ["build-and-publish", "--allow-dirty", "--sandbox"];
    let pushed = on.xtask(&args).run().expect_code(0).stdout;
    let (reference, _digest) = pushed.trim().split_once('@').unwrap();
    let (_repository, tag) = reference.rsplit_once(':').unwrap();
    let deleted = on.call(
        "AmazonEC2ContainerRegistry_V20150921.BatchDeleteImage",
        &json!({"repositoryName": "api", "imageIds": [{"imageTag": tag}]}),
    );
    assert_eq!(deleted["failures"], json!([]), "{deleted}");
    on.diagnose("missing", &[])
        .run()
        .expect_code(121)
        .expect_stderr("CannotPullContainerError");
    on.xtask(&args).run().expect_code(0);
    on.diagnose("missing", &[]).run().expect_code(0);
}

fn the_engine_is_named(on: &On) {
    let named = format!("engine {}", on.engine);
    on.xtask(&["sandbox", "status"]).run().expect_stdout(&named);
    let ended = on.diagnose("named", &["--exit-code", "4"]).run();
    let verdict = "✗ diagnose exited 4\n  engine: process (without Docker)\n";
    assert_eq!(
        ended.stderr.contains(verdict),
        on.engine == "process",
        "{}",
        ended.stderr
    );
    let runs = std::fs::read_dir(on.checkout.root.join("target/xtask/runs")).unwrap();
    let newest = runs.map(|run| run.unwrap().path()).max().unwrap();
    let summary = std::fs::read_to_string(newest.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["engine"], on.engine, "{summary}");
}
