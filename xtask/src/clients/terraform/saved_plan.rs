//! What was planned, and what it was made of.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::clients::private_folder::PrivateFolder;
use anyhow::Context as _;

use super::change::PlannedChange;
use super::inputs::Inputs;
use super::outputs::Outputs;
use super::provider::Provider;
use super::tags::Tags;
use crate::clients::state::Version;

/// Its name in the folder.
pub const FILE: &str = "saved.tfplan";

/// A plan that was saved: the file is for us alone and goes away with this value.
#[derive(Debug)]
pub struct SavedPlan {
    /// None when nothing had to be planned.
    folder: Option<PrivateFolder>,
    pub change: PlannedChange,
    /// What the definitions name afterwards.
    pub tags: Tags,
    /// None when nobody can tell, or when nothing was planned.
    pub basis: Option<Basis>,
    /// The state that it was made from; None when nobody can tell.
    pub state: Option<Version>,
    /// What has made it, and is to apply it; None for a provider that Terraform starts.
    pub provider: Option<Provider>,
}

/// What an apply is made of.
#[derive(Debug, Clone)]
pub struct Basis {
    pub inputs: Inputs,
    /// Tag → the content of its image, which other tags may have as well.
    pub contents: BTreeMap<String, String>,
    /// When all that exists was last compared with the state.
    pub refreshed: SystemTime,
}

impl SavedPlan {
    pub fn new(folder: PrivateFolder, change: PlannedChange, tags: Tags) -> Self {
        SavedPlan {
            folder: Some(folder),
            change,
            tags,
            basis: None,
            state: None,
            provider: None,
        }
    }

    /// The plan that changes nothing, of what is applied already.
    pub fn as_applied(outputs: Outputs, state: Version) -> Self {
        SavedPlan {
            folder: None,
            tags: outputs.tags(),
            change: PlannedChange {
                outputs: Some(outputs),
                ..PlannedChange::default()
            },
            basis: None,
            state: Some(state),
            provider: None,
        }
    }

    /// The outputs as they are, when there is nothing to apply.
    pub fn unchanged(&self) -> Option<&Outputs> {
        let outputs = self.change.outputs.as_ref();
        outputs.filter(|_| self.change.is_empty())
    }

    pub fn file(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.as_ref().context("this plan has no file")?;
        Ok(folder.path().join(FILE))
    }
}
