//! `new-task`: all files of a new task, or none.

use std::process::Command;

use expect_test::expect;

use crate::harness::{Checkout, filtered, which};

#[test]
fn a_scheduled_task_with_a_secret() {
    let checkout = Checkout::named("new-task");
    let ended = checkout
        .xtask([
            "new-task",
            "send-letters",
            "--schedule",
            "cron(30 3 * * ? 2199)",
            "--timezone",
            "Europe/Berlin",
            "--cpu",
            "512",
            "--env-var",
            "SENDER=us",
            "--secret",
            "SMTP_PASSWORD=/api/test/smtp",
        ])
        .run();
    expect![[r#"
        exit code: 0
        --- stdout
        api/src/tasks/send_letters.rs
        api/src/tasks.rs
        infra/ecs-tasks/template/tasks.tf
        infra/ecs-tasks/template/cloudwatch.tf
        --- stderr
        next:
          write what it does: api/src/tasks/send_letters.rs
          run it here:        cargo xtask local send-letters
          run it on ECS:      cargo xtask try send-letters
          fire its schedule:  cargo xtask trigger schedule send-letters
          make the secret:    /api/test/smtp must exist before send-letters starts with SMTP_PASSWORD
    "#]]
    .assert_eq(&ended.snapshot());
    // Nothing but added lines: comments and formatting of all that was there are kept.
    checkout.git(["add", "--all"]);
    let diff = checkout.git(["diff", "--cached", "--unified=0", "--no-color"]);
    let changed: String = diff
        .lines()
        .filter(|line| line.starts_with("+++") || !line.starts_with(['@', 'd', 'i', 'n', '-']))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        !diff
            .lines()
            .any(|line| line.starts_with('-') && !line.starts_with("---")),
        "{diff}"
    );
    expect![[r#"
        +++ b/api/src/tasks.rs
        +mod send_letters;
        +++ b/api/src/tasks/send_letters.rs
        +//! `send-letters`: started by a schedule.
        +
        +use anyhow::Result;
        +use tracing::info;
        +
        +use crate::background_task::background_task;
        +
        +/// Says hello.
        +#[background_task("send-letters")]
        +async fn main() -> Result<()> {
        +    info!("Hello from send-letters!");
        +    Ok(())
        +}
        +++ b/infra/ecs-tasks/template/cloudwatch.tf
        +module "send_letters" {
        +  source = "../../modules/ecs_task_scheduler"
        +
        +  name   = "${local.prefix}-send-letters"
        +  task   = local.startable["send-letters"]
        +  target = local.target
        +
        +  schedule_expression          = "cron(30 3 * * ? 2199)"
        +  schedule_expression_timezone = "Europe/Berlin"
        +
        +  overrides = { environment = { TASK_AUTHOR = "schedule/send-letters" } }
        +
        +  dead_letter_arn      = local.dead_letter_arn
        +  permissions_boundary = local.permissions_boundary
        +  role_path            = local.iam_path
        +}
        +
        +++ b/infra/ecs-tasks/template/tasks.tf
        +
        +    send-letters = {
        +      command = ["send-letters"]
        +      cpu     = 512
        +      memory  = 1024
        +      env = [
        +        { name = "SENDER", value = "us" },
        +        { name = "SMTP_PASSWORD", valueFrom = "/${var.app}/${var.environment}/smtp" },
        +      ]
        +    }
    "#]]
    .assert_eq(&filtered(&changed));
    require_formatted(&checkout);
    checkout.xtask(["tasks", "--check"]).run().expect_code(0);
}

#[test]
fn a_task_for_each_object() {
    let checkout = Checkout::named("new-task-s3");
    checkout
        .xtask([
            "new-task",
            "read-letters",
            "--on-s3",
            "claims/letters/*.pdf",
        ])
        .run()
        .expect_code(0)
        .expect_stderr("cargo xtask trigger s3 read-letters --file example.pdf");
    let triggers = checkout.read("infra/ecs-tasks/template/s3_subscriptions.tf");
    for line in [
        "  bucket = aws_s3_bucket.claims.bucket\n  prefix = \"letters/\"\n  suffix = \".pdf\"\n",
        "  command = local.tasks[\"read-letters\"].command\n",
    ] {
        assert!(triggers.contains(line), "no {line} in\n{triggers}");
    }
    require_formatted(&checkout);
    checkout.xtask(["tasks", "--check"]).run().expect_code(0);
    // The second of the same name changes nothing.
    checkout.commit("the new task");
    checkout
        .xtask(["new-task", "read-letters"])
        .run()
        .expect_code(125)
        .expect_stderr(
            "the entrypoint `read-letters` is there already, at api/src/tasks/read_letters.rs",
        )
        .expect_stderr(
            "the task `read-letters` is defined already, at infra/ecs-tasks/template/tasks.tf",
        );
    assert_eq!(checkout.git(["status", "--porcelain"]), "");
}

#[test]
fn what_aws_would_refuse_is_refused_before_anything_is_written() {
    let checkout = Checkout::named("new-task-refused");
    for (args, why) in [
        (&["My_Task"][..], "`My_Task` cannot name a task"),
        (&["diagnose"], "is defined already"),
        (&["x-y", "--cpu", "300"], "Fargate has no cpu 300"),
        (
            &["x-y", "--cpu", "256", "--memory", "8192"],
            "it has 512, 1024 and 2048",
        ),
        (
            &[
                "x-y",
                "--schedule",
                "cron(0 0 * * * *)",
                "--timezone",
                "UTC",
            ],
            "one of day-of-month",
        ),
        (
            &["x-y", "--schedule", "rate(1 day)", "--timezone", "CET/DST"],
            "not a time zone",
        ),
        (&["x-y", "--schedule", "rate(1 day)"], "--timezone"),
        (&["x-y", "--env-var", "ENVIRONMENT=x"], "set for every task"),
        (
            &["x-y", "--secret", "KEY=plain-text"],
            "neither the name of an SSM parameter",
        ),
        (&["x-y", "--on-s3", "Bucket/in/"], "is no bucket"),
        (&["match"], "word of the language"),
    ] {
        let ended = checkout.xtask(["new-task"].iter().chain(args)).run();
        assert!([2, 125].contains(&ended.code), "{args:?}: {}", ended.code);
        ended.expect_stderr(why);
    }
    // A file that cannot be read stops it before the first one is written.
    checkout.write("infra/ecs-tasks/template/cloudwatch.tf", "module \"x {\n");
    checkout
        .xtask(["new-task", "x-y"])
        .run()
        .expect_code(125)
        .expect_stderr("parsing infra/ecs-tasks/template/cloudwatch.tf");
    checkout.git(["checkout", "--quiet", "."]);
    assert_eq!(checkout.git(["status", "--porcelain"]), "");
}

fn require_formatted(checkout: &Checkout) {
    let output = Command::new(which("terraform"))
        .args(["fmt", "-check", "-diff", "-recursive", "infra"])
        .env_remove("TF_CLI_CONFIG_FILE")
        .current_dir(&checkout.root)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}
