//! What the last compile read and made, for the next call: a file of this machine that may be deleted
//! at any time.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::read::{Marks, Read, hex};
use crate::clients::own_files;
use crate::layout::Layout;
use crate::session::env_var;
use crate::settings::Settings;

/// The number of this format; a record of another one is no record.
const FORMAT: u32 = 1;

/// One compile, and what it left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiled {
    format: u32,
    pub layout: Layout,
    /// The folders of the user's packages that are in the binary.
    pub packages: Vec<PathBuf>,
    pub read: Read,
    pub marks: Marks,
    /// The compiler, the target, the profile and the flags.
    pub inputs: String,
    /// Variables of the environment that a crate or a build script asks for, and what they were, as
    /// hashes. None when nobody can tell which.
    pub variables: Option<BTreeMap<String, String>>,
    /// The content of the image, as a digest; None for one that a Dockerfile makes.
    pub content: Option<String>,
    /// The tag that it was published under.
    pub tag: Option<String>,
}

impl Compiled {
    pub fn new(layout: Layout, packages: Vec<PathBuf>, read: Read, marks: Marks) -> Self {
        Compiled {
            format: FORMAT,
            layout,
            packages,
            read,
            marks,
            inputs: String::new(),
            variables: None,
            content: None,
            tag: None,
        }
    }

    /// None when there is none for these settings, or none that can be read.
    pub fn find(settings: &Settings) -> Option<Compiled> {
        let text = std::fs::read(file(settings)).ok()?;
        let found: Compiled = serde_json::from_slice(&text).ok()?;
        (found.format == FORMAT).then_some(found)
    }

    pub fn write(&self, settings: &Settings) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("the record of a compile")?;
        own_files::write(&file(settings), &text)
    }

    /// Would the compiler be called the same way, in the same environment? `inputs` is of now.
    pub fn same_compiler(&self, inputs: &str) -> bool {
        let same = |variables: &BTreeMap<String, String>| {
            let mut variables = variables.iter();
            variables.all(|(name, value)| hash_of(name) == *value)
        };
        self.inputs == inputs && self.variables.as_ref().is_some_and(same)
    }

    /// The manifests and the lock file alone, which say what packages there are and where.
    pub fn same_manifests(&self, now: &Marks) -> bool {
        let is_manifest = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            matches!(name, Some("Cargo.toml" | "Cargo.lock"))
        };
        let mut before = self.marks.iter().filter(|(path, _)| is_manifest(path));
        before.all(|(path, mark)| now.get(path) == Some(mark))
    }
}

/// The values of variables, as hashes: one may be a secret.
pub fn values_of(names: impl IntoIterator<Item = String>) -> BTreeMap<String, String> {
    let names = names.into_iter();
    names
        .map(|name| {
            let hash = hash_of(&name);
            (name, hash)
        })
        .collect()
}

fn hash_of(name: &str) -> String {
    match env_var(name) {
        Some(value) => hex(&Sha256::digest(format!("{name}={value}"))),
        None => "unset".to_owned(),
    }
}

/// Each package, binary and platform has its own.
fn file(settings: &Settings) -> PathBuf {
    let binary = settings.binary.as_deref().unwrap_or_default();
    let name = format!("{}.{binary}.{}", settings.package, settings.platform);
    let name = name.replace('/', "-");
    settings
        .work_dir()
        .join("compiled")
        .join(format!("{name}.json"))
}
