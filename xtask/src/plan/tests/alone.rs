use std::time::Duration;

use super::*;
use crate::clients::terraform::tags::Tags;
use crate::hold::Me;
use crate::hold::process::Process;
use crate::hold::record::{Hold, Purpose};

fn own(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(task, tag)| ((*task).to_owned(), (*tag).to_owned()))
        .collect()
}

fn deployed(pairs: &[(&str, &str)]) -> Result<Option<Deployed>, Problem> {
    Ok(Some(Deployed {
        tags: Tags {
            all: "main".into(),
            own: own(pairs),
        },
        seen: None,
    }))
}

/// A hold of whoever asks, under which these were tried alone.
fn hold(tried: &[(&str, &str)]) -> Hold {
    let me = Me {
        identity: "arn".into(),
        author: "jo".into(),
        host: "laptop".into(),
        process: Process {
            id: 7,
            started: None,
            boot: None,
        },
    };
    Hold {
        tried: own(tried),
        ..Hold::new(&me, "test", Purpose::Hold, Duration::from_secs(60))
    }
}

fn alone() -> Request {
    Request {
        task: Some("diagnose".into()),
        allow_dirty: true,
        only: true,
        ..request(Goal::Try)
    }
}

fn why_planned(plan: &Plan) -> String {
    plan.terraform().why().to_owned()
}

#[test]
fn the_others_keep_what_is_deployed() {
    let facts = Facts {
        deployed: deployed(&[("my-new-task-name", "t1")]),
        holder: Some(Standing::Mine(hold(&[("my-new-task-name", "t1")]))),
        ..facts()
    };
    let plan = plan(&settings(), &alone(), facts, "").unwrap();
    assert_eq!(plan.tags.all, "main");
    assert_eq!(
        plan.tags.own,
        own(&[("diagnose", SHA), ("my-new-task-name", "t1")])
    );
    assert_eq!(plan.warnings, [""; 0]);
    assert_eq!(
        why_planned(&plan),
        "terraform plan with service_docker_tag=main and tags of their own for diagnose (0123456), my-new-task-name (t1)"
    );
}

#[test]
fn what_is_taken_back_is_said() {
    let before = || deployed(&[("my-new-task-name", "t1")]);
    let of_another = Facts {
        deployed: before(),
        holder: Some(Standing::Mine(hold(&[]))),
        ..facts()
    };
    let whole = Facts {
        deployed: before(),
        published: Ok(Some(digest())),
        ..facts()
    };
    for (request, facts, tags) in [
        (
            alone(),
            of_another,
            "service_docker_tag=main and tags of their own for diagnose (0123456)".to_owned(),
        ),
        (
            request(Goal::Deploy),
            whole,
            format!("service_docker_tag={SHA}"),
        ),
    ] {
        let plan = plan(&settings(), &request, facts, "").unwrap();
        assert_eq!(
            plan.warnings,
            ["takes back what was tried alone: my-new-task-name (t1)"]
        );
        assert_eq!(
            why_planned(&plan),
            format!("terraform plan with {tags}; takes back my-new-task-name (t1)")
        );
    }
}

#[test]
fn it_is_refused_where_it_would_reach_others() {
    let lacking = Facts {
        lacks: Some("add to infra:\nvariable".into()),
        deployed: deployed(&[]),
        ..facts()
    };
    let problems = refused(&alone(), lacking);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].kind, Refusal::Refused);
    assert_eq!(
        problems[0].message,
        "the Terraform of test gives no task a tag of its own, so that diagnose cannot be tried alone"
    );
    let hint = problems[0].hint.as_deref();
    assert_eq!(
        hint,
        Some("try it with all others, or add to infra:\nvariable")
    );
    // Nobody can tell what the others run.
    let unread = || Err(Problem::failed("403", "x"));
    let unknown = Facts {
        deployed: unread(),
        ..facts()
    };
    assert_eq!(refused(&alone(), unknown), [Problem::failed("403", "x")]);
    // A deploy to all need not know.
    let whole = Facts {
        deployed: unread(),
        published: Ok(Some(digest())),
        ..facts()
    };
    assert!(plan(&settings(), &request(Goal::Deploy), whole, "").is_ok());
}

#[test]
fn where_nothing_is_deployed_all_get_the_image() {
    let plan = plan(&settings(), &alone(), facts(), "").unwrap();
    assert_eq!(plan.tags, Tags::for_all(SHA));
    assert_eq!(plan.reach, Reach::Whole);
    assert_eq!(
        plan.warnings,
        ["nothing is deployed to test yet, so that all tasks get this image"]
    );
}
