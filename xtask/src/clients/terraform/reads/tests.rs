use super::*;

/// A checkout: files by their paths; `root` is the root module.
struct Checkout {
    folder: tempfile::TempDir,
}

impl Checkout {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let checkout = Checkout { folder };
        for (file, text) in [("root/main.tf", "")].iter().chain(files) {
            checkout.write(file, text);
        }
        checkout
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.top().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn top(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn reads(&self) -> Option<Reads> {
        let terraform = Terraform {
            program: "terraform".into(),
            root: self.top().join("root"),
            data_dir: self.top().join("target/data"),
            backend_config: Some("here.tfbackend".into()),
            env: Vec::new(),
            env_remove: Vec::new(),
            vars: vec![("given".to_owned(), "given.zip".to_owned())],
            lock_timeout: std::time::Duration::ZERO,
        };
        terraform.reads()
    }

    fn relative(&self, paths: &[PathBuf]) -> Vec<String> {
        let top = self.top();
        let ways = paths.iter().map(|path| relative(&top, path));
        ways.map(|way| way.display().to_string()).collect()
    }
}

const FILES: [(&str, &str); 9] = [
    ("root/x.txt", ""),
    ("root/dir/a.json", ""),
    ("root/dir/b.json", ""),
    ("root/t.tftpl", "${name} file(x)"),
    ("root/reads.tftpl", "${file(\"x.txt\")}"),
    ("root/new.tftpl", "%{ if true }${timestamp()}%{ endif }"),
    ("root/test/main.json", ""),
    ("config/banner.txt", ""),
    ("config/lambda.zip", ""),
];

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

#[test]
fn json_is_searched_and_not_understood() {
    for (json, expected) in [
        (
            r#"{"locals": {"a": "${var.b}", "c": "x.txt"}}"#,
            Ok("root/x.txt"),
        ),
        (r#"{"locals": {"a": "no path. file(x)"}}"#, Ok("")),
        (
            r#"{"resource": {"aws_lambda_function": {"it": {"filename": "later.zip"}}}}"#,
            Ok("root/later.zip"),
        ),
        (
            r#"{"module": [], "terraform": {"backend": {"s3": {"key": "x.txt"}}}}"#,
            Ok(""),
        ),
        (r#"{"locals": {"a": "${file(\"x.txt\")}"}}"#, Err("file(")),
        (r#"{"locals": {"${path.module}": 1}}"#, Err("path.module")),
        (
            r#"{"locals": [{"a": ["${timestamp ()}"]}]}"#,
            Err("timestamp"),
        ),
        (r#"{"data": [{"http": {"it": {}}}]}"#, Err("data \"http\"")),
        (
            r#"{"resource": {"aws_s3_object": {"it": [{"source": "${var.a}"}]}}}"#,
            Err("${var.a}"),
        ),
        ("{", Err("more.tf.json: it cannot be parsed")),
    ] {
        let checkout = Checkout::new(&FILES);
        checkout.write("root/more.tf.json", json);
        let reads = checkout.reads().unwrap();
        match (expected, reads.unknown) {
            (Ok(named), None) => {
                assert_eq!(checkout.relative(&reads.named).join(" "), named, "{json}")
            }
            (Err(words), Some(why)) => assert!(why.contains(words), "{json}: {why}"),
            (_, unknown) => panic!("{json}: {unknown:?}"),
        }
    }
}

const CALL: &str = "module \"m\" {\n  source = \"../shared/m\"\n}\n";
const MANIFEST: &str = r#"{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"m","Source":"../shared/m","Dir":"../shared/m"},{"Key":"gone","Source":"../gone","Dir":"../gone"}]}"#;

#[test]
fn configuration_is_that_of_what_is_called_and_what_is_loaded_by_itself() {
    let checkout = Checkout::new(&FILES);
    for file in [
        "root/.editor.tf",
        "root/terraform.tfvars",
        "root/other.tfvars",
        "root/more.auto.tfvars",
        "root/below/x.tf",
        "gone/main.tf",
    ] {
        checkout.write(file, "");
    }
    checkout.write(
        "root/more.auto.tfvars.json",
        r#"{"zip": "../config/lambda.zip"}"#,
    );
    checkout.write("root/given.zip", "");
    checkout.write("root/main.tf", CALL);
    checkout.write("target/data/modules/modules.json", MANIFEST);
    checkout.write(
        "shared/m/main.tf",
        "locals {\n  a = [file(\"${path.module}/y\"), file(\"x.txt\"), \"own.txt\"]\n}\n",
    );
    checkout.write("shared/m/own.txt", "");
    let reads = checkout.reads().unwrap();
    assert_eq!(
        checkout.relative(&reads.configuration),
        [
            "root/.terraform.lock.hcl",
            "root/here.tfbackend",
            "root/main.tf",
            "root/more.auto.tfvars",
            "root/more.auto.tfvars.json",
            "root/terraform.tfvars",
            "shared/m/main.tf",
        ]
    );
    assert_eq!(
        checkout.relative(&reads.named),
        [
            "config/lambda.zip",
            "root/given.zip",
            "root/x.txt",
            "shared/m/own.txt",
            "shared/m/y"
        ]
    );
    assert_eq!((reads.unknown, reads.placed), (None, false));
}

#[test]
fn a_call_that_no_init_has_seen_is_none() {
    let checkout = Checkout::new(&[("root/main.tf", CALL), ("shared/m/main.tf", "")]);
    assert_eq!(checkout.reads(), None, "no manifest");
    checkout.write("target/data/modules/modules.json", MANIFEST);
    assert!(checkout.reads().is_some());
    checkout.write("root/main.tf", &CALL.replace("shared", "other"));
    assert_eq!(checkout.reads(), None, "another source");
    checkout.write("root/main.tf", CALL);
    checkout.write("shared/m/main.tf", CALL);
    assert_eq!(checkout.reads(), None, "a call of a module");
    std::fs::remove_dir_all(checkout.top().join("shared")).unwrap();
    assert_eq!(checkout.reads(), None, "no folder");
    checkout.write("root/main.tf", "");
    assert!(checkout.reads().is_some(), "no call");
}

#[test]
fn a_value_that_is_the_place_of_the_checkout_is_said() {
    for (expression, placed) in [
        ("path.module", false),
        ("path.cwd", true),
        ("\"${path.cwd}/x ${var.a}\"", true),
        (r#"abspath("x.txt")"#, true),
        (r#"{ a = "in ${path.cwd}" }"#, true),
    ] {
        let checkout = Checkout::new(&[]);
        checkout.write(
            "root/main.tf",
            &format!("locals {{\n  a = {expression}\n}}\n"),
        );
        let reads = checkout.reads().unwrap();
        assert_eq!(
            reads.placed || reads.unknown.is_some(),
            placed,
            "{expression}: {reads:?}"
        );
    }
}

#[test]
fn what_is_kept_is_of_the_same_bytes_and_the_disk_is_looked_at_again() {
    let checkout = Checkout::new(&[("target/data/environment", "")]);
    let line = "locals {\n  a = [file(\"x.txt\"), \"later.zip\"]\n}\n";
    checkout.write("root/main.tf", line);
    let named = || checkout.relative(&checkout.reads().unwrap().named);
    assert_eq!(named(), ["root/x.txt"]);
    let kept = checkout.top().join("target/data/xtask-reads.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    assert_eq!(named(), ["root/x.txt"]);
    checkout.write("root/later.zip", "");
    assert_eq!(named(), ["root/later.zip", "root/x.txt"]);
    // It is read at all: what it says counts for these bytes.
    std::fs::write(&kept, text.replace("x.txt", "kept.txt")).unwrap();
    assert_eq!(named(), ["root/kept.txt", "root/later.zip"]);
    checkout.write("root/main.tf", &line.replace("x.txt", "y.txt"));
    assert_eq!(named(), ["root/later.zip", "root/y.txt"]);
    std::fs::write(&kept, "{").unwrap();
    assert_eq!(named(), ["root/later.zip", "root/y.txt"]);
}
