//! What an image and a plan are made of, asked of what reads it: cargo's dep-info, Docker's context,
//! Terraform's configuration. And how it differs from the commit at HEAD.

pub mod compiled;
pub mod context;
pub mod read;
mod terraform;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::clients::cargo::metadata;
use crate::clients::git::Git;
use crate::clients::git::compare::{Difference, Kind};
use crate::interrupt::Interrupt;
use crate::layout::Layout;
use crate::session::Session;
use crate::settings::{Recipe, Settings};
use compiled::Compiled;
use read::changed;
pub use terraform::{terraform_files, uncommitted_terraform};

/// What goes into the image, as far as it can be known before it is built.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What is not as the commit has it.
    pub differences: Vec<Difference>,
    pub known: Known,
}

/// What is known of an earlier build in this checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// All that the last compile read is as it was.
    Unchanged(Box<Compiled>),
    /// Something of it is not: these.
    Changed {
        what: Vec<PathBuf>,
        doubt: Vec<String>,
    },
    /// There was none. The differences are those of every file that could be read; `doubt` has what
    /// git ignores, of which only a compile can tell.
    Nothing { doubt: Vec<String> },
    /// Docker reads a folder, and all of it is known.
    Context,
}

/// Reads what is there now. Nothing is compiled, and of the network nothing is needed where cargo has
/// downloaded the packages.
pub async fn image_sources(
    settings: &Settings,
    git: &Git,
    interrupt: &Interrupt,
) -> anyhow::Result<Sources> {
    if let Recipe::Context(context) = settings.recipe() {
        let differences = context::differences(settings, git, &context)?;
        return Ok(Sources {
            differences,
            known: Known::Context,
        });
    }
    match Compiled::find(settings) {
        Some(last) => since(settings, git, interrupt, last).await,
        None => unknown(settings, git, interrupt).await,
    }
}

/// Compared with what the last compile read.
async fn since(
    settings: &Settings,
    git: &Git,
    interrupt: &Interrupt,
    last: Compiled,
) -> anyhow::Result<Sources> {
    let now = last.read.marks(git)?;
    let what = changed(&last.marks, &now);
    let mut differences = of_read(settings, git, &last)?;
    if what.is_empty() {
        return Ok(Sources {
            differences,
            known: Known::Unchanged(Box::new(last)),
        });
    }
    // What a new compile reads beside that is not known: a module that is new, for one.
    let packages = if last.same_manifests(&now) {
        last.packages.clone()
    } else {
        own_packages(settings, interrupt).await?
    };
    let mut visible = git.visible(&packages)?;
    visible.retain(|file| !is_made(&last.layout.products, file));
    let new = git.differences(&visible)?;
    differences.extend(new.into_iter().filter(|found| found.kind == Kind::New));
    differences.sort();
    differences.dedup();
    let doubt = doubtful(
        git,
        &packages,
        &last.layout.products,
        &last.read.files,
        &differences,
    )?;
    Ok(Sources {
        differences,
        known: Known::Changed { what, doubt },
    })
}

/// Without any knowledge of a compile: every file of every package that could be in it.
async fn unknown(settings: &Settings, git: &Git, interrupt: &Interrupt) -> anyhow::Result<Sources> {
    let metadata = metadata::of_workspace(&settings.root)?;
    let products = Layout::of(settings, &metadata)?.products;
    let packages = own_packages(settings, interrupt).await?;
    let set: BTreeSet<PathBuf> = packages.iter().cloned().collect();
    let (inside, _) = read::around(&settings.root, &set, &git.top);
    let mut files = git.visible(&packages)?;
    files.retain(|file| !is_made(&products, file));
    files.extend(inside);
    files.extend(
        packages
            .iter()
            .filter(|package| !package.starts_with(&git.top))
            .cloned(),
    );
    files.extend(dockerfiles(settings)?);
    let mut differences = git.differences(&files)?;
    differences.extend(git.deleted(&packages)?);
    differences.sort();
    differences.dedup();
    let doubt = doubtful(git, &packages, &products, &BTreeSet::new(), &differences)?;
    Ok(Sources {
        differences,
        known: Known::Nothing { doubt },
    })
}

/// Is it something that cargo makes?
fn is_made(products: &[PathBuf], file: &Path) -> bool {
    products.iter().any(|folder| file.starts_with(folder))
}

/// How all that a compile read differs from the commit, now.
pub fn of_read(
    settings: &Settings,
    git: &Git,
    compiled: &Compiled,
) -> anyhow::Result<Vec<Difference>> {
    let mut files: Vec<PathBuf> = compiled.read.now(git)?.into_iter().collect();
    files.extend(dockerfiles(settings)?);
    let mut differences = git.differences(&files)?;
    // A file that is gone may have been a target of cargo's, and is in no list.
    let mut folders = compiled.packages.clone();
    folders.extend(compiled.read.folders.iter().cloned());
    differences.extend(git.deleted(&folders)?);
    differences.sort();
    differences.dedup();
    Ok(differences)
}

/// The folders of the packages that are compiled for the image, by cargo's own account.
async fn own_packages(settings: &Settings, interrupt: &Interrupt) -> anyhow::Result<Vec<PathBuf>> {
    let metadata = metadata::with_dependencies(&settings.root, interrupt).await?;
    let package = metadata
        .package(&settings.package)
        .with_context(|| format!("cargo knows no package `{}`", settings.package))?;
    let folders = metadata.own_folders(package);
    let folders = folders.context("cargo did not say what the packages depend on")?;
    Ok(folders.into_iter().collect())
}

/// The files that compiles of those packages begin with.
pub async fn own_sources(
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<PathBuf>> {
    let metadata = metadata::with_dependencies(&settings.root, interrupt).await?;
    let package = metadata.package(&settings.package);
    let sources = package.and_then(|package| metadata.own_sources(package));
    sources.context("cargo did not say what is compiled")
}

/// Of what only a compile can tell: what git ignores in packages, and what is nowhere known to be read
/// and not as the commit has it, wherever it is. The second is no matter to a tag that is dirty anyway.
fn doubtful(
    git: &Git,
    packages: &[PathBuf],
    products: &[PathBuf],
    known: &BTreeSet<PathBuf>,
    differences: &[Difference],
) -> anyhow::Result<Vec<String>> {
    let ignored = git.ignored(packages)?.into_iter();
    let ignored = ignored.map(|path| (path, "which git ignores"));
    let uncommitted = match differences {
        [] => git.uncommitted()?,
        _ => Vec::new(),
    };
    let uncommitted = uncommitted.into_iter();
    let uncommitted = uncommitted.map(|path| (path, "which is not committed"));
    let found = ignored.chain(uncommitted).filter(|(path, _)| {
        let made = products
            .iter()
            .any(|folder| path.starts_with(folder) || folder.starts_with(path));
        !made && !known.contains(path)
    });
    let found = found.map(|(path, why)| format!("{}, {why},", shown(git, &path)));
    Ok(found.collect())
}

/// The files that make an image of a binary.
fn dockerfiles(settings: &Settings) -> anyhow::Result<Vec<PathBuf>> {
    match settings.recipe() {
        Recipe::Staged => Ok(vec![
            settings.root.join(crate::layout::dockerfile(settings)?),
        ]),
        Recipe::Assembled | Recipe::Context(_) => Ok(Vec::new()),
    }
}

/// What is worth a look while somebody edits.
pub struct Watched {
    /// Files and folders whose change may lead to another image or another plan.
    pub paths: BTreeSet<PathBuf>,
    /// Folders among them that hold nothing but what tools make.
    pub products: Vec<PathBuf>,
}

/// Asks the same tools as a loop does, and the last compile.
pub async fn watched(session: &Session) -> anyhow::Result<Watched> {
    let interrupt = &session.interrupt;
    let settings = &session.settings;
    let git = session.git()?;
    let mut products = vec![settings.work_dir()];
    let mut paths = BTreeSet::new();
    match settings.recipe() {
        Recipe::Context(context) => {
            paths.insert(settings.root.join(context));
            paths.insert(settings.root.join(crate::layout::dockerfile(settings)?));
        }
        Recipe::Assembled | Recipe::Staged => {
            let last = Compiled::find(settings);
            let packages = match &last {
                Some(last) => last.packages.clone(),
                None => own_packages(settings, interrupt).await?,
            };
            paths.extend(packages);
            let (inside, _) = read::around(&settings.root, &paths, &git.top);
            paths.extend(inside);
            paths.extend(dockerfiles(settings)?);
            match last {
                Some(last) => {
                    paths.extend(last.read.now(&git)?);
                    products.extend(last.layout.products);
                }
                None => products.extend(Layout::read(settings)?.products),
            }
        }
    }
    paths.extend(terraform_files(session)?);
    Ok(Watched { paths, products })
}

/// A path as it is written in messages: from the repository's top.
pub fn shown(git: &Git, path: &Path) -> String {
    let inside = path.strip_prefix(&git.top).unwrap_or(path);
    inside.display().to_string()
}
