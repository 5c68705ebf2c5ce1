use std::path::Path;

use super::*;
use crate::failure;

const GOOD: &str = r#"
[workspace.metadata.xtask]
app = "api"
ecr_repository = "api"
platform = "linux/arm64"
default_environment = "test"
github_repository = "example-org/background-tasks"

[workspace.metadata.xtask.environments.test]
aws_account_id = "123456789012"
region = "us-east-1"
terraform_root = "infra/test"
auto_deploy_workflows = ["deploy.yml"]

[workspace.metadata.xtask.environments.stage]
aws_account_id = "210987654321"
region = "eu-central-1"
terraform_root = "infra/stage"
protected = true
"#;

fn check(text: &str, env: &[(&str, &str)], overrides: &Overrides) -> anyhow::Result<Settings> {
    let lookup = |key: &str| {
        env.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| (*value).to_owned())
    };
    resolve(
        Path::new("/repo"),
        Path::new("Cargo.toml"),
        text,
        overrides,
        &lookup,
    )
}

#[test]
fn the_file_alone() {
    let settings = check(GOOD, &[], &Overrides::default()).unwrap();
    assert_eq!(settings.service(), "api-test");
    assert_eq!(settings.package, "api");
    assert_eq!(settings.platform, Platform::LinuxArm64);
    assert_eq!(settings.recipe(), Recipe::Assembled);
    assert_eq!(settings.environments, ["stage", "test"]);
    let workflows: Vec<String> = settings.environment.workflows().collect();
    assert_eq!(workflows, ["deploy.yml"]);
    assert!(!settings.environment.protected);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let env = [
        ("XTASK_DEFAULT_ENVIRONMENT", "test"),
        ("XTASK_REGION", "us-west-2"),
        ("XTASK_PROFILE", "from-env"),
        ("XTASK_PROTECTED", "false"),
        ("XTASK_AUTO_DEPLOY_WORKFLOWS", "a.yml, b.yml"),
        ("XTASK_APP", "web"),
    ];
    let overrides = Overrides {
        env: Some("stage".into()),
        profile: Some("from-flag".into()),
        ..Overrides::default()
    };
    let settings = check(GOOD, &env, &overrides).unwrap();
    assert_eq!(settings.service(), "web-stage");
    assert_eq!(settings.environment.region, "us-west-2");
    assert_eq!(settings.environment.profile.as_deref(), Some("from-flag"));
    assert!(!settings.environment.protected);
    let workflows: Vec<String> = settings.environment.workflows().collect();
    assert_eq!(workflows, ["a.yml", "b.yml"]);
}

#[test]
fn all_mistakes_at_once_with_key_and_file() {
    let text = GOOD
        .replace("app = \"api\"\n", "apps = \"api\"\n")
        .replace("linux/arm64", "linux/sparc")
        .replace("123456789012", "1234")
        .replace("protected = true", "protcted = true");
    let error = check(&text, &[], &Overrides::default()).unwrap_err();
    let shown = failure::render(&error);
    for expected in [
        "`app` is missing from [workspace.metadata.xtask] in Cargo.toml",
        "unknown key `apps` in [workspace.metadata.xtask] in Cargo.toml\n  hint: did you mean `app`?",
        "`linux/sparc` is not a platform",
        "`1234` is not an AWS account ID",
        "unknown key `protcted` in [workspace.metadata.xtask.environments.stage] in Cargo.toml",
    ] {
        assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
    }
}

#[test]
fn an_unknown_environment_names_the_near_ones() {
    let overrides = Overrides {
        env: Some("tset".into()),
        ..Overrides::default()
    };
    let error = check(GOOD, &[], &overrides).unwrap_err();
    assert_eq!(
        failure::render(&error),
        "error: there is no environment `tset` in Cargo.toml\n\nhint: did you mean `test`?\n"
    );
}

/// Each of these would go into an address, together with a token or a signature.
#[test]
fn a_name_that_leads_elsewhere_is_a_mistake() {
    for (key, value, expected) in [
        (
            "XTASK_AUTO_DEPLOY_WORKFLOWS",
            "../../collaborators/x?",
            "`../../collaborators/x?` is not a workflow's file",
        ),
        (
            "XTASK_GITHUB_REPOSITORY",
            "example-org/..",
            "`example-org/..` is not a GitHub repository",
        ),
        (
            "XTASK_ECR_REPOSITORY",
            "api/../other",
            "`api/../other` is not an ECR repository",
        ),
        ("XTASK_APP", "a/b", "`a/b` is not an application's name"),
        (
            "XTASK_REGION",
            "evil.example/",
            "`evil.example/` is not an AWS region",
        ),
    ] {
        let error = check(GOOD, &[(key, value)], &Overrides::default()).unwrap_err();
        let shown = failure::render(&error);
        assert!(shown.contains(expected), "{shown}");
        assert!(shown.contains(&format!("(or {key})")), "{shown}");
    }
}
