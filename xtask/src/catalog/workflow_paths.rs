//! Which changed files start a GitHub workflow: what it says under `on.push`, read as GitHub does.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#onpushpull_requestpull_request_targetpathspaths-ignore>

mod pattern;

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use yaml_rust2::{Yaml, YamlLoader};

use pattern::{Pattern, last_word};

/// Which pushes start the workflow.
#[derive(Debug, PartialEq, Eq)]
pub enum Filter {
    All,
    /// `paths`: those that change a file that matches.
    Paths(Vec<Pattern>),
    /// `paths-ignore`: those that change a file that does not match.
    Ignored(Vec<Pattern>),
}

impl Filter {
    /// Reads a workflow's text. An error means that nobody can tell what starts it.
    pub fn of(workflow: &str) -> anyhow::Result<Filter> {
        let documents = YamlLoader::load_from_str(workflow).context("reading it as YAML")?;
        let [document] = documents.as_slice() else {
            bail!("it is not one YAML document");
        };
        let on = &document["on"];
        let is_push = |event: &Yaml| event.as_str() == Some("push");
        if is_push(on) || on.as_vec().is_some_and(|events| events.iter().any(is_push)) {
            return Ok(Filter::All);
        }
        let push = match &on["push"] {
            Yaml::BadValue => bail!("no push starts it"),
            Yaml::Null => return Ok(Filter::All),
            push => push,
        };
        match (&push["paths"], &push["paths-ignore"]) {
            (Yaml::BadValue, Yaml::BadValue) => Ok(Filter::All),
            (paths, Yaml::BadValue) => Ok(Filter::Paths(patterns(paths)?)),
            (Yaml::BadValue, ignored) => {
                let ignored = patterns(ignored)?;
                if ignored.iter().any(|pattern| pattern.negates) {
                    bail!("GitHub does not say what `!` means under `paths-ignore`");
                }
                Ok(Filter::Ignored(ignored))
            }
            _ => bail!("it has both `paths` and `paths-ignore`, which GitHub refuses"),
        }
    }

    /// What an edit of starts nothing, in order; of a folder and what is in it, the folder alone.
    pub fn left_out(&self, read: &BTreeSet<String>) -> Vec<String> {
        let mut left_out: Vec<String> = Vec::new();
        for path in read.iter().filter(|path| !self.covers(path)) {
            let is_in = |folder: &String| is_folder(folder) && path.starts_with(folder);
            if !left_out.iter().any(is_in) {
                left_out.push(path.clone());
            }
        }
        left_out
    }

    /// A folder is covered when files are that nobody has made yet.
    fn covers(&self, path: &str) -> bool {
        if is_folder(path) {
            let made_up = ["x.rs", "x/y.rs"];
            made_up
                .iter()
                .all(|file| self.starts(&format!("{path}{file}")))
        } else {
            self.starts(path)
        }
    }

    fn starts(&self, file: &str) -> bool {
        match self {
            Filter::All => true,
            Filter::Paths(patterns) => last_word(patterns, file),
            Filter::Ignored(patterns) => !last_word(patterns, file),
        }
    }
}

/// Paths begin at the repository's root, which is empty; any other folder ends with a slash.
pub fn is_folder(path: &str) -> bool {
    path.is_empty() || path.ends_with('/')
}

fn patterns(value: &Yaml) -> anyhow::Result<Vec<Pattern>> {
    let texts = match value {
        Yaml::Array(texts) if !texts.is_empty() => texts.as_slice(),
        text => std::slice::from_ref(text),
    };
    let pattern = |text: &Yaml| match text.as_str() {
        Some(text) => Pattern::parse(text),
        None => bail!("its paths are not a list of patterns"),
    };
    texts.iter().map(pattern).collect()
}

#[cfg(test)]
mod tests;
