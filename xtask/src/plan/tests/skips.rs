use std::time::SystemTime;

use super::*;
use crate::clients::state::{Place, Version};
use crate::clients::terraform::inputs::Inputs;
use crate::clients::terraform::outputs::Outputs;
use crate::names::ContentTags;
use crate::steps::sources::compiled::Compiled;
use crate::steps::sources::read::{Marks, Read};
use crate::ui::Step;

fn outputs(tag: &str) -> Outputs {
    let value = |value: serde_json::Value| serde_json::json!({ "value": value });
    let empty = serde_json::json!({});
    Outputs::read(&serde_json::json!({
        "cluster": value("c".into()), "subnets": value(serde_json::json!([])),
        "security_groups": value(serde_json::json!([])), "assign_public_ip": value(true.into()),
        "platform_version": value("1.4.0".into()), "log_group": value("l".into()),
        "task_definitions": value(empty.clone()), "container_names": value(empty),
        "service_docker_tag": value(tag.into()),
    }))
    .unwrap()
}

/// The last apply: of this tag and content, with these inputs, compared with the inputs `same`.
fn applied(tag: &str, content: Option<&str>, inputs: &str) -> in_common::Standing {
    let place = Place {
        bucket: "b".into(),
        key: "k".into(),
    };
    in_common::Standing {
        applied: in_common::Applied {
            inputs: inputs.into(),
            tags: Tags::for_all(tag),
            contents: content
                .map(|it| (tag.to_owned(), it.to_owned()))
                .into_iter()
                .collect(),
            place: place.clone(),
            version: Version {
                etag: "e".into(),
                version_id: None,
            },
            outputs: outputs(tag),
            refreshed: SystemTime::now(),
        },
        inputs: Inputs {
            hash: "same".into(),
            place,
        },
    }
}

fn compiled() -> Known {
    let layout = crate::layout::Layout {
        folder: "/r/api".into(),
        binary: "api".into(),
        source: "/r/api/src/main.rs".into(),
        products: vec!["/r/target".into()],
    };
    let last = Compiled::new(layout, Vec::new(), Read::default(), Marks::new());
    Known::Unchanged(Box::new(last))
}

fn changed() -> Known {
    Known::Changed {
        what: vec!["/r/api/src/main.rs".into()],
        doubt: Vec::new(),
    }
}

fn nothing(doubt: &[&str]) -> Known {
    Known::Nothing {
        doubt: doubt.iter().map(|path| (*path).to_owned()).collect(),
    }
}

/// Which of build, push, plan and apply is run, skipped or asked about.
fn decisions(known: Known, dirty: bool, change: impl FnOnce(&mut Facts)) -> String {
    let differences = match dirty {
        true => vec![Difference {
            path: "api/src/main.rs".into(),
            kind: Kind::Modified,
            id: "1".into(),
        }],
        false => Vec::new(),
    };
    let mut facts = Facts {
        sources: Ok(Sources { differences, known }),
        ..facts()
    };
    change(&mut facts);
    let request = Request {
        task: Some("diagnose".into()),
        allow_dirty: true,
        ..request(Goal::Try)
    };
    let plan = plan(&settings(), &request, facts, "").unwrap();
    let steps = plan.steps();
    let of = |wanted: Step| {
        let step = steps.iter().find(|planned| planned.step == wanted);
        step.unwrap().decision.name()
    };
    [Step::Build, Step::Push, Step::Plan, Step::Apply]
        .map(of)
        .join(" ")
}

fn same(own: Option<Digest>, other: Option<Digest>) -> Option<SameContent> {
    let tags = ContentTags::of(&Digest::of(&[7; 32]), false);
    Some(SameContent { tags, own, other })
}

#[test]
fn every_skip_is_decided_here() {
    let content = ContentTags::of(&Digest::of(&[7; 32]), false)
        .own
        .to_string();
    let content = content.as_str();
    let other = || Digest::of(&[8; 32]);
    let published = |facts: &mut Facts| facts.published = Ok(Some(digest()));
    for (what, known, dirty, change, expected) in [
        (
            "nothing has changed",
            compiled(),
            false,
            Box::new(move |facts: &mut Facts| {
                published(facts);
                facts.applied = Some(applied(SHA, None, "same"));
            }) as Box<dyn FnOnce(&mut Facts)>,
            "skip skip skip skip",
        ),
        (
            "a fresh clone of a commit that is published and applied",
            nothing(&[]),
            false,
            Box::new(move |facts| {
                published(facts);
                facts.applied = Some(applied(SHA, None, "same"));
            }),
            "skip skip skip skip",
        ),
        (
            "the same, and git ignores a file of the package",
            nothing(&["api/motd.txt"]),
            false,
            Box::new(move |facts| {
                published(facts);
                facts.applied = Some(applied(SHA, None, "same"));
            }),
            "ask ask ask ask",
        ),
        (
            "another commit was checked out, and it is published",
            changed(),
            false,
            Box::new(move |facts| {
                published(facts);
                facts.applied = Some(applied("other", None, "same"));
            }),
            "skip skip run ask",
        ),
        (
            "only docs: the same content under another tag",
            compiled(),
            false,
            Box::new(move |facts| {
                facts.same_compiler = true;
                facts.same_content = Ok(same(Some(digest()), None));
                facts.applied = Some(applied("other", Some(content), "same"));
            }),
            "skip skip skip skip",
        ),
        (
            "the same, where only uncommitted work has the content",
            compiled(),
            false,
            Box::new(move |facts| {
                facts.same_compiler = true;
                facts.same_content = Ok(same(None, Some(digest())));
                facts.applied = Some(applied("other", None, "same"));
            }),
            "skip skip run ask",
        ),
        (
            "a tag that came from elsewhere, with other content than was compiled here",
            compiled(),
            false,
            Box::new(move |facts| {
                published(facts);
                facts.same_compiler = true;
                facts.same_content = Ok(same(Some(other()), None));
                facts.applied = Some(applied("other", Some(content), "same"));
            }),
            "skip skip run ask",
        ),
        (
            "an edit",
            changed(),
            true,
            Box::new(move |facts| facts.applied = Some(applied(SHA, None, "same"))),
            "run ask run ask",
        ),
        (
            "an edit whose tag is taken: what else is read now is not known",
            changed(),
            true,
            Box::new(published),
            "run ask run ask",
        ),
        (
            "the same edit again",
            compiled(),
            true,
            Box::new(move |facts| {
                published(facts);
                facts.same_compiler = true;
            }),
            "skip skip run ask",
        ),
        (
            "the same edit with another compiler",
            compiled(),
            true,
            Box::new(published),
            "run ask run ask",
        ),
        (
            "Terraform alone",
            compiled(),
            false,
            Box::new(move |facts| {
                published(facts);
                facts.applied = Some(applied(SHA, None, "other"));
            }),
            "skip skip run ask",
        ),
        (
            "nothing is known",
            nothing(&[]),
            false,
            Box::new(|_| {}),
            "ask ask run ask",
        ),
        (
            "ECR has lost the image",
            compiled(),
            false,
            Box::new(move |facts| {
                facts.same_compiler = true;
                facts.same_content = Ok(same(None, None));
                facts.applied = Some(applied(SHA, Some(content), "same"));
            }),
            "run ask run ask",
        ),
        (
            "a Docker context that is published",
            Known::Context,
            true,
            Box::new(published),
            "skip skip run ask",
        ),
    ] {
        assert_eq!(decisions(known, dirty, change), expected, "{what}");
    }
}

#[test]
fn each_kind_of_uncommitted_work_is_named_by_itself() {
    let difference = |path: &str, kind| Difference {
        path: path.into(),
        kind,
        id: "1".into(),
    };
    let image = [
        difference("api/a.rs", Kind::Deleted),
        difference("api/motd.txt", Kind::Ignored),
        difference("/etc/motd", Kind::Outside),
        difference("api/d.rs", Kind::New),
    ];
    let terraform = [difference("infra/main.tf", Kind::Modified)];
    let allowed = Request {
        allow_dirty: true,
        ..request(Goal::Deploy)
    };
    let (warnings, problems) = uncommitted(&allowed, &image, &terraform);
    assert_eq!(
        warnings,
        [
            "uncommitted changes: api/a.rs (deleted), api/motd.txt (git ignores it), /etc/motd (outside of the repository) and 1 more: they are in the image, and its tag says so",
            "uncommitted Terraform: infra/main.tf: it is applied, and the tag says so",
        ]
    );
    assert_eq!(problems, []);
    let (warnings, problems) = uncommitted(&request(Goal::Deploy), &[], &terraform);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(problems[0].kind, Refusal::Refused);
    assert_eq!(problems[0].message, "uncommitted Terraform: infra/main.tf");
}

#[test]
fn every_difference_makes_another_tag() {
    let sha = GitSha::parse(SHA).unwrap();
    let difference = |path: &str, kind, id: &str| Difference {
        path: path.into(),
        kind,
        id: id.into(),
    };
    let one = [difference("a", Kind::Modified, "1")];
    let tags = [
        tag_of(&sha, &[], &[]),
        tag_of(&sha, &one, &[]),
        tag_of(&sha, &[], &one),
        tag_of(&sha, &[difference("a", Kind::Modified, "2")], &[]),
        tag_of(&sha, &[difference("a", Kind::Deleted, "1")], &[]),
        tag_of(&sha, &[difference("b", Kind::Modified, "1")], &[]),
    ];
    assert_eq!(tags[0].as_str(), SHA);
    for (at, tag) in tags.iter().enumerate() {
        assert!(!tags[..at].contains(tag), "{tag} is there twice");
    }
}
