//! What was planned, and what it was made of.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::clients::private_folder::PrivateFolder;
use anyhow::Context as _;

use super::change::PlannedChange;
use super::inputs::Inputs;
use super::outputs::Outputs;
use super::provider::Provider;
use crate::clients::state::Version;
use crate::names::ImageTag;

/// Its name in the folder.
pub const FILE: &str = "saved.tfplan";

/// A plan that was saved: the file is for us alone and goes away with this value.
#[derive(Debug)]
pub struct SavedPlan {
    /// None when nothing had to be planned.
    folder: Option<PrivateFolder>,
    pub change: PlannedChange,
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
    pub tag: ImageTag,
    /// The content of the image, which other tags may have as well.
    pub content: Option<ImageTag>,
    /// When all that exists was last compared with the state.
    pub refreshed: SystemTime,
}

impl SavedPlan {
    pub fn new(folder: PrivateFolder, change: PlannedChange) -> Self {
        SavedPlan {
            folder: Some(folder),
            change,
            basis: None,
            state: None,
            provider: None,
        }
    }

    /// The plan that changes nothing, of what is applied already.
    pub fn as_applied(outputs: Outputs, state: Version) -> Self {
        SavedPlan {
            folder: None,
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

    /// The tag that the definitions name afterwards; None when nobody can tell.
    pub fn tag(&self) -> Option<&str> {
        let planned = self.basis.as_ref().map(|basis| basis.tag.as_str());
        let applied = self
            .unchanged()
            .map(|outputs| outputs.service_docker_tag.as_str());
        planned.or(applied)
    }

    pub fn file(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.as_ref().context("this plan has no file")?;
        Ok(folder.path().join(FILE))
    }
}
