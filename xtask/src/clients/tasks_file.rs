//! The files in which tasks are written: the template's Terraform and the sources of entrypoints.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::catalog::terraform::{self, Source, Written};
use crate::catalog::{Catalog, Entrypoint, entrypoints};
use crate::layout::project_dir;
use crate::settings::Settings;

/// The names of the tasks in the file, in its order. None when `tasks` is not a plain map (a
/// `merge(…)`), so that only Terraform can tell.
pub fn task_names(file: &Path) -> anyhow::Result<Option<Vec<String>>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading the task definitions from {}", file.display()))?;
    let Written { definitions, .. } = terraform::read(&[terraform::parse(file, text)?]);
    let names = |definitions: Vec<crate::catalog::Definition>| {
        definitions.into_iter().map(|task| task.name).collect()
    };
    Ok(definitions.map(names))
}

/// Everything that the working tree says about tasks.
pub fn catalog(settings: &Settings) -> anyhow::Result<Catalog> {
    let written = terraform::read(&terraform_sources(settings)?);
    Ok(Catalog {
        entrypoints: entrypoints_of(settings)?,
        definitions: written.definitions,
        schedules: written.schedules,
        triggers: written.triggers,
    })
}

/// The Terraform files beside tasks.tf, and itself, in alphabetical order.
pub fn terraform_sources(settings: &Settings) -> anyhow::Result<Vec<Source>> {
    let tasks_file = settings.root.join(&settings.tasks_file);
    let folder = tasks_file.parent().unwrap_or(&settings.root);
    let mut sources = Vec::new();
    for file in files_in(folder, "tf", false)? {
        let text = read(&file)?;
        sources.push(terraform::parse(&relative(settings, &file), text)?);
    }
    anyhow::ensure!(
        sources
            .iter()
            .any(|source| source.file == settings.tasks_file),
        "there is no {}: tasks_file in the settings says where the task definitions are",
        settings.tasks_file.display()
    );
    Ok(sources)
}

fn entrypoints_of(settings: &Settings) -> anyhow::Result<Vec<Entrypoint>> {
    if let Some(pyproject) = &settings.pyproject {
        let text = read(&settings.root.join(pyproject))?;
        return entrypoints::in_pyproject(pyproject, &text);
    }
    let mut found = Vec::new();
    let folder = settings.root.join(project_dir(settings)?).join("src");
    for file in files_in(&folder, "rs", true)? {
        found.extend(entrypoints::in_rust(
            &relative(settings, &file),
            &read(&file)?,
        ));
    }
    Ok(found)
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

fn relative(settings: &Settings, file: &Path) -> PathBuf {
    let inside = file.strip_prefix(&settings.root);
    inside.unwrap_or(file).to_owned()
}

/// The files with this extension in a folder, in alphabetical order.
fn files_in(folder: &Path, extension: &str, nested: bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("reading the folder {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if nested && path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
