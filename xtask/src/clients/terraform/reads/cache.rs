//! What the files of a module say, kept for as long as they are the same: a debug build parses slowly.
//! What is on the disk for it is looked at each time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::manifest::Call;
use super::mentions::Mention;
use crate::clients::own_files;

/// Other rules find other things in the same files.
const RULES: [&str; 8] = [
    include_str!("anchor.rs"),
    include_str!("disk.rs"),
    include_str!("json.rs"),
    include_str!("manifest.rs"),
    include_str!("mentions.rs"),
    include_str!("plain.rs"),
    include_str!("rules.rs"),
    include_str!("tame.rs"),
];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Said {
    of: String,
    pub mentions: Vec<Mention>,
    pub calls: Vec<Call>,
}

#[derive(Default)]
pub struct Cache {
    file: PathBuf,
    before: BTreeMap<String, Said>,
    now: BTreeMap<String, Said>,
    changed: bool,
}

impl Cache {
    pub fn open(data_dir: &Path) -> Self {
        let file = data_dir.join("xtask-reads.json");
        let text = std::fs::read(&file).unwrap_or_default();
        let before: BTreeMap<_, _> = serde_json::from_slice(&text).unwrap_or_default();
        Cache {
            file,
            before,
            now: BTreeMap::new(),
            changed: false,
        }
    }

    /// `parts` are all that decides what is said.
    pub fn said<'a>(
        &mut self,
        module: &str,
        parts: impl Iterator<Item = &'a [u8]>,
        say: impl FnOnce() -> (Vec<Mention>, Vec<Call>),
    ) -> Said {
        let mut hash = Sha256::new();
        for part in RULES.iter().map(|text| text.as_bytes()).chain(parts) {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let digits = hash.finalize();
        let of: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
        let said = match self.before.remove(module) {
            Some(said) if said.of == of => said,
            _ => {
                self.changed = true;
                let (mut mentions, calls) = say();
                mentions.sort();
                mentions.dedup();
                Said {
                    of,
                    mentions,
                    calls,
                }
            }
        };
        self.now.insert(module.to_owned(), said.clone());
        said
    }

    /// One that cannot be written costs the next call its parsing, and no more.
    pub fn keep(self) {
        if !self.changed {
            return;
        }
        let Ok(text) = serde_json::to_vec(&self.now) else {
            return;
        };
        let _ = own_files::write(&self.file, &text);
    }
}
