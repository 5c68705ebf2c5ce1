//! `terraform init`, when the last one no longer fits.
//!
//! It costs seconds (the provider is hashed, and 700 MB of it), and most edits of a configuration do
//! not concern it: what it reads is which modules and providers are called, the backend and the lock file.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use hcl_edit::structure::{Block, Body, Structure};
use sha2::{Digest as _, Sha256};

use super::reads::is_configuration;
use super::reads::manifest::Manifest;
use super::{Terraform, providers};
use crate::clients::own_files;
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::rounds::Bound;

/// A first init fetches the provider, 100 MB of it.
const ANOTHER: Bound = Bound::every(Duration::from_millis(50), Duration::from_secs(600));

impl Terraform {
    /// Runs `terraform init` unless the last one saw the same. Returns whether it ran.
    pub async fn init(
        &self,
        interrupt: &Interrupt,
        mut on_line: impl FnMut(&str),
    ) -> anyhow::Result<bool> {
        if self.is_initialised()? {
            return Ok(false);
        }
        std::fs::create_dir_all(&self.data_dir)
            .with_context(|| format!("making {}", self.data_dir.display()))?;
        let _alone = self.alone(interrupt).await?;
        // Somebody else has done it meanwhile, in the same checkout.
        if self.is_initialised()? {
            return Ok(false);
        }
        let sources = self.sources()?;
        let mut program = self.program("init").args([
            "-input=false",
            "-no-color",
            "-lockfile=readonly",
            "-reconfigure",
        ]);
        if let Some(config) = &self.backend_config {
            program = program.arg(format!("-backend-config={}", config.display()));
        }
        if let Some(mirror) = providers::find_mirror(&self.root) {
            program = program.arg(format!("-plugin-dir={}", mirror.display()));
        }
        let shown = program.shown().to_owned();
        let finished = program.run(interrupt, |_, line| on_line(line)).await?;
        finished
            .success(&shown)
            .with_context(|| format!("initialising Terraform in {}", self.root.display()))?;
        let sources = seen(sources, self.sources()?);
        let files = self.hash(&sources, |source| source.text.clone());
        let read_by_init = self.hash(&sources, Source::read_by_init);
        self.write_stamp(&format!("{files}\n{read_by_init}"))?;
        Ok(true)
    }

    /// Has the last init seen the same?
    fn is_initialised(&self) -> anyhow::Result<bool> {
        // Two hashes: of every byte, so that mostly nothing needs to be parsed, and of what an init reads.
        let last = std::fs::read_to_string(self.stamp_file()).unwrap_or_default();
        let (last_files, last_read) = last.split_once('\n').unwrap_or_default();
        let sources = self.sources()?;
        let files = self.hash(&sources, |source| source.text.clone());
        if files == last_files {
            return Ok(true);
        }
        let read_by_init = self.hash(&sources, Source::read_by_init);
        if read_by_init == last_read {
            self.write_stamp(&format!("{files}\n{read_by_init}"))?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Two inits of one data directory at a time would fail. The lock goes with the value.
    async fn alone(&self, interrupt: &Interrupt) -> anyhow::Result<File> {
        let path = self.data_dir.join("xtask-init-lock");
        let lock = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let mut rounds = ANOTHER.rounds(interrupt, "waiting for another `terraform init`");
        while rounds.again().await? {
            if lock.try_lock().is_ok() {
                return Ok(lock);
            }
        }
        Err(Problem::failed(
            format!(
                "another `terraform init` of {} does not end",
                self.root.display()
            ),
            "look for a terraform that hangs, and end it",
        )
        .into())
    }

    /// The next call initialises, whatever the last one saw.
    pub(super) fn forget_init(&self) {
        let _ = std::fs::remove_file(self.stamp_file());
    }

    fn stamp_file(&self) -> PathBuf {
        self.data_dir.join("xtask-init-stamp")
    }

    fn write_stamp(&self, stamp: &str) -> anyhow::Result<()> {
        own_files::write(&self.stamp_file(), stamp.as_bytes())
    }

    /// The configuration of the root and of every module of the last init, the lock file, the backend's
    /// settings. A module that is called anew is called by one of these.
    pub(super) fn sources(&self) -> anyhow::Result<Vec<Source>> {
        let mut sources = Vec::new();
        collect(&self.root, is_read_in_the_root, &mut sources)?;
        // Without a manifest that can be read the stamp does not fit, and an init writes another one.
        let manifest = Manifest::read(&self.data_dir);
        for folder in manifest.iter().flat_map(|it| it.folders(&self.root)) {
            if folder.is_dir() {
                collect(&folder, is_configuration, &mut sources)?;
            }
        }
        if let Some(path) = self.backend_config.as_ref().map(|it| self.root.join(it))
            && !sources.iter().any(|source| source.path == path)
        {
            sources.extend(std::fs::read_to_string(&path).map(|text| Source { path, text }));
        }
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(sources)
    }

    fn hash(&self, sources: &[Source], part: impl Fn(&Source) -> String) -> String {
        let mut hash = Sha256::new();
        for source in sources {
            let part = part(source);
            hash.update(format!("{}\0{}\0{part}", source.path.display(), part.len()));
        }
        hash.update(format!("{:?}", self.backend_config));
        let digits = hash.finalize();
        digits.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[derive(Debug)]
pub(super) struct Source {
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// Everything of a file that is no plain configuration, or cannot be parsed.
    fn read_by_init(&self) -> String {
        let is_configuration = self.path.extension().is_some_and(|end| end == "tf");
        match self.text.parse::<Body>() {
            Ok(body) if is_configuration => {
                let blocks = body.iter().filter_map(Structure::as_block);
                let mut parts: Vec<String> = blocks.filter_map(block_read_by_init).collect();
                // Many resources of one provider ask for it once.
                parts.sort();
                parts.dedup();
                parts.join("\n")
            }
            _ => self.text.clone(),
        }
    }
}

fn block_read_by_init(block: &Block) -> Option<String> {
    let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
    let attribute = |name: &str| {
        let value = block
            .body
            .get_attribute(name)
            .map(|attribute| &attribute.value);
        value.map(ToString::to_string).unwrap_or_default()
    };
    match block.ident.as_str() {
        "locals" | "variable" | "output" | "moved" | "removed" | "check" => None,
        "module" => Some(format!(
            "module {} {} {}",
            labels.join(" "),
            attribute("source"),
            attribute("version")
        )),
        "provider" => Some(format!("provider {}", labels.join(" "))),
        // `aws_iam_role` asks for the provider `aws`, unless `provider` names another.
        "resource" | "data" | "ephemeral" => {
            let provider = labels.first()?.split('_').next()?;
            Some(format!("uses {provider} {}", attribute("provider")))
        }
        // `terraform`, and whatever may come.
        _ => Some(Body::from_iter([Structure::Block(block.clone())]).to_string()),
    }
}

fn is_read_in_the_root(name: &str) -> bool {
    is_configuration(name) || name.ends_with(".tfbackend") || name == ".terraform.lock.hcl"
}

fn collect(
    folder: &Path,
    wanted: fn(&str) -> bool,
    sources: &mut Vec<Source>,
) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if wanted(&name) && !path.is_dir() {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("reading {}", path.display()))?;
            sources.push(Source { path, text });
        }
    }
    Ok(())
}

/// What an init has seen: the files of now, which include those of modules that it has found, and the
/// text that those before it had then, should somebody have edited one meanwhile.
fn seen(before: Vec<Source>, mut now: Vec<Source>) -> Vec<Source> {
    let mut before: HashMap<PathBuf, String> =
        before.into_iter().map(|it| (it.path, it.text)).collect();
    for source in &mut now {
        if let Some(text) = before.remove(&source.path) {
            source.text = text;
        }
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = r#"
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  region = "us-east-1"
}
module "tasks" {
  source = "./tasks"
  name   = "a"
}
resource "aws_iam_role" "this" {
  name = "a"
}
"#;

    fn read(path: &str, text: &str) -> String {
        let source = Source {
            path: path.into(),
            text: text.into(),
        };
        source.read_by_init()
    }

    #[test]
    fn an_init_reads_what_is_called_and_no_values() {
        let before = read("main.tf", MAIN);
        for (from, to) in [
            ("us-east-1", "eu-west-1"),
            ("name   = \"a\"", "name   = \"b\""),
            ("name = \"a\"", "name = \"b\""),
            ("aws_iam_role", "aws_iam_policy"),
            (
                "resource",
                "variable \"more\" {}\nlocals {\n  a = 1\n}\nresource",
            ),
        ] {
            let after = read("main.tf", &MAIN.replace(from, to));
            assert_eq!(before, after, "{from} → {to}");
        }
        for (from, to) in [
            ("hashicorp/aws", "somebody/aws"),
            ("./tasks", "./other"),
            ("module \"tasks\"", "module \"others\""),
            ("name   = \"a\"", "version = \"1\""),
            ("aws_iam_role", "random_id"),
            ("name = \"a\"", "provider = google"),
            ("provider \"aws\"", "provider \"google\""),
            ("resource", "backend \"s3\" {}\nresource"),
        ] {
            let after = read("main.tf", &MAIN.replace(from, to));
            assert_ne!(before, after, "{from} → {to}");
        }
    }

    #[test]
    fn every_byte_counts_of_what_is_no_plain_configuration() {
        for (path, text) in [
            (
                ".terraform.lock.hcl",
                "provider \"x\" {\n  version = \"1\"\n}\n",
            ),
            ("sandbox.tfbackend", "bucket = \"a\"\n"),
            ("main.tf.json", "{\"locals\": {}}"),
            ("broken.tf", "locals {"),
        ] {
            assert_eq!(read(path, text), text);
        }
    }

    fn terraform(folder: &Path) -> Terraform {
        Terraform {
            program: "terraform".into(),
            root: folder.join("root"),
            data_dir: folder.join("data"),
            backend_config: None,
            env: Vec::new(),
            env_remove: Vec::new(),
            vars: Vec::new(),
            lock_timeout: Duration::ZERO,
            workspace: "default".into(),
        }
    }

    #[test]
    fn a_module_anywhere_counts_once_it_is_in_the_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let terraform = terraform(folder.path());
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            terraform.hash(&terraform.sources().unwrap(), Source::read_by_init)
        };
        let alone = write("root/main.tf", MAIN);
        assert_eq!(write("shared/m/main.tf", MAIN), alone);
        assert_eq!(write("root/notes.md", "words"), alone);
        let called = write(
            "root/more.tf",
            "module \"m\" {\n  source = \"../shared/m\"\n}\n",
        );
        assert_ne!(called, alone, "a call");
        let manifest = r#"{"Modules":[{"Key":"m","Source":"../shared/m","Dir":"../shared/m"},{"Key":"gone","Source":"./gone","Dir":"gone"}]}"#;
        let known = write("data/modules/modules.json", manifest);
        assert_ne!(known, called, "an init");
        let another = MAIN.replace("aws_iam_role", "random_id");
        assert_ne!(write("shared/m/main.tf", &another), known, "a provider");
        assert_eq!(write("shared/m/main.tf", MAIN), known);
        assert_eq!(write("shared/m/below/main.tf", &another), known, "below");
        assert_ne!(write("root/.terraform.lock.hcl", "x"), known, "the lock");
    }

    #[test]
    fn an_edit_during_an_init_is_not_seen() {
        let source = |path: &str, text: &str| Source {
            path: path.into(),
            text: text.into(),
        };
        let before = vec![source("main.tf", "old"), source("gone.tf", "")];
        let now = vec![source("main.tf", "new"), source("m/main.tf", "found")];
        let seen = seen(before, now);
        let seen: Vec<_> = seen.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(seen, ["old", "found"]);
    }
}
