//! A Docker context: a folder as git would commit it, less what `.dockerignore` leaves out. What git
//! ignores is never in it, so that an image of a commit is made of that commit alone, and the same
//! Dockerfile works before the commit and after it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::clients::docker::ignore::Ignore;
use crate::clients::git::Git;
use crate::clients::git::compare::{Difference, normal};
use crate::clients::git::context::Tree;
use crate::failure::Problem;
use crate::settings::Settings;

/// Where things of a context are, as absolute paths.
struct Place {
    folder: PathBuf,
    dockerfile: PathBuf,
    /// BuildKit prefers this file, which bears the Dockerfile's name, to the folder's own.
    own_ignore: PathBuf,
}

/// A context that was written out for one build.
pub struct Staged {
    pub folder: PathBuf,
    pub dockerfile: PathBuf,
    /// How it differs from HEAD.
    pub differences: Vec<Difference>,
    _home: tempfile::TempDir,
}

/// How what Docker would read differs from HEAD.
pub fn differences(
    settings: &Settings,
    git: &Git,
    context: &Path,
) -> anyhow::Result<Vec<Difference>> {
    let place = Place::of(settings, git, context)?;
    of_tree(git, &place, &tree(settings, git, &place)?)
}

/// Writes the context to a folder that goes away with the answer.
pub fn stage(settings: &Settings, git: &Git, context: &Path) -> anyhow::Result<Staged> {
    let place = Place::of(settings, git, context)?;
    let tree = tree(settings, git, &place)?;
    let home = tempfile::tempdir().with_context(|| {
        let parent = std::env::temp_dir();
        format!(
            "making a folder for the image's context in {}",
            parent.display()
        )
    })?;
    let mut files = tree.files(&place.folder)?;
    for beside in [&place.dockerfile, &place.own_ignore] {
        files.extend(tree.files(beside)?);
    }
    tree.write(&files, home.path())?;
    let there = |path: &Path| {
        home.path()
            .join(path.strip_prefix(&git.top).unwrap_or(path))
    };
    let folder = there(&place.folder);
    // An empty context is one all the same.
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(Staged {
        folder,
        dockerfile: there(&place.dockerfile),
        differences: of_tree(git, &place, &tree)?,
        _home: home,
    })
}

impl Place {
    fn of(settings: &Settings, git: &Git, context: &Path) -> anyhow::Result<Place> {
        let root = std::fs::canonicalize(&settings.root)
            .with_context(|| format!("reading {}", settings.root.display()))?;
        let folder = normal(&root.join(context));
        let dockerfile = normal(&root.join(crate::layout::dockerfile(settings)?));
        for (path, what) in [(&folder, "context"), (&dockerfile, "Dockerfile")] {
            if !path.starts_with(&git.top) {
                return Err(Problem::usage(
                    format!("the {what} {} is outside of the repository, so that no commit has it", path.display()),
                    "name one inside: `docker_context` and `dockerfile` in [workspace.metadata.xtask]",
                )
                .into());
            }
        }
        if !dockerfile.is_file() {
            return Err(Problem::usage(
                format!("there is no {}", dockerfile.display()),
                "write it, or say where it is: `dockerfile` in [workspace.metadata.xtask]",
            )
            .into());
        }
        let mut own_ignore = dockerfile.clone().into_os_string();
        own_ignore.push(".dockerignore");
        Ok(Place {
            folder,
            dockerfile,
            own_ignore: own_ignore.into(),
        })
    }

    /// Nobody knows which builder Docker takes: a file is left out where each of them leaves it out.
    fn leaves_out(&self) -> impl Fn(&Path) -> bool {
        let read = |file: &Path| std::fs::read_to_string(file).ok();
        let folders = read(&self.folder.join(".dockerignore")).unwrap_or_default();
        let folders = Ignore::parse(&folders);
        let own = read(&self.own_ignore).map(|text| Ignore::parse(&text));
        let folder = self.folder.clone();
        move |path| {
            let Ok(inside) = path.strip_prefix(&folder) else {
                return true;
            };
            let inside = inside.to_string_lossy();
            let by_own = own.as_ref().is_none_or(|own| own.leaves_out(&inside));
            folders.leaves_out(&inside) && by_own
        }
    }
}

fn tree(settings: &Settings, git: &Git, place: &Place) -> anyhow::Result<Tree> {
    let paths = [
        place.folder.clone(),
        place.dockerfile.clone(),
        place.own_ignore.clone(),
    ];
    git.tree_of(&paths, &settings.work_dir().join("git-index"))
}

fn of_tree(git: &Git, place: &Place, tree: &Tree) -> anyhow::Result<Vec<Difference>> {
    let leaves_out = place.leaves_out();
    let ignore = place.folder.join(".dockerignore");
    let mut found = tree.differences()?;
    found.retain(|difference| {
        let path = git.top.join(&difference.path);
        let decides = [&place.dockerfile, &place.own_ignore, &ignore].contains(&&path);
        decides || !leaves_out(&path)
    });
    found.sort();
    Ok(found)
}
