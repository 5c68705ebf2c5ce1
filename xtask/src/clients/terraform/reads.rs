//! Which files a plan reads: asked of the manifest of the last init and of the expressions.
//!
//! A file that is missed is the worst fault, since its edit would not be planned; one that is named too
//! much, or an expression that nobody understands, costs one plan.

mod anchor;
mod cache;
mod disk;
mod json;
pub(super) mod manifest;
mod mentions;
mod plain;
mod rules;
mod tame;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use hcl_edit::structure::Body;
use hcl_edit::template::Template;
use hcl_edit::visit::Visit as _;

use super::Terraform;
use cache::Cache;
pub(super) use disk::{files_below, relative};
use manifest::{Call, Manifest};
use mentions::{Mention, Walk};
use plain::Scope;

/// What a plan reads from disk beside the provider: absolute, normalised paths (files and folders that
/// may or may not exist), sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// The configuration itself: that of the root and of every module that is called, variables that are
    /// loaded by themselves, the lock file, the backend's settings.
    pub configuration: Vec<PathBuf>,
    /// Files that expressions name. One that does not exist is listed too: it counts when it appears. A
    /// folder stands for all files below it.
    pub named: Vec<PathBuf>,
    /// A value is the place of the checkout, the folder of the call or of the user.
    pub placed: bool,
    /// Why nobody can tell what else is read: file, line and expression; None when all is known.
    pub unknown: Option<String>,
}

impl Terraform {
    /// None when the last init does not fit what is called now, or a file cannot be read.
    pub fn reads(&self) -> Option<Reads> {
        let manifest = Manifest::read(&self.data_dir)?;
        let started_in = std::env::current_dir().ok()?;
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let root = disk::normal(&std::path::absolute(&self.root).ok()?);
        let data_dir = disk::normal(&std::path::absolute(&self.data_dir).ok()?);
        let mut reading = Reading {
            root: &root,
            data_dir: &data_dir,
            started_in: &started_in,
            home: home.as_deref(),
            configuration: BTreeSet::new(),
            found: Found::default(),
            cache: Cache::open(&data_dir),
            rendered: HashSet::new(),
        };
        reading.modules(&manifest)?;
        reading.root_alone(self)?;
        std::mem::take(&mut reading.cache).keep();
        Some(reading.finish())
    }
}

/// The names of a folder's files that are configuration.
pub(super) fn is_configuration(name: &str) -> bool {
    // Terraform passes over hidden files as well: an editor's, mostly.
    !name.starts_with('.') && (name.ends_with(".tf") || name.ends_with(".tf.json"))
}

/// Variables that are loaded without being asked for.
fn is_variables(name: &str) -> bool {
    let name = name.strip_suffix(".json").unwrap_or(name);
    name == "terraform.tfvars" || name.ends_with(".auto.tfvars")
}

/// What was found so far.
#[derive(Default)]
struct Found {
    named: BTreeSet<PathBuf>,
    placed: bool,
    unknown: Option<String>,
}

struct Reading<'a> {
    root: &'a Path,
    data_dir: &'a Path,
    started_in: &'a Path,
    home: Option<&'a Path>,
    configuration: BTreeSet<PathBuf>,
    found: Found,
    cache: Cache,
    rendered: HashSet<PathBuf>,
}

/// One file of a module.
struct Source {
    path: PathBuf,
    /// For people: relative to the root's folder.
    shown: String,
    text: String,
}

impl Reading<'_> {
    /// The root and whatever is called from it. Modules that are called more than once are walked once.
    fn modules(&mut self, manifest: &Manifest) -> Option<()> {
        let mut calls_of: HashMap<String, Vec<Call>> = HashMap::new();
        let mut left = vec![(String::new(), ".".to_owned())];
        while let Some((key, dir)) = left.pop() {
            let calls = match calls_of.get(&dir) {
                Some(calls) => calls.clone(),
                None => self.module(&dir)?,
            };
            for call in &calls {
                left.push(manifest.called((&key, &dir), call)?);
            }
            calls_of.insert(dir, calls);
        }
        Some(())
    }

    fn module(&mut self, dir: &str) -> Option<Vec<Call>> {
        let folder = disk::normal(&self.root.join(dir));
        let sources = self.sources(&folder, is_configuration)?;
        let paths = sources.iter().map(|source| source.path.clone());
        self.configuration.extend(paths);
        let mut cache = std::mem::take(&mut self.cache);
        let home = self.home.map(|home| home.as_os_str().as_bytes());
        let places = [self.root, self.started_in].map(|path| path.as_os_str().as_bytes());
        let texts = sources
            .iter()
            .flat_map(|it| [it.shown.as_bytes(), it.text.as_bytes()]);
        let parts = places.into_iter().chain(home).chain(texts);
        let said = cache.said(dir, parts, || self.say(dir, &sources));
        self.cache = cache;
        self.resolve(said.mentions, &folder);
        Some(said.calls)
    }

    /// What the files of a module say and call.
    fn say(&self, dir: &str, sources: &[Source]) -> (Vec<Mention>, Vec<Call>) {
        let mut mentions = Vec::new();
        let mut calls = Vec::new();
        let mut bodies: Vec<(&Source, Body)> = Vec::new();
        for source in sources {
            if source.shown.ends_with(".json") {
                match json::read(&source.shown, &source.text) {
                    Some((found, called)) => {
                        mentions.extend(found);
                        calls.extend(called);
                    }
                    None => mentions.push(source.unparsed()),
                }
                continue;
            }
            match source.text.parse() {
                Ok(body) => bodies.push((source, body)),
                Err(_) => mentions.push(source.unparsed()),
            }
        }
        let scope = self.scope(dir, plain::locals(bodies.iter().map(|(_, body)| body)));
        for (source, body) in &bodies {
            calls.extend(manifest::calls(body));
            let mut walk = Walk::new(&scope, &source.shown, &source.text);
            walk.visit_body(body);
            mentions.extend(walk.mentions);
        }
        (mentions, calls)
    }

    fn scope<'a>(
        &'a self,
        module: &'a str,
        locals: HashMap<&'a str, &'a hcl_edit::expr::Expression>,
    ) -> Scope<'a> {
        Scope {
            module,
            root: self.root,
            started_in: self.started_in,
            home: self.home,
            locals,
        }
    }

    /// Variables, the lock file and the backend's settings.
    fn root_alone(&mut self, terraform: &Terraform) -> Option<()> {
        let mut mentions = Vec::new();
        for source in self.sources(self.root, is_variables)? {
            let (shown, text) = (&source.shown, &source.text);
            if shown.ends_with(".json") {
                match json::read(shown, text) {
                    Some((found, _)) => mentions.extend(found),
                    None => mentions.push(source.unparsed()),
                }
            } else if let Ok(body) = text.parse::<Body>() {
                let scope = self.scope(".", HashMap::new());
                let mut walk = Walk::new(&scope, shown, text);
                walk.visit_body(&body);
                mentions.extend(walk.mentions);
            } else {
                mentions.push(source.unparsed());
            }
            self.configuration.insert(source.path);
        }
        let given = terraform.vars.iter().map(|(_, value)| value.clone());
        let from_outside = std::env::vars()
            .filter(|(name, _)| name.starts_with("TF_VAR_"))
            .map(|(_, value)| value);
        let values = given.chain(from_outside);
        mentions.extend(
            values
                .filter(|it| rules::can_be_a_path(it))
                .map(Mention::Maybe),
        );
        let backend = terraform.backend_config.iter().map(PathBuf::as_path);
        let others = backend.chain([Path::new(".terraform.lock.hcl")]);
        let others = others.map(|file| disk::normal(&self.root.join(file)));
        self.configuration.extend(others);
        let root = self.root;
        self.resolve(mentions, root);
        Some(())
    }

    fn sources(&self, folder: &Path, wanted: fn(&str) -> bool) -> Option<Vec<Source>> {
        let mut sources = Vec::new();
        for entry in std::fs::read_dir(folder).ok()? {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_string_lossy();
            if wanted(&name) && !path.is_dir() {
                sources.push(Source {
                    shown: relative(self.root, &path).display().to_string(),
                    text: std::fs::read_to_string(&path).ok()?,
                    path,
                });
            }
        }
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Some(sources)
    }

    /// Looks at the disk for what the expressions of a module say of it.
    fn resolve(&mut self, mentions: Vec<Mention>, module: &Path) {
        for mention in mentions {
            match mention {
                Mention::Unknown(why) => self.unknown(why),
                Mention::Placed => self.found.placed = true,
                Mention::Named(text) => self.name(&text),
                Mention::Template(text) => {
                    self.name(&text);
                    self.render(&disk::normal(&self.root.join(text)));
                }
                Mention::Maybe(text) => {
                    for folder in [self.root, module] {
                        let path = disk::normal(&folder.join(&text));
                        if may_be_meant(&text, &path) {
                            self.name(&path.display().to_string());
                        }
                    }
                }
            }
        }
    }

    fn unknown(&mut self, why: String) {
        self.found.unknown.get_or_insert(why);
    }

    fn name(&mut self, text: &str) {
        let path = disk::normal(&self.root.join(text));
        let holds_root = self.root.starts_with(&path) && self.root != path;
        let to_data = self.data_dir.strip_prefix(&path);
        let holds_data = to_data.is_ok_and(|way| way.iter().all(|part| part != ".terraform"));
        if holds_root || holds_data {
            // All that is built and written there, by Terraform as well.
            self.unknown(format!(
                "an expression names the whole folder {}",
                path.display()
            ));
        } else {
            self.found.named.insert(path);
        }
    }

    /// What templates say themselves.
    fn render(&mut self, path: &Path) {
        if !self.rendered.insert(path.to_owned()) || self.found.unknown.is_some() {
            return;
        }
        if path.is_dir() {
            for file in files_below(path).unwrap_or_default() {
                self.render(&file);
            }
            return;
        }
        // What is no text is no template, and what is not there says nothing.
        let Ok(text) = std::fs::read_to_string(path) else {
            return;
        };
        let shown = relative(self.root, path).display().to_string();
        let mentions = match text.parse::<Template>() {
            Ok(template) => {
                let scope = self.scope(".", HashMap::new());
                let mut walk = Walk::new(&scope, &shown, &text);
                walk.template_file(&template);
                walk.mentions
            }
            Err(_) if rules::needs_understanding(&text) => vec![Mention::Unknown(format!(
                "{shown}: nobody can tell what this template reads"
            ))],
            Err(_) => Vec::new(),
        };
        self.resolve(mentions, self.root);
    }

    fn finish(self) -> Reads {
        let configuration = self.configuration;
        let named = self.found.named.into_iter();
        Reads {
            named: named.filter(|it| !configuration.contains(it)).collect(),
            configuration: configuration.into_iter().collect(),
            placed: self.found.placed,
            unknown: self.found.unknown,
        }
    }
}

impl Source {
    fn unparsed(&self) -> Mention {
        Mention::Unknown(format!("{}: it cannot be parsed", self.shown))
    }
}

/// A text that is also the name of something: a relative one of a file or a folder, and an absolute one
/// of a file. `/` and `..` are more often something else, and folders are nothing that a provider reads.
fn may_be_meant(text: &str, path: &Path) -> bool {
    let is_dots = text.split('/').all(|part| matches!(part, "" | "." | ".."));
    if is_dots {
        return false;
    }
    match path.metadata() {
        Ok(found) => found.is_file() || (found.is_dir() && !text.starts_with('/')),
        Err(_) => false,
    }
}
