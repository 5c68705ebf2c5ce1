//! What this repository is like: where the package is, what its binary is called, where its Dockerfile
//! is. Read where a tool can tell, set where not.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clients::cargo::metadata::{self, Metadata};
use crate::failure::Problem;
use crate::names::did_you_mean;
use crate::settings::Settings;

/// The package whose binary goes into the image, as cargo knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The package's folder.
    pub folder: PathBuf,
    /// The name of the binary in the image.
    pub binary: String,
    /// The file that its compile begins with.
    pub source: PathBuf,
    /// The folders that hold nothing but what cargo makes.
    pub products: Vec<PathBuf>,
}

impl Layout {
    /// Asks cargo.
    pub fn read(settings: &Settings) -> anyhow::Result<Layout> {
        Layout::of(settings, &metadata::of_workspace(&settings.root)?)
    }

    /// # Errors
    /// A usage error when the package is not there, or when nobody can tell which binary is meant.
    pub fn of(settings: &Settings, metadata: &Metadata) -> anyhow::Result<Layout> {
        let name = &settings.package;
        let package = metadata.package(name).ok_or_else(|| {
            let known = metadata.with_binaries();
            Problem::usage(
                format!(
                    "the workspace has no package `{name}`, which `package` in the settings names"
                ),
                did_you_mean(name, &known),
            )
        })?;
        let wanted = settings.binary.as_deref();
        let binary = package.binary(wanted).map_err(|all| {
            let listed = all.join(", ");
            match (wanted, all.is_empty()) {
                (_, true) => Problem::usage(
                    format!("the package `{name}` has no binary"),
                    "name a package that has one: `package` in [workspace.metadata.xtask]",
                ),
                (Some(wanted), _) => Problem::usage(
                    format!("the package `{name}` has no binary `{wanted}`: it has {listed}"),
                    "mend `binary` in [workspace.metadata.xtask]",
                ),
                (None, _) => Problem::usage(
                    format!("the package `{name}` has several binaries: {listed}"),
                    "say which one goes into the image: `binary` in [workspace.metadata.xtask], or `default-run` of the package",
                ),
            }
        })?;
        Ok(Layout {
            folder: package.folder(),
            binary: binary.name,
            source: binary.source,
            products: metadata.products(),
        })
    }
}

/// The folder of the project that goes into the image, relative to the root: what `project_dir` says,
/// where pyproject.toml is, or where cargo has the package.
pub fn project_dir(settings: &Settings) -> anyhow::Result<PathBuf> {
    if let Some(folder) = settings.project_folder() {
        return Ok(folder);
    }
    let folder = Layout::read(settings)?.folder;
    Ok(relative(&settings.root, &folder))
}

/// The Dockerfile: the one that is set, or the project's.
pub fn dockerfile(settings: &Settings) -> anyhow::Result<PathBuf> {
    match &settings.dockerfile {
        Some(file) => Ok(file.clone()),
        None => Ok(project_dir(settings)?.join("Dockerfile")),
    }
}

/// A path below the root as it is written in settings, or as it is.
fn relative(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}
