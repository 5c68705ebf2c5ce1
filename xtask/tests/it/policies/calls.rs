//! Who may do what in the environment `test` of the sandbox's account: the policies that Terraform has
//! rendered, asked about one call after the other.

use super::evaluator::{Call, Policy, may};
use super::rendered::Rendered;

/// Whether, who, the call, its resource, and what AWS knows of it. `S` is the bucket with the states,
/// `B:` begins a bucket, `I:` what belongs to IAM, `A:` anything else.
const TABLE: &str = "
# Who holds the environment is one object, and that of another environment is not it.
may runs     s3:PutObject                       S/holds/test.json
may runs     s3:DeleteObject                    S/holds/test.json
not runs     s3:PutObject                       S/holds/test2.json
not runs     s3:PutObject                       S/holds/stage.json
not deploys  s3:DeleteObject                    S/holds/test-eu.json

# The state is read by who runs, and written by who deploys.
may runs     s3:GetObject                       S/ecs-tasks/test.tfstate
not runs     s3:PutObject                       S/ecs-tasks/test.tfstate
may deploys  s3:PutObject                       S/ecs-tasks/test.tfstate
may deploys  s3:PutObject                       S/ecs-tasks/test.tfstate.tflock
not deploys  s3:GetObject                       S/ecs-tasks/stage.tfstate
not deploys  s3:PutObject                       S/foundation.tfstate
not ci       s3:GetObject                       S/foundation.tfstate

# What CI says of an image: each environment's for itself, and to be read by all who deploy.
may ci       s3:PutObject                       S/attested/test/api/x.json
not ci       s3:PutObject                       S/attested/stage/api/x.json
not ci       s3:PutObject                       S/attested/api/x.json
not ci       s3:DeleteObject                    S/attested/test/api/x.json
not deploys  s3:PutObject                       S/attested/test/api/x.json
not runs     s3:PutObject                       S/attested/test/api/x.json
may deploys  s3:GetObject                       S/attested/stage/api/x.json

# Objects of the environment's own buckets. Nothing is lost for good but what a trigger has put.
may runs     s3:PutObject                       B:api-test-claims/in/a.csv
not runs     s3:PutObject                       B:api-stage-claims/in/a.csv
may runs     s3:DeleteObjectVersion             B:api-test-claims/in/xtask-1a2b3c-a.csv
not runs     s3:DeleteObjectVersion             B:api-test-claims/in/a.csv
not deploys  s3:DeleteObjectVersion             B:api-test-claims/in/a.csv
not runs     s3:DeleteObjectVersion             B:api-stage-claims/in/xtask-1a2b3c-a.csv
not runs     s3:DeleteObjectVersion             S/ecs-tasks/test.tfstate
not runs     s3:PutBucketPolicy                 B:api-test-claims
may deploys  s3:PutBucketPolicy                 B:api-test-claims
not deploys  s3:PutBucketPolicy                 S

# Tasks, in this environment's cluster and of its own families.
may runs     ecs:RunTask                        A:ecs:task-definition/api-test-diagnose:3  cluster
not runs     ecs:RunTask                        A:ecs:task-definition/api-test-diagnose:3  other-cluster
not runs     ecs:RunTask                        A:ecs:task-definition/api-test-diagnose:3
not runs     ecs:RunTask                        A:ecs:task-definition/api-stage-diagnose:3  cluster
not runs     ecs:RunTask                        A:ecs:task-definition/api-test2-diagnose:3  cluster
may runs     ecs:StopTask                       A:ecs:task/api-test/0123
not runs     ecs:StopTask                       A:ecs:task/api-stage/0123
may runs     ecs:RegisterTaskDefinition         A:ecs:task-definition/api-test-isolated-x:1
not runs     ecs:RegisterTaskDefinition         A:ecs:task-definition/api-test-diagnose:1
may deploys  ecs:RegisterTaskDefinition         A:ecs:task-definition/api-test-diagnose:1
not deploys  ecs:RegisterTaskDefinition         A:ecs:task-definition/api-stage-diagnose:1
not runs     ecs:DeregisterTaskDefinition       *

# The twin of a schedule bears its environment.
may runs     scheduler:CreateSchedule           A:scheduler:schedule/default/twin-{test}-1a2b3c
may runs     scheduler:DeleteSchedule           A:scheduler:schedule/default/twin-{test}-1a2b3c
not runs     scheduler:CreateSchedule           A:scheduler:schedule/default/twin-{stage}-1a2b3c
not runs     scheduler:DeleteSchedule           A:scheduler:schedule/default/xtask-twin-1a2b3c
not runs     scheduler:DeleteSchedule           A:scheduler:schedule/default/api-test-nightly-report
may deploys  scheduler:DeleteSchedule           A:scheduler:schedule/default/api-test-nightly-report
not deploys  scheduler:DeleteSchedule           A:scheduler:schedule/default/api-stage-nightly-report

# Secrets, logs.
may runs     ssm:GetParameters                  A:ssm:parameter/api/test/token
not runs     ssm:GetParameters                  A:ssm:parameter/api/stage/token
may runs     logs:GetLogEvents                  A:logs:log-group:service/api-test/ecs-tasks:log-stream:x
not runs     logs:GetLogEvents                  A:logs:log-group:service/api-test-stage/ecs-tasks:log-stream:x
not deploys  logs:DeleteLogGroup                A:logs:log-group:service/api-stage/ecs-tasks

# Roles: of this environment, under its boundary, and nobody's trust is changed.
may deploys  iam:CreateRole                     I:role/api/test/x  boundary
not deploys  iam:CreateRole                     I:role/api/test/x
not deploys  iam:CreateRole                     I:role/api/test/x  other-boundary
not deploys  iam:CreateRole                     I:role/api/stage/x  boundary
may deploys  iam:PutRolePolicy                  I:role/api/test/x  boundary
not deploys  iam:PutRolePolicy                  I:role/api/test/x
not deploys  iam:PutRolePolicy                  I:role/api-test-github-deploy  boundary
not deploys  iam:UpdateAssumeRolePolicy         I:role/api/test/x  boundary
not deploys  iam:DeleteRolePermissionsBoundary  I:role/api/test/x  boundary
not deploys  iam:AttachRolePolicy               I:role/api/test/x  boundary
not deploys  iam:CreatePolicyVersion            I:policy/api-test-boundary
not deploys  iam:CreateUser                     I:user/x  boundary
not deploys  sts:AssumeRole                     I:role/api/test/x
not runs     iam:CreateRole                     I:role/api/test/x  boundary
may runs     iam:PassRole                       I:role/api/test/x  to-ecs
may runs     iam:PassRole                       I:role/api/test/x  to-scheduler
not deploys  iam:PassRole                       I:role/api/test/x  to-lambda
not deploys  iam:PassRole                       I:role/api/stage/x  to-ecs
may deploys  ec2:DeleteSecurityGroup            A:ec2:security-group/sg-1  app test
not deploys  ec2:DeleteSecurityGroup            A:ec2:security-group/sg-1  app stage
not deploys  ec2:DeleteSecurityGroup            A:ec2:security-group/sg-1

# Images: everybody pushes, and nobody takes one away.
may runs     ecr:PutImage                       A:ecr:repository/api
not runs     ecr:PutImage                       A:ecr:repository/other
not ci       ecr:BatchDeleteImage               A:ecr:repository/api
not ci       ecr:SetRepositoryPolicy            A:ecr:repository/api

# The most that a task can do, whoever wrote its policy.
may task     ssm:GetParameters                  A:ssm:parameter/api/test/token
not task     ssm:GetParameters                  A:ssm:parameter/api/stage/token
may task     s3:GetObject                       B:api-test-claims/in/a.csv
not task     s3:GetObject                       B:api-stage-claims/in/a.csv
not task     s3:GetObject                       S/ecs-tasks/test.tfstate
not task     s3:PutObject                       S/attested/test/api/x.json
may task     ecs:RunTask                        A:ecs:task-definition/api-test-x:1  cluster
not task     ecs:RunTask                        A:ecs:task-definition/api-test-x:1  other-cluster
may task     iam:PassRole                       I:role/api/test/x  to-ecs
not task     iam:PassRole                       I:role/api/test/x  to-scheduler
not task     iam:CreateRole                     I:role/api/test/x  boundary
not task     ecr:PutImage                       A:ecr:repository/api
not task     sts:AssumeRole                     I:role/api/test/x
";

fn arn(short: &str, rendered: &Rendered) -> String {
    let short = short
        .replace("{test}", &rendered.twin("test"))
        .replace("{stage}", &rendered.twin("stage"));
    match short.split_once(':') {
        Some(("B", rest)) => format!("arn:aws:s3:::{rest}"),
        Some(("I", rest)) => format!("arn:aws:iam::000000000000:{rest}"),
        Some(("A", rest)) => {
            let (service, rest) = rest.split_once(':').unwrap();
            format!("arn:aws:{service}:us-east-1:000000000000:{rest}")
        }
        _ => match short.strip_prefix('S') {
            Some(rest) => format!("arn:aws:s3:::api-terraform-state-000000000000{rest}"),
            None => short,
        },
    }
}

/// What stands for a key of the request and its value.
fn context(word: &str) -> (&'static str, &'static str) {
    const CLUSTER: &str = "ecs:cluster";
    const BOUNDARY: &str = "iam:PermissionsBoundary";
    const PASSED_TO: &str = "iam:PassedToService";
    const ENVIRONMENT: &str = "aws:ResourceTag/Environment";
    match word {
        "cluster" => (
            CLUSTER,
            "arn:aws:ecs:us-east-1:000000000000:cluster/api-test",
        ),
        "other-cluster" => (
            CLUSTER,
            "arn:aws:ecs:us-east-1:000000000000:cluster/api-stage",
        ),
        "boundary" => (
            BOUNDARY,
            "arn:aws:iam::000000000000:policy/api-test-boundary",
        ),
        "other-boundary" => (
            BOUNDARY,
            "arn:aws:iam::000000000000:policy/api-stage-boundary",
        ),
        "to-ecs" => (PASSED_TO, "ecs-tasks.amazonaws.com"),
        "to-lambda" => (PASSED_TO, "lambda.amazonaws.com"),
        "to-scheduler" => (PASSED_TO, "scheduler.amazonaws.com"),
        "app" => ("aws:ResourceTag/App", "api"),
        "test" => (ENVIRONMENT, "test"),
        "stage" => (ENVIRONMENT, "stage"),
        other => panic!("what is {other}?"),
    }
}

#[test]
fn who_may_do_what() {
    let rendered = Rendered::of_the_sandbox();
    // A task's role has whatever policy somebody has put on it.
    let everything = Policy::parse(
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#,
    );
    let run = rendered.policy("run", "test");
    let deploy = rendered.policy("deploy", "test");
    let attest = rendered.policy("github_attest", "test");
    let boundary = rendered.policy("boundary", "test");
    let rows = TABLE.lines();
    let rows = rows.filter(|row| !row.is_empty() && !row.starts_with('#'));
    let mut wrong = Vec::new();
    for row in rows {
        let mut words = row.split_whitespace();
        let mut next = || words.next().unwrap();
        let (expected, who, action, resource) = (next(), next(), next(), next());
        let resource = arn(resource, &rendered);
        let context: Vec<_> = words.map(context).collect();
        let call = Call {
            action,
            resource: &resource,
            context: &context,
        };
        let may = match who {
            "runs" => may(&[&run], None, &call),
            "deploys" => may(&[&run, &deploy], None, &call),
            "ci" => may(&[&run, &deploy, &attest], None, &call),
            "task" => may(&[&everything], Some(&boundary), &call),
            other => panic!("who is {other}?"),
        };
        let expected = match expected {
            "may" => true,
            "not" => false,
            other => panic!("{other}?"),
        };
        if may != expected {
            wrong.push(row);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
