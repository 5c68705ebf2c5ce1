//! Does auto-deploy start on a change of all that decides an image or a plan?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::check::Check;
use crate::catalog::workflow_paths::{Filter, is_folder};
use crate::failure::Problem;
use crate::session::Session;
use crate::settings::Settings;
use crate::steps::sources::watched;

const NAME: &str = "workflows";
const FOLDER: &str = ".github/workflows";

/// A workflow that nobody here can read is no fault: GitHub says whether it is one.
pub async fn look(session: &Session) -> Check {
    let settings = &session.settings;
    let files = &settings.environment.auto_deploy_workflows;
    let mut unknown = Vec::new();
    let mut filters = Vec::new();
    for file in files {
        match filter(session, file) {
            Ok(filter) => filters.push((&**file, filter)),
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

fn filter(session: &Session, file: &str) -> anyhow::Result<Filter> {
    // Where GitHub's paths begin, which is not always where the workspace does.
    let path = session.git()?.top.join(FOLDER).join(file);
    if !path.exists() {
        return Err(anyhow!("is not in {FOLDER}"));
    }
    let text = std::fs::read_to_string(&path).context("cannot be read")?;
    Filter::of(&text).context("does not say what starts it")
}

async fn narrow(session: &Session, filters: &[(&str, Filter)]) -> anyhow::Result<Option<Problem>> {
    if filters.iter().all(|(_, filter)| *filter == Filter::All) {
        return Ok(None);
    }
    let read = read_paths(session).await?;
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
/// What is outside of the repository cannot be pushed to it.
async fn read_paths(session: &Session) -> anyhow::Result<BTreeSet<String>> {
    let top = session.git()?.top;
    let root = std::fs::canonicalize(&session.settings.root)?;
    let mut folders = BTreeSet::new();
    let mut files = BTreeSet::new();
    for path in watched(session).await?.paths {
        if path.is_dir() {
            // The workspace's folder holds much more than its own package.
            folders.insert(if path == root { path.join("src") } else { path });
        } else if path.extension().is_some_and(|end| end == "tf") {
            folders.extend(path.parent().map(Path::to_owned));
        } else if path.exists() {
            files.insert(path);
        }
    }
    files.retain(|file| !file.ancestors().any(|above| folders.contains(above)));
    let inside = |path: &PathBuf| Some(path.strip_prefix(&top).ok()?.to_str()?.to_owned());
    let folders = folders.iter().filter_map(inside).map(|folder| {
        let slash = if folder.is_empty() { "" } else { "/" };
        format!("{folder}{slash}")
    });
    Ok(folders.chain(files.iter().filter_map(inside)).collect())
}
