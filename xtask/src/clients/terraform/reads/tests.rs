mod expressions;

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
            workspace: "default".into(),
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
