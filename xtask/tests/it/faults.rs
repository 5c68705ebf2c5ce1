//! The whole loop with a bad network and a busy AWS between it and the sandbox: what is throttled,
//! delayed, refused for a moment or reset is done all the same, and exactly once.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    Behaviour, Checkout, Invocation, Microburst, Wire, as_if_real, aws, fault_rounds, tasks_of,
};

#[test]
fn the_loop_succeeds_behind_throttling_and_resets() {
    let mut wire = Wire::bind();
    let checkout = Checkout::named("faults").with_state_in_the_sandbox();
    // The registry is where the repository's URI says, and that is the wire.
    checkout
        .xtask(["sandbox", "up"])
        .env("SANDBOX_REGISTRY", format!("localhost:{}", wire.port))
        .run()
        .expect_code(0);
    let sandbox = checkout.endpoint();
    let port = sandbox.rsplit(':').next().unwrap().parse().unwrap();
    let microburst = Microburst::before(port);
    wire.serve(Behaviour {
        sandbox: port,
        aws: microburst.port,
        reset_percent: 10,
        seed: 1,
    });
    let xtask =
        |args: &[&str]| -> Invocation { as_if_real(checkout.xtask(args), &wire.endpoint()) };

    // The first apply makes everything there is, and Terraform waits long between its own attempts:
    // the rounds are about what a loop does every day.
    let first = ["try", "my-new-task-name", "--yes"];
    as_if_real(checkout.xtask(first), &sandbox)
        .run()
        .expect_code(0);
    microburst.rules(&busy());
    for round in 0..fault_rounds() {
        // Another image each time, so that there is something to push and to apply.
        checkout.another_image(&format!("round {round}"));
        let author = format!("round-{round}");
        let line = format!("this is round {round}");
        let args = ["try", "diagnose", "--yes", "--author", &author, "--"];
        let args = [&args[..], &["--print", &line, "--exit-code", "3"]].concat();
        let running = xtask(&args).reattach(round % 2 == 0).spawn();
        // A laptop that sleeps for a moment: connections and leases go on without it.
        running.wait_for("  build ").signal(Signal::STOP);
        std::thread::sleep(Duration::from_millis(200));
        running.signal(Signal::CONT);
        let ended = running.end().expect_code(3);
        assert_eq!(ended.stdout.matches(&line).count(), 1, "{}", ended.stdout);
        // An answer of RunTask that got lost is not a second task.
        assert_eq!(tasks_of(&sandbox, &author).len(), 1, "{}", ended.stderr);
        eprintln!(
            "round {round}: {} faults and {} resets so far",
            microburst.fired(),
            wire.resets()
        );
    }
    assert!(
        microburst.fired() > 0 && wire.resets() > 0,
        "nothing was broken"
    );

    a_refused_launch_is_over(&xtask, &microburst, &checkout);
    credentials_expire(&xtask, &microburst, &sandbox);
}

/// The same command is another call then, with what is deployed by now.
fn a_refused_launch_is_over(
    xtask: &dyn Fn(&[&str]) -> Invocation,
    microburst: &Microburst,
    checkout: &Checkout,
) {
    microburst.rules(&json!([{
        "service": "ecs",
        "operation": "RunTask",
        "error": { "code": "InvalidParameterException", "status": 400 },
    }]));
    let args = [
        "run",
        "diagnose",
        "--author",
        "refused",
        "--",
        "--exit-code",
        "4",
    ];
    xtask(&args)
        .run()
        .expect_code(125)
        .expect_stderr("InvalidParameterException");
    microburst.rules(&json!([]));
    let again = xtask(&args).run().expect_code(4);
    assert!(
        !again.stderr.contains("asking once more"),
        "{}",
        again.stderr
    );
    let runs = std::fs::read_dir(checkout.root.join("target/xtask/runs")).unwrap();
    let launches = runs.filter_map(|run| {
        let text = std::fs::read(run.unwrap().path().join("launch.json")).ok()?;
        serde_json::from_slice::<Value>(&text).ok()
    });
    let of_this = launches.filter(|launch| launch["launch"]["started_by"] == "refused");
    let ended: Vec<Value> = of_this.map(|launch| launch["ended"].clone()).collect();
    assert_eq!(ended, [true, true]);
}

/// In the middle of a run: what is known is said, and the same command finds the task again.
fn credentials_expire(
    xtask: &dyn Fn(&[&str]) -> Invocation,
    microburst: &Microburst,
    sandbox: &str,
) {
    microburst.rules(&json!([]));
    let args = [
        "run", "diagnose", "--author", "expired", "--", "--print", "it runs", "--sleep", "100",
    ];
    let running = xtask(&args).spawn();
    running.wait_for("it runs");
    microburst.rules(&json!([
        { "service": "*", "error": { "code": "ExpiredTokenException", "status": 400 } }
    ]));
    let ended = running.end().expect_code(125);
    microburst.rules(&json!([]));
    let tasks = tasks_of(sandbox, "expired");
    let [task] = &tasks[..] else {
        panic!("{tasks:?}")
    };
    let id = task.rsplit('/').next().unwrap();
    ended
        .expect_stderr(&format!(
            "lost sight of the task {id}, which may go on running"
        ))
        .expect_stderr("the credentials have expired: log in again")
        .expect_stderr(&format!("cargo xtask logs {id} --follow"));
    let again = xtask(&args).spawn();
    again.wait_for(&format!("attached to {id}"));
    let stop = json!({ "cluster": "api-test", "task": id, "reason": "the test is over" });
    aws(
        sandbox,
        "AmazonEC2ContainerServiceV20141113.StopTask",
        &stop,
    );
    again.end().expect_code(143);
}

/// Three of ten calls of the tool are throttled, one of twenty finds the service away, one of ten is
/// slow; the first rule that fires counts.
///
/// Terraform meets a third of that, for the time that it takes and not because it would fail. It has
/// 25 attempts for each of the hundred calls of a round, and its backend as many as the root's
/// `max_retries`, but it waits up to 1, 2, 4, … s between them, where we wait from 0.2 s on. When four of
/// ten fail, some call is tried six times in most rounds. At the full rate, three rounds took
/// 86, 90 and 52 s, with six attempts of one call at the most; at a third of it, 30, 39 and 26 s. All six
/// ended well.
fn busy() -> Value {
    let rule = |agent: &str, service: &str, probability: f64, code: &str, status: u16| {
        json!({
            "service": service,
            "headers": { "user-agent": agent },
            "probability": probability,
            "error": { "code": code, "status": status },
        })
    };
    let mut rules = Vec::new();
    for (agent, part) in [("aws-sdk-rust", 1.0), ("Terraform", 1.0 / 3.0)] {
        rules.push(rule(agent, "s3", 0.3 * part, "SlowDown", 503));
        rules.push(rule(agent, "*", 0.05 * part, "ServiceUnavailable", 503));
        for service in [
            "ec2",
            "ecr",
            "ecs",
            "events",
            "iam",
            "logs",
            "scheduler",
            "sqs",
            "ssm",
            "sts",
        ] {
            rules.push(rule(agent, service, 0.3 * part, "ThrottlingException", 400));
        }
    }
    let slow = json!({ "min": 100, "max": 800 });
    rules.push(json!({ "service": "*", "probability": 0.1, "latency": slow }));
    Value::Array(rules)
}
