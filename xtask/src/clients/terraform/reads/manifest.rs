//! Where modules are: what `terraform init` has written down, and whether it fits the calls of today.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hcl_edit::structure::Body;
use serde::{Deserialize, Serialize};

use super::disk;

/// The modules of the last init by their keys: `a.b` is called `b` by the module `a`.
#[derive(Debug)]
pub struct Manifest {
    modules: HashMap<String, Module>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    key: String,
    source: String,
    dir: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    modules: Vec<Module>,
}

/// One `module` block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub name: String,
    /// None when it is no literal.
    pub source: Option<String>,
}

impl Manifest {
    /// An init of a root that calls nothing writes none, so that none is an empty one. None when it
    /// cannot be understood.
    pub fn read(data_dir: &Path) -> Option<Self> {
        match std::fs::read_to_string(data_dir.join("modules/modules.json")) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Manifest {
                modules: HashMap::new(),
            }),
            Err(_) => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let written: Written = serde_json::from_str(text).ok()?;
        let modules = written.modules.into_iter();
        Some(Manifest {
            modules: modules.map(|it| (it.key.clone(), it)).collect(),
        })
    }

    /// The folders of all modules but the root's, also of those that nobody calls any more.
    pub fn folders(&self, root: &Path) -> Vec<PathBuf> {
        let modules = self.modules.values().filter(|it| !it.key.is_empty());
        let mut folders: Vec<_> = modules
            .map(|it| disk::normal(&root.join(&it.dir)))
            .collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// The key and the folder of a called module, as it was initialised. None if the init was of
    /// another call.
    pub fn called(&self, caller: (&str, &str), call: &Call) -> Option<(String, String)> {
        let (key, folder) = caller;
        let key = match key {
            "" => call.name.clone(),
            key => format!("{key}.{}", call.name),
        };
        let module = self.modules.get(&key)?;
        let source = call.source.as_deref()?;
        let fits = if is_local(source) {
            let expected = disk::clean(&Path::new(folder).join(source));
            disk::clean(Path::new(&module.dir)) == expected
        } else {
            // The manifest has it in full: the registry's host, a URL.
            !is_local(&module.source)
        };
        fits.then(|| (key, module.dir.clone()))
    }
}

fn is_local(source: &str) -> bool {
    source.starts_with("./") || source.starts_with("../")
}

/// The calls of a file. An override that leaves the source as it is says nothing of it.
pub fn calls(body: &Body) -> Vec<Call> {
    body.get_blocks("module")
        .filter_map(|block| {
            let source = &block.body.get_attribute("source")?.value;
            Some(Call {
                name: block.labels.first()?.as_str().to_owned(),
                source: source.as_str().map(str::to_owned),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Terraform 1.11 writes it for infra/ecs-tasks/environments/test.
    const RECORDED: &str = r#"{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"ecs_tasks","Source":"../../template","Dir":"../../template"},{"Key":"ecs_tasks.diagnose_on_workdays","Source":"../../modules/ecs_task_scheduler","Dir":"../../../modules/ecs_task_scheduler"},{"Key":"ecs_tasks.import_claims","Source":"../../modules/s3_ecs_trigger","Dir":"../../../modules/s3_ecs_trigger"},{"Key":"ecs_tasks.nightly_report","Source":"../../modules/ecs_task_scheduler","Dir":"../../../modules/ecs_task_scheduler"},{"Key":"far","Source":"registry.terraform.io/a/b/aws","Dir":"/data/modules/far"}]}"#;

    #[test]
    fn folders_are_relative_to_the_root() {
        let manifest = Manifest::parse(RECORDED).unwrap();
        assert_eq!(
            manifest.folders(Path::new("/r/infra/ecs-tasks/environments/test")),
            [
                "/data/modules/far",
                "/r/infra/ecs-tasks/template",
                "/r/infra/modules/ecs_task_scheduler",
                "/r/infra/modules/s3_ecs_trigger",
            ]
            .map(PathBuf::from)
        );
    }

    #[test]
    fn a_call_that_was_not_initialised_is_none() {
        let manifest = Manifest::parse(RECORDED).unwrap();
        let template = ("ecs_tasks", "../../template");
        for (caller, name, source, dir) in [
            (
                ("", "."),
                "ecs_tasks",
                "../../template",
                Some("../../template"),
            ),
            (
                ("", "."),
                "ecs_tasks",
                "../../template/",
                Some("../../template"),
            ),
            (("", "."), "ecs_tasks", "../../other", None),
            (("", "."), "ecs_tasks", "a/b/aws", None),
            (
                ("", "."),
                "import_claims",
                "../../modules/s3_ecs_trigger",
                None,
            ),
            (
                template,
                "import_claims",
                "../../modules/s3_ecs_trigger",
                Some("../../../modules/s3_ecs_trigger"),
            ),
            (("", "."), "far", "a/b/aws", Some("/data/modules/far")),
            (("", "."), "far", "./far", None),
        ] {
            let call = Call {
                name: name.to_owned(),
                source: Some(source.to_owned()),
            };
            let called = manifest.called(caller, &call).map(|(_, dir)| dir);
            assert_eq!(called.as_deref(), dir, "{caller:?} {call:?}");
        }
        let computed = "module \"far\" {\n  source = \"./${var.x}\"\n}\n";
        let calls = calls(&computed.parse().unwrap());
        assert_eq!(manifest.called(("", "."), &calls[0]), None);
    }
}
