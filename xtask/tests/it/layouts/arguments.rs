//! What the user's environment tells Terraform: another workspace, other arguments.

use super::edits::{Restored, TASK, layout, nonce, replace, task_that_logs};
use crate::harness::{Checkout, Ended, Invocation, Shared, request};

const TRY: [&str; 3] = ["try", "my-new-task-name", "--raw"];
const TASKS: &str = "infra/ecs-tasks/template/tasks.tf";

fn with_a_banner(checkout: &Checkout) -> String {
    let text = nonce();
    let entry = format!("env     = [{{ name = \"BANNER\", value = {text:?} }}]");
    let tasks = checkout.read(TASKS);
    checkout.write(TASKS, &tasks.replacen("env     = []", &entry, 1));
    let said = "std::env::var(\"BANNER\").unwrap_or_default()";
    checkout.write(&format!("api/{TASK}"), &task_that_logs(said));
    text
}

/// Not with `--yes`: what is planned here must never be applied.
#[test]
fn what_changes_the_meaning_of_a_plan_is_refused_by_name() {
    let (shared, _alone) = Shared::alone();
    shared.by_nobody(&TRY).expect_code(0);
    // A plan means what it says with all of these.
    for (variables, value) in [
        (
            &["TF_CLI_ARGS_plan", "TF_CLI_ARGS_apply"][..],
            "-parallelism=5",
        ),
        (&["TF_CLI_ARGS_plan", "TF_CLI_ARGS", "TF_WORKSPACE"], ""),
        (&["TF_WORKSPACE"], "default"),
    ] {
        let command = shared.from(&shared.checkout, "jo", &TRY);
        let with = |command: Invocation, variable: &&str| command.env(variable, value);
        variables.iter().fold(command, with).run().expect_code(0);
    }
    for (variable, value, named) in [
        ("TF_CLI_ARGS_plan", "-target=module.x", "-target"),
        ("TF_CLI_ARGS_plan", "--target=module.x", "-target"),
        (
            "TF_CLI_ARGS_plan",
            "-parallelism=5 -target module.x",
            "-target",
        ),
        ("TF_CLI_ARGS_apply", "-target=module.x", "-target"),
        ("TF_CLI_ARGS", "-var=a=b", "-var"),
        ("TF_CLI_ARGS_plan", "-var-file=other.tfvars", "-var-file"),
        ("TF_CLI_ARGS_plan", "-destroy", "-destroy"),
        ("TF_CLI_ARGS_plan", "-replace=module.x", "-replace"),
        ("TF_CLI_ARGS_plan", "-refresh-only", "-refresh-only"),
        ("TF_WORKSPACE", "staging", "staging"),
    ] {
        for args in [&TRY[..], &["deploy-test"]] {
            let command = shared.from(&shared.checkout, "jo", args);
            let ended = command.env(variable, value).run().expect_code(126);
            ended.expect_stderr(variable).expect_stderr(named);
        }
    }
}

/// It is a place of its own, and what is in the user's environment is about another one.
#[test]
fn none_of_it_reaches_the_sandbox() {
    let (shared, _alone) = Shared::alone();
    let _restored = Restored(shared);
    let checkout = &shared.checkout;
    let before = (shared.deployed_tag(), checkout.git(["rev-parse", "HEAD"]));
    let ended: Vec<(String, Ended)> = [
        ("TF_CLI_ARGS_plan", "-target=module.x"),
        ("TF_CLI_ARGS", "-var=a=b"),
        ("TF_WORKSPACE", "staging"),
    ]
    .map(|(variable, value)| {
        checkout.git(["reset", "--quiet", "--hard"]);
        let text = with_a_banner(checkout);
        let command = shared.invocation("jo", &TRY).env(variable, value);
        (text, command.run())
    })
    .into();
    checkout.git(["reset", "--quiet", "--hard"]);
    assert_eq!(checkout.git(["rev-parse", "HEAD"]), before.1);
    for (text, ended) in ended {
        ended.expect_code(0).expect_stdout(&text);
    }
    assert_ne!(shared.deployed_tag(), before.0);
}

const BUCKET: &str = "/api-terraform-state-000000000000";
const DEFAULT: &str = "ecs-tasks/test.tfstate";
const STAGING: &str = "env:/staging/ecs-tasks/test.tfstate";
const SIGNED: [(&str, &str); 1] = [(
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=test/20260102/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
)];

fn state(shared: &Shared, key: &str) -> String {
    let path = format!("{BUCKET}/{key}");
    let answer = request(&shared.endpoint, "GET", &path, &SIGNED, "");
    assert_eq!(answer.status, 200, "{key}: {}", answer.body);
    answer.body
}

/// The workspace has a state, which is a copy of the other one's.
#[test]
fn a_workspace_may_be_the_environments_own() {
    let (shared, _alone) = Shared::alone();
    let _restored = Restored(shared);
    shared.by_nobody(&TRY).expect_code(0);
    let default = state(shared, DEFAULT);
    let path = format!("{BUCKET}/{STAGING}");
    let put = request(&shared.endpoint, "PUT", &path, &SIGNED, &default);
    assert_eq!(put.status, 200, "{}", put.body);

    let checkout = layout().with_state_in_the_sandbox();
    let with = |workspace: &str| {
        let args = [&TRY[..], &["--yes"]].concat();
        let command = shared.from(&checkout, "jo", &args);
        command.env("TF_WORKSPACE", workspace)
    };
    // Named by the environment variable, and then where the team names it.
    let text = with_a_banner(&checkout);
    let ended = with("staging").env("XTASK_TERRAFORM_WORKSPACE", "staging");
    ended.run().expect_code(0).expect_stdout(&text);
    let environment = "[workspace.metadata.xtask.environments.test]\n";
    replace(
        &checkout,
        "Cargo.toml",
        environment,
        &format!("{environment}terraform_workspace = \"staging\"\n"),
    );
    checkout.git(["checkout", "--quiet", "--", TASKS]);
    let text = with_a_banner(&checkout);
    with("staging").run().expect_code(0).expect_stdout(&text);
    // What is deployed is what that workspace says.
    for args in [
        &["run", "my-new-task-name"][..],
        &["try", "my-new-task-name", "--isolated"],
    ] {
        let command = shared.from(&checkout, "jo", args);
        let ended = command.env("TF_WORKSPACE", "staging").run();
        ended.expect_code(0).expect_stdout(&text);
    }
    with("default")
        .run()
        .expect_code(126)
        .expect_stderr("TF_WORKSPACE");
    assert!(state(shared, STAGING).contains(&text));
    // Nobody says so in the environment: it is never the default workspace that is applied to.
    checkout.git(["checkout", "--quiet", "--", TASKS]);
    with_a_banner(&checkout);
    let args = [&TRY[..], &["--yes"]].concat();
    shared.from(&checkout, "jo", &args).run();
    assert_eq!(state(shared, DEFAULT), default);
}
