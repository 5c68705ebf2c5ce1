//! Does auto-deploy start on a change of all that decides an image or a plan?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

use super::PATIENCE;
use super::check::Check;
use crate::catalog::workflow_paths::{Filter, is_folder};
use crate::clients::cargo::cargo;
use crate::failure::Problem;
use crate::session::Session;
use crate::settings::{Builder, Settings};

const NAME: &str = "workflows";
const FOLDER: &str = ".github/workflows";

/// A workflow that nobody here can read is no fault: GitHub says whether it is one.
pub async fn look(session: &Session) -> Check {
    let settings = &session.settings;
    let files = &settings.environment.auto_deploy_workflows;
    let mut unknown = Vec::new();
    let mut filters = Vec::new();
    for file in files {
        match filter(&settings.root, file) {
            Ok(filter) => filters.push((file.as_str(), filter)),
            Err(error) => unknown.push(format!("{file} {error:#}")),
        }
    }
    let narrow = match narrow(session, &filters).await {
        Ok(narrow) => narrow,
        Err(error) => {
            unknown.push(format!("what is read: {error:#}"));
            None
        }
    };
    match narrow {
        Some(problem) => Check::of(NAME, Err(problem)),
        None if unknown.is_empty() => Check::of(NAME, Ok(found(settings, &filters))),
        None => Check::not_looked_at(NAME, format!("not looked at: {}", unknown.join("\n"))),
    }
}

fn filter(root: &Path, file: &str) -> anyhow::Result<Filter> {
    let path = top(root)?.join(FOLDER).join(file);
    if !path.exists() {
        return Err(anyhow!("is not in {FOLDER}"));
    }
    let text = std::fs::read_to_string(&path).context("cannot be read")?;
    Filter::of(&text).context("does not say what starts it")
}

/// The folder of the git repository, where GitHub's paths begin.
fn top(root: &Path) -> anyhow::Result<&Path> {
    let top = root.ancestors().find(|folder| folder.join(".git").exists());
    top.with_context(|| format!("is in no git repository: {}", root.display()))
}

async fn narrow(session: &Session, filters: &[(&str, Filter)]) -> anyhow::Result<Option<Problem>> {
    if filters.iter().all(|(_, filter)| *filter == Filter::All) {
        return Ok(None);
    }
    let read = tokio::time::timeout(PATIENCE, read_paths(session)).await;
    let read = read.context("cargo has not answered in time")??;
    let (mut messages, mut fixes) = (Vec::new(), Vec::new());
    for (file, filter) in filters {
        if let Some((message, fix)) = too_narrow(file, filter, &read) {
            messages.push(message);
            fixes.push(fix);
        }
    }
    let problem = || Problem::refused(messages.join("\n"), fixes.join("\n"));
    Ok((!messages.is_empty()).then(problem))
}

fn too_narrow(file: &str, filter: &Filter, read: &BTreeSet<String>) -> Option<(String, String)> {
    let left_out = filter.left_out(read);
    if left_out.is_empty() {
        return None;
    }
    let listed = |form: fn(&str) -> String| {
        let listed: Vec<String> = left_out.iter().map(|path| form(path)).collect();
        listed.join(", ")
    };
    let names = listed(|path| match path.trim_end_matches('/') {
        "" => "the other folders".to_owned(),
        name => name.to_owned(),
    });
    let patterns = |patterns: &[_]| {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        patterns.join(", ")
    };
    match filter {
        Filter::All => None,
        Filter::Paths(paths) => {
            let added = listed(|path| match is_folder(path) {
                true => format!("{path}**"),
                false => path.to_owned(),
            });
            Some((
                format!(
                    "{file} deploys on changes of {} and not of {names}",
                    patterns(paths)
                ),
                format!("remove its `paths:`, or add {added}"),
            ))
        }
        Filter::Ignored(ignored) => Some((
            format!(
                "{file} ignores changes of {}, and so of {names}",
                patterns(ignored)
            ),
            format!("remove its `paths-ignore:`, or what matches {names}"),
        )),
    }
}

fn found(settings: &Settings, filters: &[(&str, Filter)]) -> String {
    let named = |which: &dyn Fn(&Filter) -> bool| {
        let named = filters.iter().filter(|(_, filter)| which(filter));
        let named: Vec<&str> = named.map(|(file, _)| *file).collect();
        (!named.is_empty()).then(|| named.join(", "))
    };
    let all = named(&|filter| *filter == Filter::All);
    let some = named(&|filter| *filter != Filter::All);
    let all = all.map(|files| format!("each push deploys ({files})"));
    let some = some.map(|files| format!("each change of what is read deploys ({files})"));
    let found: Vec<String> = all.into_iter().chain(some).collect();
    if found.is_empty() {
        return format!("nothing deploys to {} by itself", settings.environment.name);
    }
    found.join("; ")
}

/// What decides an image or a plan, relative to the git repository's top; a folder ends with a slash.
async fn read_paths(session: &Session) -> anyhow::Result<BTreeSet<String>> {
    let settings = &session.settings;
    let root = &settings.root;
    let mut folders = vec![settings.terraform_root()];
    folders.extend(root.join(&settings.tasks_file).parent().map(Path::to_owned));
    let mut files = Vec::new();
    if settings.builder == Builder::Docker {
        files.push(root.join(&settings.dockerfile));
    }
    if settings.pyproject.is_some() {
        folders.push(root.join(settings.project_dir()));
    } else {
        let metadata = [
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ];
        let program = cargo().args(metadata).current_dir(root);
        let metadata = program.read(&session.interrupt).await?;
        let metadata: Metadata = serde_json::from_str(&metadata).context("reading its metadata")?;
        folders.extend(metadata.folders(&settings.package)?);
        files.extend(["Cargo.toml", "Cargo.lock"].map(|file| root.join(file)));
    }
    let top = top(root)?;
    // What is outside of the repository cannot be pushed to it.
    let inside = |path: PathBuf| Some(path.strip_prefix(top).ok()?.to_str()?.to_owned());
    let folders = folders.into_iter().filter_map(inside).map(|folder| {
        let slash = if folder.is_empty() { "" } else { "/" };
        format!("{folder}{slash}")
    });
    let files = files.into_iter().filter_map(inside);
    Ok(folders.chain(files).collect())
}

/// What `cargo metadata` says of the workspace's own packages.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    /// None: a normal one.
    kind: Option<String>,
    path: Option<PathBuf>,
}

impl Metadata {
    /// The folders of a package and of all that it is compiled from by path.
    fn folders(&self, package: &str) -> anyhow::Result<Vec<PathBuf>> {
        let package = self.packages.iter().find(|known| known.name == package);
        let package = package.context("the workspace has no such package")?;
        let mut folders = Vec::new();
        let mut next = vec![package.folder().to_owned()];
        while let Some(folder) = next.pop() {
            if folders.contains(&folder) {
                continue;
            }
            let package = self.packages.iter().find(|known| known.folder() == folder);
            let dependencies = package.iter().flat_map(|package| &package.dependencies);
            let compiled = dependencies.filter(|one| one.kind.as_deref() != Some("dev"));
            next.extend(compiled.filter_map(|dependency| dependency.path.clone()));
            folders.push(folder);
        }
        let sources = folders.into_iter().map(|folder| {
            // The workspace's folder holds much more than its own package.
            if folder == self.workspace_root {
                folder.join("src")
            } else {
                folder
            }
        });
        Ok(sources.collect())
    }
}

impl Package {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}
