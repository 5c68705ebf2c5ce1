//! A record to list and to make a page of.

use serde_json::json;

use crate::harness::Checkout;

pub const RUN: &str = "20260102-030405-1a2b3c";

/// A loop as it is recorded: build and plan side by side, and a task that failed.
pub fn record(checkout: &Checkout) {
    let step = |step: &str, state: &str, start: u64, took: u64| json!({"step": step, "state": state, "what": format!("{step} it"), "start_ms": start, "took_ms": took});
    let summary = json!({
        "schema": 1, "command": "try", "task_name": "nightly-report", "run": RUN, "environment": "test",
        "aws_account_id": "000000000000", "region": "us-east-1", "sandbox": true,
        "github_repository": "example-org/background-tasks", "auto_deploy_workflows": [],
        "started_at": "2026-01-02T03:04:05.000Z", "took_ms": 20_000, "exit_code": 3, "result": null,
        "verdict": {"happened": "nightly-report exited 3", "why": "it </script> says so", "fix": "mend it",
            "origin": "task", "exit_code": 3, "raw": ["EssentialContainerExited: Essential container in task exited"]},
        "errors": [], "warnings": [{"step": "check", "what": "uncommitted changes: api/src/main.rs"}],
        "plan": [], "links": [], "log_lines": 3,
        "steps": [step("check", "done", 0, 500), step("build", "done", 500, 9_400), step("plan", "done", 500, 4_000),
            step("push", "skipped", 10_000, 0), step("apply", "done", 10_000, 3_000), step("task", "done", 13_000, 7_000)],
        "task": {"arn": "arn:aws:ecs:us-east-1:000000000000:task/api-test/0f9", "cluster": "api-test", "status": "STOPPED",
            "log_group": null, "log_stream": null, "created_at": "2026-01-02T03:04:18.000Z",
            "pull_started_at": "2026-01-02T03:04:18.500Z", "pull_stopped_at": "2026-01-02T03:04:19.500Z",
            "started_at": "2026-01-02T03:04:20.000Z", "stopping_at": "2026-01-02T03:04:24.000Z",
            "stopped_at": "2026-01-02T03:04:24.500Z"},
    });
    let folder = format!("target/xtask/runs/{RUN}");
    checkout.write(&format!("{folder}/summary.json"), &summary.to_string());
    checkout.write(&format!("{folder}/build.txt"), "Compiling api\n");
    let lines = [
        r#"{"level":"INFO","message":"task started"}"#,
        "<b>no markup</b> </script><script>document.title = 'driven'</script>",
        r#"{"level":"ERROR","message":"task finished","error":"no such bucket"}"#,
    ];
    let log: String = lines
        .iter()
        .enumerate()
        .map(|(index, message)| {
            let event = json!({"time": "2026-01-02T03:04:20.000Z", "at_ms": 15_000 + index * 1000, "event": "log", "message": message});
            format!("{event}\n")
        })
        .collect();
    checkout.write(&format!("{folder}/log.jsonl"), &log);
}
