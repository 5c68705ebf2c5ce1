use std::path::Path;

use super::*;
use crate::clients::git::compare::Kind;
use crate::failure::Kind as Refusal;
use crate::settings::{self, Overrides};
use crate::steps::sources::Known;
use crate::ui::event::Decision;

/// A try of one task alone.
mod alone;
/// What is run, skipped and asked about, and the tags.
mod skips;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn settings() -> Settings {
    let text = r#"
        [workspace.metadata.xtask]
        app = "api"
        ecr_repository = "api"
        platform = "linux/amd64"
        default_environment = "test"
        github_repository = "o/r"
        [workspace.metadata.xtask.environments.test]
        aws_account_id = "123456789012"
        region = "us-east-1"
        terraform_root = "infra"
        auto_deploy_workflows = ["a.yml"]
    "#;
    settings::resolve(
        Path::new("/r"),
        Path::new("Cargo.toml"),
        text,
        &Overrides::default(),
        &|_| None,
    )
    .unwrap()
}

fn request(goal: Goal) -> Request {
    Request {
        task: None,
        goal,
        allow_dirty: false,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    }
}

fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "9b".repeat(32))).unwrap()
}

/// Everything as it should be, and the image not in ECR yet.
fn facts() -> Facts {
    Facts {
        head: Ok(Head {
            sha: GitSha::parse(SHA).unwrap(),
            branch: Some("main".into()),
        }),
        sources: Ok(Sources {
            differences: Vec::new(),
            known: Known::Nothing { doubt: Vec::new() },
        }),
        terraform_changes: Ok(Vec::new()),
        same_compiler: false,
        same_content: Ok(None),
        deployed: Ok(None),
        lacks: None,
        applied: None,
        misleading: Vec::new(),
        identity: Ok(Identity {
            account: "123456789012".into(),
            arn: "arn:aws:sts::1:jo".into(),
        }),
        repository: Ok(Some(Repository {
            name: "api".into(),
            uri: "1.ecr/api".into(),
        })),
        published: Ok(None),
        cluster: Ok(true),
        auto_deploy: Some(AutoDeploy::Paused {
            workflows: vec!["a.yml".into()],
        }),
        holder: Some(Standing::Free),
        auto_deploy_workflow: None,
        docker: Ok("20".into()),
        terraform: Ok("1.11".into()),
        tasks: Ok(Some(vec!["my-new-task-name".into(), "diagnose".into()])),
        behind: Some(0),
    }
}

fn refused(request: &Request, facts: Facts) -> Vec<Problem> {
    plan(&settings(), request, facts, " --sandbox").unwrap_err()
}

#[test]
fn a_published_image_is_not_built_again() {
    let facts = Facts {
        published: Ok(Some(digest())),
        docker: Err(Problem::failed("no docker", "x")),
        ..facts()
    };
    let plan = plan(&settings(), &request(Goal::Publish), facts, "").unwrap();
    assert_eq!(
        plan.build(),
        Decision::Skip("0123456 is in ECR as sha256:9b9b9b9b9b9b".into())
    );
    assert_eq!(
        plan.to_string(),
        "build   skip  0123456 is in ECR as sha256:9b9b9b9b9b9b\npush    skip  0123456 is in ECR as sha256:9b9b9b9b9b9b\n"
    );
}

#[test]
fn a_try_runs_everything() {
    let request = Request {
        task: Some("diagnose".into()),
        goal: Goal::Try,
        allow_dirty: true,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    };
    let plan = plan(&settings(), &request, facts(), "").unwrap();
    let shown = plan.to_string();
    let steps: Vec<&str> = shown
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(
        steps,
        [
            "build", "push", "plan", "pause", "apply", "pause", "launch", "task"
        ]
    );
}

#[test]
fn a_dirty_tree() {
    let dirty = || Facts {
        sources: Ok(Sources {
            differences: vec![Difference {
                path: "api/src/x.rs".into(),
                kind: Kind::Modified,
                id: "f".repeat(40),
            }],
            known: Known::Nothing { doubt: Vec::new() },
        }),
        ..facts()
    };
    let problems = refused(&request(Goal::Publish), dirty());
    assert_eq!(problems[0].kind, Refusal::Refused);
    assert_eq!(problems[0].message, "uncommitted changes: api/src/x.rs");
    let request = Request {
        allow_dirty: true,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
        ..request(Goal::Publish)
    };
    let plan = plan(&settings(), &request, dirty(), "").unwrap();
    assert!(plan.tag.as_str().starts_with(&format!("{SHA}-dirty-")));
    assert_eq!(plan.warnings.len(), 1);
}

#[test]
fn what_refuses() {
    let active = AutoDeploy::Active {
        workflows: vec!["a.yml".into()],
    };
    let live = AutoDeploy::Live {
        runs: vec!["url".into()],
    };
    let unknown = AutoDeploy::Unknown(Problem::failed("403", "token"));
    let other = Identity {
        account: "999999999999".into(),
        arn: "arn".into(),
    };
    for (name, request, facts, words) in [
        (
            "active",
            request(Goal::Deploy),
            Facts {
                auto_deploy: Some(active),
                published: Ok(Some(digest())),
                ..facts()
            },
            "cargo xtask hold --sandbox",
        ),
        (
            "held",
            request(Goal::Deploy),
            Facts {
                holder: Some(Standing::Unreadable("403".into())),
                published: Ok(Some(digest())),
                ..facts()
            },
            "cargo xtask hold --break --sandbox",
        ),
        (
            "live",
            request(Goal::Deploy),
            Facts {
                auto_deploy: Some(live),
                published: Ok(Some(digest())),
                ..facts()
            },
            "has ended",
        ),
        (
            "unknown",
            request(Goal::Deploy),
            Facts {
                auto_deploy: Some(unknown),
                published: Ok(Some(digest())),
                ..facts()
            },
            "token",
        ),
        (
            "account",
            request(Goal::Publish),
            Facts {
                identity: Ok(other),
                ..facts()
            },
            "switch the profile",
        ),
        (
            "no image",
            request(Goal::Deploy),
            facts(),
            "build-and-publish --sandbox",
        ),
    ] {
        let problems = refused(&request, facts);
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert_eq!(problems[0].kind, Refusal::Refused, "{name}");
        assert!(
            problems[0].hint.as_ref().unwrap().contains(words),
            "{name}: {problems:?}"
        );
    }
}

#[test]
fn all_problems_at_once() {
    let facts = Facts {
        docker: Err(Problem::failed("no docker", "install it")),
        terraform: Err(Problem::failed("no terraform", "install it")),
        cluster: Ok(false),
        repository: Ok(None),
        auto_deploy: Some(AutoDeploy::Active {
            workflows: vec!["a.yml".into()],
        }),
        ..facts()
    };
    let request = Request {
        task: Some("diagnoze".into()),
        goal: Goal::Try,
        allow_dirty: true,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    };
    let problems = refused(&request, facts);
    assert_eq!(problems.len(), 6, "{problems:#?}");
    assert!(
        problems
            .iter()
            .any(|problem| problem.hint.as_deref() == Some("did you mean `diagnose`?"))
    );
}

#[test]
fn without_credentials_there_is_one_problem_not_four() {
    let broken = || Problem::failed("no credentials", "add `--sandbox`");
    let facts = Facts {
        identity: Err(broken()),
        repository: Err(broken()),
        published: Err(broken()),
        cluster: Err(broken()),
        ..facts()
    };
    let request = Request {
        task: Some("diagnose".into()),
        goal: Goal::Try,
        allow_dirty: true,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    };
    assert_eq!(refused(&request, facts), [broken()]);
}

#[test]
fn a_branch_behind_main_is_warned_and_a_protected_environment_refuses() {
    let request = Request {
        task: Some("diagnose".into()),
        goal: Goal::Try,
        allow_dirty: true,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    };
    let behind = plan(
        &settings(),
        &request,
        Facts {
            behind: Some(2),
            ..facts()
        },
        "",
    )
    .unwrap();
    assert!(behind.warnings[0].contains("lacks 2 of origin/main's commits"));
    let mut settings = settings();
    settings.environment.protected = true;
    assert!(plan(&settings, &request, facts(), "").is_err());
}

#[test]
fn a_try_that_reserves_does_not_ask_for_a_pause() {
    let reserving = Request {
        reserves: true,
        ..request(Goal::Try)
    };
    let active = || AutoDeploy::Active {
        workflows: vec!["a.yml".into()],
    };
    let facts = |state| Facts {
        auto_deploy: Some(state),
        ..facts()
    };
    assert!(plan(&settings(), &reserving, facts(active()), "").is_ok());
    // What is unknown could not be put back.
    let unknown = AutoDeploy::Unknown(Problem::failed("403", "token"));
    refused(&reserving, facts(unknown));
}
