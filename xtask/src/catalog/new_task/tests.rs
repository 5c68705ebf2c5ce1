use std::path::Path;

use super::*;
use crate::catalog::{Entrypoint, Place, terraform};

fn wanted(name: &str) -> Wanted {
    Wanted {
        name: name.to_owned(),
        ..Wanted::default()
    }
}

fn check(wanted: &Wanted, expected: &[&str]) {
    let place = Place {
        file: "a.rs".into(),
        line: 1,
    };
    let catalog = Catalog {
        entrypoints: vec![Entrypoint {
            name: "taken".into(),
            place,
        }],
        ..Catalog::default()
    };
    let found: Vec<String> = wanted
        .mistakes(&catalog, "api-test")
        .into_iter()
        .map(|problem| problem.message)
        .collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found} {expected}");
    }
}

#[test]
fn names() {
    for name in ["ab", "my-task-2", &"a".repeat(40)] {
        check(&wanted(name), &[]);
    }
    for (name, why) in [
        ("", "cannot name"),
        ("My-Task", "cannot name"),
        ("my_task", "cannot name"),
        ("my--task", "cannot name"),
        ("2-task", "cannot name"),
        ("-task", "cannot name"),
        ("a", "1 characters"),
        (&"a".repeat(41), "41 characters"),
        ("isolated-x", "isolated-"),
        ("match", "word of the language"),
        ("taken", "a.rs:1"),
    ] {
        check(&wanted(name), &[why]);
    }
}

#[test]
fn everything_wrong_at_once() {
    check(
        &Wanted {
            name: "taken".into(),
            schedule: Some(("cron(1)".into(), "Mars".into())),
            on_s3: None,
            env: vec![("A B".into(), String::new()), ("X".into(), String::new())],
            secrets: vec![
                ("X".into(), "name".into()),
                ("AWS_REGION".into(), "/a".into()),
            ],
            cpu: Some(256),
            memory: Some(4096),
        },
        &[
            "a.rs:1",
            "no cpu 256",
            "six fields",
            "IANA",
            "`A B` cannot name",
            "X is there twice",
            "AWS_REGION is set for every task",
            "neither the name of an SSM parameter",
        ],
    );
}

#[test]
fn cpu_alone_brings_the_least_memory() {
    let cpu = |cpu| Wanted {
        cpu: Some(cpu),
        ..wanted("ab")
    };
    assert_eq!(cpu(4096).filled().memory, Some(8192));
    check(&cpu(4096).filled(), &[]);
    check(&cpu(300).filled(), &["no cpu 300"]);
}

#[test]
fn buckets_and_keys() {
    let parsed = OnS3::parse("claims/in/*.csv").unwrap();
    assert_eq!(
        (
            parsed.bucket.as_str(),
            parsed.prefix.as_str(),
            parsed.suffix.as_str()
        ),
        ("claims", "in/", ".csv")
    );
    assert_eq!(OnS3::parse("s3://claims").unwrap().prefix, "");
    assert!(OnS3::parse("/in").is_err());
    assert!(OnS3::parse("claims/a*b*c").is_err());
}

fn source(text: &str) -> terraform::Source {
    terraform::parse(Path::new("t.tf"), text.to_owned()).unwrap()
}

#[test]
fn an_entry_goes_to_the_end_and_nothing_else_moves() {
    let text = "# Why.\nlocals {\n  x = 1 # odd   spacing\n  tasks = {\n    \"a\" = { command = [\"poetry\", \"run\", \"a\"] },\n    # The last comment.\n  }\n}\n# After.\n";
    let new = Wanted {
        env: vec![("K".into(), "a \"b\" ${c}".into())],
        secrets: vec![
            ("S".into(), "/api/test/s".into()),
            ("T".into(), "/other/t".into()),
        ],
        cpu: Some(256),
        memory: Some(512),
        ..wanted("b")
    };
    assert_eq!(
        terraform_text::with_definition(&source(text), &new, "/api/test/").unwrap(),
        r#"# Why.
locals {
  x = 1 # odd   spacing
  tasks = {
    "a" = { command = ["poetry", "run", "a"] },
    # The last comment.

    "b" = {
      command = ["poetry", "run", "b"]
      cpu     = 256
      memory  = 512
      env = [
        { name = "K", value = "a \"b\" $${c}" },
        { name = "S", valueFrom = "/${var.app}/${var.environment}/s" },
        { name = "T", valueFrom = "/other/t" },
      ]
    }
  }
}
# After.
"#
    );
}

#[test]
fn the_first_entry_of_an_empty_map() {
    assert_eq!(
        terraform_text::with_definition(&source("locals {\n  tasks = {}\n}\n"), &wanted("b"), "/")
            .unwrap(),
        "locals {\n  tasks = {\n    b = {\n      command = [\"b\"]\n      env     = []\n    }\n  }\n}\n"
    );
    assert!(
        terraform_text::with_definition(
            &source("locals {\n  tasks = merge(a)\n}\n"),
            &wanted("b"),
            "/"
        )
        .is_err()
    );
}

#[test]
fn a_module_goes_behind_the_last_of_its_kind() {
    let text = "module \"a\" {\n  source = \"../ecs_task_scheduler\"\n}\n\n# Locals.\nlocals {}\n";
    let new = terraform_text::with_schedule(&source(text), &wanted("b-c"), "rate(1 day)", "UTC");
    assert!(
        new.starts_with(
            "module \"a\" {\n  source = \"../ecs_task_scheduler\"\n}\n\nmodule \"b_c\" {\n"
        ),
        "{new}"
    );
    assert!(new.ends_with("}\n\n# Locals.\nlocals {}\n"), "{new}");
    assert_eq!(hcl_edit_names(&new), ["a", "b_c"]);
}

fn hcl_edit_names(text: &str) -> Vec<String> {
    let source = source(text);
    crate::catalog::hcl::module_names(&source.body)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_bucket_of_the_template_is_named_by_its_resource() {
    let buckets = [source(
        "resource \"aws_s3_bucket\" \"claims\" {\n  bucket = local.name\n}\nresource \"aws_s3_bucket\" \"b\" {\n  bucket = \"real-name\"\n}\n",
    )];
    for (name, expected) in [
        ("claims", Some("claims")),
        ("real-name", Some("b")),
        ("x", None),
    ] {
        assert_eq!(
            terraform_text::bucket_resource(&buckets, name).as_deref(),
            expected
        );
    }
}

#[test]
fn a_module_line_in_alphabetical_order() {
    let text = "//! Tasks.\n\nmod a;\nmod c;\n";
    for (module, expected) in [
        ("b", Some("//! Tasks.\n\nmod a;\nmod b;\nmod c;\n")),
        ("d", Some("//! Tasks.\n\nmod a;\nmod c;\nmod d;\n")),
        ("c", None),
    ] {
        assert_eq!(rust_text::with_module(text, module).as_deref(), expected);
    }
}

#[test]
fn a_script_at_the_end_of_its_table() {
    let text = "[tool.poetry.scripts]\n# Why.\nserver = \"acme.server:main\"\na = \"acme.tasks.a:main\"\nb = \"acme.tasks.b:main\"\n\n[build-system]\nrequires = []\n";
    let home = python_text::home(text).unwrap();
    assert_eq!(home.package, "acme.tasks");
    let new = python_text::with_script(text, &home, &wanted("c-d")).unwrap();
    assert!(
        new.contains("b = \"acme.tasks.b:main\"\nc-d = \"acme.tasks.c_d:main\"\n\n[build-system]"),
        "{new}"
    );
    assert_eq!(python_text::home("[project]\n"), None);
    assert_eq!(
        python_text::decorator_import("import os\nfrom acme.bg import background_task\n"),
        Some("from acme.bg import background_task")
    );
}
