//! A line of configuration, and what it names.

use super::{Checkout, FILES};

/// What a root with these lines names, or why it is not known.
fn named(lines: &str) -> Result<Vec<String>, String> {
    let checkout = Checkout::new(&FILES);
    checkout.write("root/main.tf", lines);
    let reads = checkout.reads().unwrap();
    match reads.unknown {
        Some(why) => Err(why),
        None => Ok(checkout.relative(&reads.named)),
    }
}

#[track_caller]
fn check_named(expression: &str, expected: &[&str]) {
    let found = named(&format!("locals {{\n  a = {expression}\n}}\n"));
    assert_eq!(
        found.as_deref(),
        Ok(&expected
            .iter()
            .map(|it| (*it).to_owned())
            .collect::<Vec<_>>()[..]),
        "{expression}"
    );
}

#[test]
fn files_that_an_expression_names() {
    let x: &[&str] = &["root/x.txt"];
    let banner: &[&str] = &["config/banner.txt"];
    let dir: &[&str] = &["root/dir"];
    for (expression, expected) in [
        ("1 + 1", &[][..]),
        (r#"file("x.txt")"#, x),
        (r#"core::file("x.txt")"#, x),
        (r#"file("${path.module}/../config/banner.txt")"#, banner),
        (r#"file("${path.root}/../config/banner.txt")"#, banner),
        (r#"filesha256(abspath("../config/banner.txt"))"#, banner),
        (r#"upper(trimspace(file("${path.module}/x.txt")))"#, x),
        (
            r#"format("%s-%s", filemd5("${path.module}/x.txt"), basename(path.cwd))"#,
            x,
        ),
        (r#"jsondecode(file("later.json"))"#, &["root/later.json"]),
        (
            r#"fileexists("later") ? file("later") : "none""#,
            &["root/later"],
        ),
        (
            r#"file(var.a ? "x.txt" : "${path.module}/y.txt")"#,
            &["root/x.txt", "root/y.txt"],
        ),
        (r#"[for f in [1] : { (f) = file(("x.txt")) }]"#, x),
        (
            r#"templatefile("${path.module}/t.tftpl", { name = file("x.txt") })"#,
            &["root/t.tftpl", "root/x.txt"],
        ),
        (
            r#"templatefile("reads.tftpl", {})"#,
            &["root/reads.tftpl", "root/x.txt"],
        ),
        (r#"fileset("${path.module}/dir", "*.json")"#, dir),
        (r#"fileset(path.module, "dir/**/*.json")"#, dir),
        (
            r#"{ for f in fileset("dir", "*") : f => file("${path.module}/dir/${f}") }"#,
            dir,
        ),
        (r#"[for k in ["a", "b"] : file("dir/${k}.json")]"#, dir),
        (
            r#"[for k, v in { a = 1, "b" = 2 } : file("dir/${k}.json")]"#,
            dir,
        ),
        (
            r#"{ for k in toset(keys({ a = 1 })) : k => file("${path.module}/dir/x-${k}.json") }"#,
            dir,
        ),
        // Paths that something else may read.
        (r#""${path.module}/lambda.zip""#, &["root/lambda.zip"]),
        (r#""${path.module}/../config""#, &["config"]),
        (r#""../config/lambda.zip""#, &["config/lambda.zip"]),
        (
            r#"["x.txt", "later.txt", "test", "/", "..", "", "/etc"]"#,
            &["root/test", "root/x.txt"],
        ),
        (
            r#"<<-EOT
          python ${path.module}/x.py --name ${var.name} ../y
        EOT
        "#,
            &[],
        ),
        (r#""terraform:${path.module}""#, &["root/terraform:."]),
        // Texts, and no paths.
        (r#""${var.a}..${var.b}""#, &[]),
        (r#""$${file(x)} file(x)""#, &[]),
    ] {
        check_named(expression, expected);
    }
}

#[track_caller]
fn check_unknown(lines: &str, expected: &str) {
    let why = named(lines).expect_err(lines);
    assert!(why.contains(expected), "{lines}\n{why}");
}

#[test]
fn expressions_that_may_read_anything() {
    for expression in [
        "file(var.a)",
        r#"file("${var.dir}/x.txt")"#,
        r#"file("${path.module}/${var.a}.json")"#,
        r#"file("${path.module}/dir/${var.a}")"#,
        r#"[for f in var.files : file("${path.module}/dir/${f}")]"#,
        r#"[for f in ["a", "../x"] : file("${path.module}/dir/${f}")]"#,
        r#"[for f in fileset("dir", "../*") : file("${path.module}/dir/${f}")]"#,
        r#"[for f in ["a"] : [for f in var.files : file("dir/${f}")]]"#,
        r#"[for f in ["a"] : file("dir/${f}/../../${f}")]"#,
        r#"file(format("%s/x.txt", path.module))"#,
        r#"file(join("/", ["a", "b"]))"#,
        r#"file("~somebody/x")"#,
        r#"templatefile("${path.module}/${var.a}.tftpl", {})"#,
        r#"templatestring(local.b, {})"#,
        r#"fileset(var.dir, "*")"#,
        r#"fileset("dir", var.pattern)"#,
        r#"fileset("dir", "../*")"#,
        r#"fileset("${path.module}/..", "**")"#,
        r#""${path.module}/..""#,
        r#"join("/", [path.module, "..", "x"])"#,
        r#"format("%s/../x", true ? path.module : "")"#,
        r#"replace(abspath(path.module), "root", "config")"#,
        r#""${path.module}/dir/${var.a}""#,
        r#""${var.dir}/../x""#,
        r#"provider::local::direxists("x")"#,
    ] {
        check_unknown(
            &format!("# one\nlocals {{\n  a = {expression}\n}}\n"),
            if expression.contains("/..\"") {
                "the whole folder"
            } else {
                "main.tf:3: `"
            },
        );
    }
}

#[test]
fn locals_are_followed_within_their_module() {
    for (rest, expected) in [
        (
            r#"dir = "${path.module}/dir""#,
            &["root/dir", "root/dir/a.json"][..],
        ),
        (
            "base = path.root\n  dir = \"${local.base}/../config\"",
            &["config", "config/a.json", "root"],
        ),
        (r#"dir = "dir""#, &["root/dir", "root/dir/a.json"]),
    ] {
        let lines = format!("locals {{\n  a = file(\"${{local.dir}}/a.json\")\n  {rest}\n}}\n");
        let found = named(&lines).unwrap();
        assert_eq!(found, expected, "{rest}");
    }
    for rest in ["dir = var.dir", "dir = local.dir", "other = 1"] {
        let lines = format!("locals {{\n  a = file(\"${{local.dir}}/a.json\")\n  {rest}\n}}\n");
        check_unknown(&lines, "main.tf:2: `\"${local.dir}/a.json\"`");
    }
    check_unknown(
        "locals {\n  dir = var.a ? path.module : \"x\"\n  a = format(\"%s/../x\", local.dir)\n}\n",
        "main.tf:3: `format",
    );
}

#[test]
fn blocks_that_read_and_blocks_that_nobody_knows() {
    let dir: &[&str] = &["root/dir"];
    for (block, expected) in [
        (r#"data "aws_vpc" "this" {}"#, &[][..]),
        (
            r#"data "terraform_remote_state" "it" { backend = "s3" }"#,
            &[],
        ),
        (
            r#"data "local_file" "it" { filename = "later.txt" }"#,
            &["root/later.txt"],
        ),
        (
            r#"resource "aws_lambda_function" "it" { filename = "later.zip" }"#,
            &["root/later.zip"],
        ),
        (r#"resource "aws_s3_object" "it" { source = null }"#, &[]),
        (r#"resource "aws_sns" "it" { source = var.a }"#, &[]),
        (
            "resource \"aws_s3_object\" \"it\" {\n  for_each = fileset(\"dir\", \"*\")\n  source = \"${path.module}/dir/${each.value}\"\n}",
            dir,
        ),
        (
            "resource \"aws_iam_policy\" \"it\" {\n  for_each = { a = var.a }\n  policy = file(\"dir/${each.key}.json\")\n}",
            dir,
        ),
        (
            "terraform {\n  backend \"s3\" {\n    key = \"x.txt\"\n  }\n}",
            &[],
        ),
        (r#"variable "a" { default = "x.txt" }"#, &["root/x.txt"]),
    ] {
        let found = named(&format!("{block}\n"));
        let expected = expected.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(found, Ok(expected), "{block}");
    }
    for (block, words) in [
        (
            "locals {\n  a = timestamp()\n}",
            "main.tf:2: `timestamp()`: its value is new at each plan",
        ),
        (
            r#"output "a" { value = "${uuid()}" }"#,
            "main.tf:1: `uuid()`",
        ),
        (
            r#"data "external" "it" { program = ["x"] }"#,
            "main.tf:1: data \"external\"",
        ),
        (r#"data "http" "it" { url = "x" }"#, "data \"http\""),
        (
            r#"data "archive_file" "it" { source_dir = "dir" }"#,
            "data \"archive_file\"",
        ),
        (
            "check \"it\" {\n  data \"http\" \"it\" {\n    url = \"x\"\n  }\n}",
            "main.tf:2: data",
        ),
        (r#"data "local_file" "it" { filename = var.a }"#, "`var.a`"),
        (
            r#"data "terraform_remote_state" "it" { backend = "local" }"#,
            "data \"terraform_remote_state\"",
        ),
        (
            r#"resource "local_file" "it" { filename = "x" }"#,
            "resource \"local_file\"",
        ),
        (
            r#"resource "time_rotating" "it" { rotation_days = 1 }"#,
            "resource \"time_rotating\"",
        ),
        (
            r#"resource "aws_lambda_function" "it" { filename = var.a }"#,
            "`var.a`",
        ),
        (
            r#"resource "aws_s3_object" "it" { source = "${var.a}.zip" }"#,
            "main.tf:1: `\"${var.a}.zip\"`",
        ),
        (
            "resource \"aws_iam_policy\" \"it\" {\n  for_each = { a = var.a }\n  policy = file(\"dir/${each.value}.json\")\n}",
            "main.tf:3",
        ),
        (
            "locals {\n  a = templatefile(\"new.tftpl\", {})\n}",
            "new.tftpl:1: `timestamp()`",
        ),
        ("locals {", "main.tf: it cannot be parsed"),
    ] {
        check_unknown(&format!("{block}\n"), words);
    }
}
