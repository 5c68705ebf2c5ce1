//! One provider for a plan and its apply (clients/terraform/provider): the same plans, states and errors
//! as those of a provider that Terraform starts, and the ordinary way where something is unusual.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regex_lite::Regex;
use serde_json::{Value, json};

use crate::harness::keys::Keys;
use crate::harness::served::{Served, provider_binary};
use crate::harness::{FakeBin, Shared, aws, base, providers};

/// Every kind of change, one after the other. `NAME` is the name of all that is made.
const STAGES: [(&str, &str); 3] = [
    (
        "create",
        r#"
data "aws_caller_identity" "me" {}
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}
resource "aws_iam_role" "before" {
  name               = "NAME-role"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}
resource "aws_cloudwatch_log_group" "this" {
  name              = "/NAME/one"
  retention_in_days = 7
}
resource "aws_ssm_parameter" "this" {
  name  = "/NAME/value"
  type  = "String"
  value = "one"
}
output "account" {
  value = data.aws_caller_identity.me.account_id
}
"#,
    ),
    (
        "change, replace, move and import",
        r#"
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}
moved {
  from = aws_iam_role.before
  to   = aws_iam_role.after
}
resource "aws_iam_role" "after" {
  name               = "NAME-role"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}
resource "aws_cloudwatch_log_group" "this" {
  name              = "/NAME/two"
  retention_in_days = 7
}
resource "aws_ssm_parameter" "this" {
  name  = "/NAME/value"
  type  = "String"
  value = "two"
}
import {
  to = aws_ssm_parameter.imported
  id = "/NAME/imported"
}
resource "aws_ssm_parameter" "imported" {
  name  = "/NAME/imported"
  type  = "String"
  value = "found"
}
"#,
    ),
    // Most types are in the state alone.
    (
        "destroy",
        r#"
resource "aws_ssm_parameter" "this" {
  name  = "/NAME/value"
  type  = "String"
  value = "two"
}
"#,
    ),
];
const PROVIDER: &str = r#"
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
provider "aws" {
  region = "us-east-1"
  default_tags {
    tags = { Root = "provider" }
  }
}
"#;

/// Who starts the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Terraform,
    Tool,
}

/// A root of its own, with its state on disk, on the shared sandbox.
struct Root {
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
    name: &'static str,
    binary: PathBuf,
}

impl Root {
    fn new(shared: &Shared, name: &'static str) -> Root {
        let folder = base().join(format!("provider-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let lock = "infra/ecs-tasks/environments/test/.terraform.lock.hcl";
        let lock = shared.checkout.root.join(lock);
        std::fs::copy(lock, folder.join(".terraform.lock.hcl")).unwrap();
        let keys = Keys::of(&shared.checkout.root);
        let variables = vec![
            ("AWS_ENDPOINT_URL", shared.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", keys.control_id),
            ("AWS_SECRET_ACCESS_KEY", keys.control_secret),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("CHECKPOINT_DISABLE", "1".to_owned()),
        ];
        let plugins = providers(shared);
        let binary = provider_binary(&plugins);
        let root = Root {
            folder,
            variables,
            name,
            binary,
        };
        root.write(STAGES[0].1);
        let plugins = format!("-plugin-dir={}", plugins.display());
        root.terraform(&["init", "-input=false", &plugins], None);
        root
    }

    fn write(&self, stage: &str) {
        let text = format!("{PROVIDER}{}", stage.replace("NAME", self.name));
        std::fs::write(self.folder.join("main.tf"), text).unwrap();
    }

    fn command(&self, args: &[&str], provider: Option<&Served>) -> Output {
        let mut command = Command::new("terraform");
        command.args(args).current_dir(&self.folder);
        command
            .env_remove("TF_CLI_CONFIG_FILE")
            .env_remove("AWS_CA_BUNDLE");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(provider) = provider {
            command.env("TF_REATTACH_PROVIDERS", &provider.reattach);
        }
        command.output().unwrap()
    }

    #[track_caller]
    fn terraform(&self, args: &[&str], provider: Option<&Served>) -> String {
        let output = self.command(args, provider);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `show` says of a plan, without when it was made.
    fn plan(&self, way: Way, provider: &Served) -> Value {
        let provider = (way == Way::Tool).then_some(provider);
        let file = format!("{way:?}.tfplan");
        let out = format!("-out={file}");
        self.terraform(&["plan", "-input=false", &out], provider);
        let shown = self.terraform(&["show", "-json", &file], provider);
        let mut plan: Value = serde_json::from_str(&shown).unwrap();
        plan.as_object_mut().unwrap().remove("timestamp").unwrap();
        plan
    }

    /// The state, without what is another one in each state and for each name.
    fn state(&self) -> Value {
        let text = std::fs::read_to_string(self.folder.join("terraform.tfstate")).unwrap();
        let ids = Regex::new(r#""(unique_id|create_date|lineage|arn|id)": "[^"]*""#).unwrap();
        let text = text.replace(self.name, "NAME");
        let text = ids.replace_all(&text, r#""$1": """#);
        let mut state: Value = serde_json::from_str(&text).unwrap();
        state.as_object_mut().unwrap().remove("serial");
        for resource in state["resources"].as_array_mut().unwrap() {
            for instance in resource["instances"].as_array_mut().unwrap() {
                // Terraform writes them in an order that is another one each time.
                if let Some(paths) = instance["sensitive_attributes"].as_array_mut() {
                    paths.sort_by_key(Value::to_string);
                }
            }
        }
        state
    }

    /// As the tool starts it, for what is named in the configuration and in the state.
    fn serve(&self) -> Served {
        let mut text = std::fs::read_to_string(self.folder.join("main.tf")).unwrap();
        let state = std::fs::read_to_string(self.folder.join("terraform.tfstate"));
        text.push_str(&state.unwrap_or_default());
        let types = Regex::new("aws_[a-z0-9_]+").unwrap();
        let types: Vec<&str> = types.find_iter(&text).map(|it| it.as_str()).collect();
        self.serve_for(&types)
    }

    fn serve_for(&self, types: &[&str]) -> Served {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .env_remove("AWS_CA_BUNDLE")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder);
        let schema = base().join("provider-schema");
        Served::start(command, &self.binary, &schema, types)
    }
}

#[test]
fn plans_and_states_are_the_same_in_both_ways() {
    let (shared, _lock) = Shared::together();
    let (ordinary, fast) = (
        Root::new(shared, "by-terraform"),
        Root::new(shared, "by-tool"),
    );
    for root in [&ordinary, &fast] {
        let name = format!("/{}/imported", root.name);
        let parameter = json!({ "Name": name, "Value": "found", "Type": "String" });
        aws(&shared.endpoint, "AmazonSSM.PutParameter", &parameter);
    }
    for (what, stage) in STAGES {
        fast.write(stage);
        let provider = fast.serve();
        let plans = [Way::Terraform, Way::Tool].map(|way| fast.plan(way, &provider));
        assert_eq!(plans[0], plans[1], "{what}");
        fast.terraform(&["apply", "-input=false", "Tool.tfplan"], Some(&provider));
    }
    // Everything up to the last stage in one go, and then the last one.
    for (_, stage) in STAGES {
        ordinary.write(stage);
        ordinary.terraform(&["apply", "-input=false", "-auto-approve"], None);
    }
    assert_eq!(ordinary.state(), fast.state());
    let detailed = ["plan", "-input=false", "-detailed-exitcode"];
    assert_eq!(fast.command(&detailed, None).status.code(), Some(0));
}

#[test]
fn what_aws_refuses_is_said_in_the_same_words() {
    let (shared, _lock) = Shared::together();
    let root = Root::new(shared, "refused");
    root.write("resource \"aws_ecs_task_definition\" \"this\" {\n  family                = \"NAME\"\n  container_definitions = \"[]\"\n}\n");
    let provider = root.serve();
    let said = [None, Some(&provider)].map(|provider| {
        root.terraform(&["plan", "-input=false", "-out=plan"], provider);
        let output = root.command(&["apply", "-input=false", "-no-color", "plan"], provider);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    });
    let ids = Regex::new("(?i)RequestID: [0-9a-f-]+").unwrap();
    let said = said.map(|said| ids.replace_all(&said, "RequestID").into_owned());
    assert!(said[0].contains("Error"), "{}", said[0]);
    assert_eq!(said[0], said[1]);
}

/// A type that nobody has named is an error, never another plan; a second configuration is refused; and
/// nothing stays behind, whoever is killed.
#[test]
fn a_provider_does_no_more_than_it_was_started_for_and_ends_with_us() {
    let (shared, _lock) = Shared::together();
    let root = Root::new(shared, "started-once");
    root.write("resource \"aws_ssm_parameter\" \"this\" {\n  name  = \"/NAME/value\"\n  type  = \"String\"\n  value = \"one\"\n}\n");
    let provider = root.serve_for(&["aws_iam_role"]);
    let output = root.command(&["plan", "-input=false"], Some(&provider));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("aws_ssm_parameter"), "{stderr}");
    drop(provider);

    let aliases = "provider \"aws\" {\n  alias  = \"west\"\n  region = \"us-west-2\"\n}\ndata \"aws_region\" \"here\" {}\ndata \"aws_region\" \"west\" {\n  provider = aws.west\n}\n";
    root.write(aliases);
    let provider = root.serve_for(&["aws_region"]);
    let output = root.command(&["plan", "-input=false"], Some(&provider));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("two configurations at a time"), "{stderr}");

    // A program in Go writes its goroutines down before it ends.
    let mut ended = root.serve();
    let words = ended.last_words();
    assert!(
        words.contains("SIGABRT") && words.contains("goroutine"),
        "{words}"
    );

    // The process between is killed: the provider goes, too.
    let socket = provider.socket();
    let folder = socket.parent().unwrap().to_owned();
    let mut provider = provider;
    provider.process.kill().unwrap();
    provider.process.wait().unwrap();
    ends(&folder);
    // The tool is killed: its end of the channel closes without a word.
    let provider = root.serve();
    let folder = provider.socket().parent().unwrap().to_owned();
    provider.abandon();
    ends(&folder);
}

/// An alias, and `--no-reattach`: the loop is the same, and `-v` says why it takes its time.
#[test]
fn whatever_is_unusual_is_left_to_terraform_and_run_needs_none() {
    let (shared, _lock) = Shared::alone();
    let file = "infra/ecs-tasks/environments/test/alias.tf";
    let alias = "provider \"aws\" {\n  alias  = \"west\"\n  region = \"us-west-2\"\n}\n";
    let itself = "Terraform starts the AWS provider itself: provider \"aws\" in ";
    let tried = |flags: &[&str]| {
        let args = [&["try", "my-new-task-name", "--sandbox", "-v"], flags].concat();
        let tried = shared.checkout.xtask(args);
        tried.reattach(true).run().expect_code(0)
    };
    shared.checkout.write(file, alias);
    let aliased = tried(&[]);
    std::fs::remove_file(shared.checkout.root.join(file)).unwrap();
    aliased.expect_stderr(itself).expect_stderr("has `alias`");
    let usual = tried(&["--refresh"]);
    assert!(
        !usual.stderr.contains("Terraform starts"),
        "{}",
        usual.stderr
    );

    let bin = FakeBin::named("no-terraform").script("terraform", "#!/bin/sh\nexit 1\n");
    let run = ["run", "my-new-task-name", "--sandbox", "--again"];
    let run = shared.checkout.xtask(run).env("PATH", bin.first()).run();
    run.expect_code(0);
}

/// Waits until no provider listens in the folder any more.
#[track_caller]
fn ends(folder: &Path) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let listens = || {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut sockets = entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("plugin")
        });
        sockets.any(|socket| UnixStream::connect(socket).is_ok())
    };
    while listens() {
        assert!(std::time::Instant::now() < deadline, "a provider is left");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
