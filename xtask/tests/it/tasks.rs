//! `tasks`: everything that is written about tasks, and what does not fit.

use std::fmt::Write as _;

use expect_test::expect;
use serde_json::json;

use crate::harness::{Checkout, Ended, Shared, aws, filtered};

#[test]
fn what_this_repository_says_about_its_tasks() {
    let checkout = Checkout::named("tasks");
    let ended = checkout.xtask(["tasks"]).run().expect_code(0);
    expect![[r#"
        TASK              ENTRYPOINT                           STARTED BY                                            SECRETS
        my-new-task-name  api/src/tasks/my_new_task_name.rs:9  by hand                                               -
        import-claims     api/src/tasks/import_claims.rs:32    s3 aws_s3_bucket.claims.bucket/incoming/*.csv         -
        nightly-report    api/src/tasks/nightly_report.rs:24   cron(30 3 * * ? *) Europe/Berlin                      -
        diagnose          api/src/tasks/diagnose.rs:62         cron(45 7 ? * MON-FRI *) America/New_York (disabled)  DIAGNOSE_SECRET
    "#]]
    .assert_eq(&filtered(&ended.stdout));
    assert_eq!(ended.stderr, "");
    let check = checkout.xtask(["tasks", "--check"]).run().expect_code(0);
    assert_eq!((check.stdout.as_str(), check.stderr.as_str()), ("", ""));
}

/// Another team's layout, and no Rust in it: fifty tasks, of which six things do not fit.
#[test]
fn six_planted_mistakes_among_fifty_tasks_are_found_and_nothing_else() {
    let checkout = Checkout::empty("fifty-tasks");
    let names: Vec<String> = (1..=50).map(|number| format!("task-{number:02}")).collect();
    checkout.write(
        "Cargo.toml",
        r#"[workspace]
[workspace.metadata.xtask]
app = "pfml"
ecr_repository = "pfml"
platform = "linux/amd64"
pyproject = "api/pyproject.toml"
no_tasks = ["pfml-api"]
default_environment = "test"
github_repository = "example-org/background-tasks"
[workspace.metadata.xtask.environments.test]
aws_account_id = "123456789012"
region = "us-east-1"
terraform_root = "infra/ecs-tasks/environments/test"
"#,
    );
    let write = |planted: bool| {
        let mut scripts = "[tool.poetry.scripts]\npfml-api = \"pfml.server:main\"\n".to_owned();
        let mut tasks = "locals {\n  tasks = {\n".to_owned();
        for name in &names {
            let module = name.replace('-', "_");
            let _ = writeln!(scripts, "{name} = \"pfml.tasks.{module}:main\"");
            let command = match name.as_str() {
                "task-20" if planted => "task-2O",
                name => name,
            };
            let size = match name.as_str() {
                "task-30" if planted => "cpu = 512, memory = 8192, ",
                "task-31" => "cpu = 512, memory = 1024, ",
                _ => "",
            };
            let _ = writeln!(
                tasks,
                "    \"{name}\" = {{ {size}command = [\"{command}\"], env = local.shared }},"
            );
        }
        if planted {
            scripts.push_str("undefined = \"pfml.tasks.undefined:main\"\n");
        }
        tasks.push_str("  }\n  shared = [{ name = \"KEY\", valueFrom = \"/pfml/key\" }]\n}\n");
        let (task, expression, object_task) = if planted {
            ("task-51", "cron(0 25 * * ? *)", "task-52")
        } else {
            ("task-01", "cron(0 5 * * ? *)", "task-02")
        };
        checkout.write("api/pyproject.toml", &scripts);
        checkout.write("infra/ecs-tasks/template/tasks.tf", &tasks);
        checkout.write(
            "infra/ecs-tasks/template/cloudwatch.tf",
            &format!("module \"a\" {{\n  source = \"../../modules/ecs_task_scheduler\"\n  task_name = \"{task}\"\n  schedule_expression = \"rate(1 day)\"\n}}\nmodule \"b\" {{\n  source = \"../../modules/ecs_task_scheduler\"\n  task_definition = aws_ecs_task_definition.all[\"task-03\"].arn\n  schedule_expression = \"{expression}\"\n}}\n"),
        );
        checkout.write(
            "infra/ecs-tasks/template/s3_subscriptions.tf",
            &format!("module \"c\" {{\n  source = \"../../modules/s3_ecs_trigger\"\n  task = local.startable[\"{object_task}\"]\n  bucket = \"in\"\n}}\n"),
        );
    };
    write(false);
    let fits = checkout.xtask(["tasks", "--check"]).run().expect_code(0);
    assert_eq!(fits.stderr, "");
    write(true);
    let ended = checkout.xtask(["tasks", "--check"]).run();
    expect![[r#"
        exit code: 126
        --- stdout
        --- stderr
        api/pyproject.toml:53: the entrypoint undefined has no definition
        infra/ecs-tasks/template/cloudwatch.tf:1: the schedule a starts task-51, which is no task
        infra/ecs-tasks/template/cloudwatch.tf:6: the schedule b: `cron(0 25 * * ? *)`: `25` does not fit the field hours
        infra/ecs-tasks/template/s3_subscriptions.tf:1: the S3 trigger c starts task-52, which is no task
        infra/ecs-tasks/template/tasks.tf:22: the task task-20 runs task-2O, which is no entrypoint
        infra/ecs-tasks/template/tasks.tf:32: the task task-30: Fargate has no cpu 512 with memory 8192: it has 1024 to 4096 in steps of 1024
        error: 6 mistakes in what is written about tasks

        hint: mend what is listed above; an entrypoint that is meant to have no definition goes into no_tasks in Cargo.toml
    "#]]
    .assert_eq(&ended.snapshot());
}

#[test]
fn what_the_environment_says_of_them() {
    let (shared, _lock) = Shared::alone();
    let checkout = &shared.checkout;
    checkout
        .xtask(["run", "diagnose", "--sandbox", "--", "--exit-code", "3"])
        .run()
        .expect_code(3);
    let live = || checkout.xtask(["tasks", "--live", "--sandbox"]).run();
    let row = |ended: &Ended, task: &str| {
        let (_, table) = ended.stdout.split_once("\n\n").unwrap();
        let line = table.lines().find(|line| line.starts_with(task));
        line.unwrap_or_else(|| panic!("{}", ended.stdout))
            .to_owned()
    };
    let ended = live().expect_code(0);
    let line = row(&ended, "diagnose ");
    assert!(
        line.contains("  exited 3, ") && line.contains(" ago  "),
        "{line}"
    );
    assert!(line.ends_with("  DIAGNOSE_SECRET"), "{line}");

    let name = "/api/test/diagnose-secret";
    let gone = json!({ "Name": name });
    aws(&shared.endpoint, "AmazonSSM.DeleteParameter", &gone);
    let ended = live().expect_code(0);
    let line = row(&ended, "diagnose ");
    assert!(line.ends_with("DIAGNOSE_SECRET (missing)"), "{line}");
    checkout
        .xtask(["tasks", "--live", "--check", "--sandbox"])
        .run()
        .expect_code(126)
        .expect_stderr(
            "the task diagnose cannot start in test: DIAGNOSE_SECRET is the secret /api/test/diagnose-secret, which does not exist",
        );
    let again = json!({ "Name": name, "Type": "String", "Value": "an-example-and-no-secret" });
    aws(&shared.endpoint, "AmazonSSM.PutParameter", &again);
    assert_eq!(live().expect_code(0).stderr, "");
}
