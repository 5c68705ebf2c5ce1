//! Whether files are as the commit at HEAD has them. Their bytes are compared, as git would commit
//! them, and no index is asked: a user may have told it not to look (`--skip-worktree`,
//! `--assume-unchanged`), and nothing keeps it from being wrong.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use git2::{ObjectType, Oid, Tree, TreeWalkMode, TreeWalkResult};
use xshell::{Shell, cmd};

use super::Git;

/// A file that is not as the commit at HEAD has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Relative to the repository's top; absolute for a file outside of it.
    pub path: String,
    pub kind: Kind,
    /// Of what is there now; empty when nothing is.
    pub id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Modified,
    Deleted,
    /// HEAD does not have it.
    New,
    /// HEAD does not have it, and git is told to ignore it.
    Ignored,
    /// It is not in the repository at all.
    Outside,
}

/// The filemode of a submodule in a tree.
const GITLINK: i32 = 0o160_000;
const SYMLINK: i32 = 0o120_000;

impl Git {
    /// Those of the files that are not the commit's. A symlink on the way to one counts as a file of
    /// its own.
    ///
    /// # Errors
    /// When HEAD has no tree, or a file cannot be read.
    pub fn differences(&self, files: &[PathBuf]) -> anyhow::Result<Vec<Difference>> {
        let mut comparison = Comparison::new(self)?;
        for file in files {
            comparison.add(file)?;
        }
        let mut found = comparison.finish()?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// What the commit has under these folders and the working tree has not. What a sparse checkout
    /// leaves out is no difference.
    pub fn deleted(&self, folders: &[PathBuf]) -> anyhow::Result<Vec<Difference>> {
        let mut gone = Vec::new();
        for (path, entry_mode) in self.committed_under(folders)? {
            let there = std::fs::symlink_metadata(self.top.join(&path)).is_ok();
            if !there && entry_mode != GITLINK {
                gone.push(path);
            }
        }
        if !gone.is_empty() && self.is_sparse() {
            let left_out = self.list(&["-t"], folders)?;
            gone.retain(|path| !left_out.contains(&format!("S {path}")));
        }
        Ok(gone
            .into_iter()
            .map(|path| Difference {
                path,
                kind: Kind::Deleted,
                id: String::new(),
            })
            .collect())
    }

    fn committed_under(&self, folders: &[PathBuf]) -> anyhow::Result<Vec<(String, i32)>> {
        let head = self.head_tree()?;
        let mut found = BTreeMap::new();
        for folder in folders {
            let Ok(inside) = folder.strip_prefix(&self.top) else {
                continue;
            };
            let tree = if inside.as_os_str().is_empty() {
                head.clone()
            } else {
                let entry = head.get_path(inside).ok();
                let tree = entry.and_then(|entry| entry.to_object(&self.repository).ok());
                let Some(tree) = tree.and_then(|object| object.into_tree().ok()) else {
                    continue;
                };
                tree
            };
            tree.walk(TreeWalkMode::PreOrder, |parent, entry| {
                if entry.kind() != Some(ObjectType::Tree)
                    && let Ok(name) = entry.name()
                {
                    let path = inside.join(parent).join(name);
                    found.insert(path.to_string_lossy().into_owned(), entry.filemode());
                }
                TreeWalkResult::Ok
            })
            .context("reading HEAD's tree")?;
        }
        Ok(found.into_iter().collect())
    }

    pub(super) fn head_tree(&self) -> anyhow::Result<Tree<'_>> {
        let head = self.repository.head();
        let tree = head.and_then(|head| head.peel_to_tree());
        tree.context("reading HEAD's tree")
    }

    fn is_sparse(&self) -> bool {
        let config = self.repository.config();
        config.is_ok_and(|config| config.get_bool("core.sparseCheckout").unwrap_or(false))
    }
}

struct Comparison<'a> {
    git: &'a Git,
    head: Tree<'a>,
    /// The trees of folders, by their paths; None for one that HEAD does not have.
    trees: BTreeMap<PathBuf, Option<Tree<'a>>>,
    /// Where folders really are.
    places: BTreeMap<PathBuf, PathBuf>,
    found: Vec<Difference>,
    /// Other bytes than the commit's, which a filter of git's (line endings, LFS) may explain.
    filtered: Vec<(String, Oid)>,
}

impl<'a> Comparison<'a> {
    fn new(git: &'a Git) -> anyhow::Result<Self> {
        Ok(Comparison {
            git,
            head: git.head_tree()?,
            trees: BTreeMap::new(),
            places: BTreeMap::new(),
            found: Vec::new(),
            filtered: Vec::new(),
        })
    }

    fn add(&mut self, file: &Path) -> anyhow::Result<()> {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Ok(());
        };
        self.add_links(folder)?;
        let path = self.place_of(folder).join(name);
        let Ok(about) = std::fs::symlink_metadata(&path) else {
            return self.gone(&path);
        };
        if about.is_symlink() {
            let target = std::fs::read_link(&path)
                .with_context(|| format!("reading the link {}", path.display()))?;
            self.compare(&path, target.as_os_str().as_encoded_bytes(), true)?;
            // What it leads to is read as well. A circle ends in a place that cannot be resolved.
            return match std::fs::canonicalize(&path) {
                Ok(target) if target.is_file() => self.add(&target),
                _ => Ok(()),
            };
        }
        // A folder, as a submodule is one, has no bytes of its own, nor has a pipe.
        if !about.is_file() {
            return Ok(());
        }
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        self.compare(&path, &bytes, false)
    }

    /// The links among a folder and those above it, as far as the repository's top.
    fn add_links(&mut self, folder: &Path) -> anyhow::Result<()> {
        if self.places.contains_key(folder) {
            return Ok(());
        }
        let place = std::fs::canonicalize(folder).unwrap_or_else(|_| normal(folder));
        self.places.insert(folder.to_owned(), place.clone());
        if place == folder {
            return Ok(());
        }
        let links: Vec<PathBuf> = folder
            .ancestors()
            .take_while(|above| above.starts_with(&self.git.top) && *above != self.git.top)
            .filter(|above| above.is_symlink())
            .map(Path::to_owned)
            .collect();
        for link in links {
            let target = std::fs::read_link(&link)
                .with_context(|| format!("reading the link {}", link.display()))?;
            let parent = link.parent().unwrap_or(&link);
            let place = std::fs::canonicalize(parent).unwrap_or_else(|_| normal(parent));
            let link = place.join(link.file_name().unwrap_or_default());
            self.compare(&link, target.as_os_str().as_encoded_bytes(), true)?;
        }
        Ok(())
    }

    fn place_of(&self, folder: &Path) -> PathBuf {
        let known = self.places.get(folder);
        known.map_or_else(|| folder.to_owned(), Clone::clone)
    }

    fn compare(&mut self, file: &Path, bytes: &[u8], is_link: bool) -> anyhow::Result<()> {
        let id = Oid::hash_object(ObjectType::Blob, bytes).context("hashing a file")?;
        let Ok(inside) = file.strip_prefix(&self.git.top) else {
            return self.differs(file.display().to_string(), Kind::Outside, id);
        };
        let path = inside.to_string_lossy().into_owned();
        match self.committed_as(inside)? {
            Some((committed, mode)) if (mode == SYMLINK) == is_link => {
                if committed == id {
                    return Ok(());
                }
                if is_link {
                    return self.differs(path, Kind::Modified, id);
                }
                self.filtered.push((path, committed));
                Ok(())
            }
            Some(_) => self.differs(path, Kind::Modified, id),
            None => match self.in_submodule(file, inside)? {
                Some(same) if same => Ok(()),
                Some(_) => self.differs(path, Kind::Modified, id),
                None => {
                    let ignored = self.git.repository.is_path_ignored(inside);
                    let kind = match ignored {
                        Ok(true) => Kind::Ignored,
                        _ => Kind::New,
                    };
                    self.differs(path, kind, id)
                }
            },
        }
    }

    /// A file that is not there, which the commit may have.
    fn gone(&mut self, file: &Path) -> anyhow::Result<()> {
        let Ok(inside) = file.strip_prefix(&self.git.top) else {
            return Ok(());
        };
        if self.committed_as(inside)?.is_some() {
            self.found.push(Difference {
                path: inside.to_string_lossy().into_owned(),
                kind: Kind::Deleted,
                id: String::new(),
            });
        }
        Ok(())
    }

    fn differs(&mut self, path: String, kind: Kind, id: Oid) -> anyhow::Result<()> {
        let id = id.to_string();
        self.found.push(Difference { path, kind, id });
        Ok(())
    }

    /// The blob and the mode that the commit has at a path.
    fn committed_as(&mut self, inside: &Path) -> anyhow::Result<Option<(Oid, i32)>> {
        let folder = inside.parent().unwrap_or(Path::new(""));
        if !self.trees.contains_key(folder) {
            let tree = if folder.as_os_str().is_empty() {
                Some(self.head.clone())
            } else {
                let entry = self.head.get_path(folder).ok();
                let object = entry.and_then(|entry| entry.to_object(&self.git.repository).ok());
                object.and_then(|object| object.into_tree().ok())
            };
            self.trees.insert(folder.to_owned(), tree);
        }
        let tree = self.trees.get(folder).and_then(Option::as_ref);
        let name = inside.file_name().and_then(|name| name.to_str());
        let entry = tree.zip(name).and_then(|(tree, name)| tree.get_name(name));
        Ok(entry
            .filter(|entry| entry.kind() == Some(ObjectType::Blob))
            .map(|entry| (entry.id(), entry.filemode())))
    }

    /// Is a file of a submodule as the commit that HEAD names there has it? None when it is in none.
    fn in_submodule(&self, file: &Path, inside: &Path) -> anyhow::Result<Option<bool>> {
        for above in inside.ancestors().skip(1) {
            if above.as_os_str().is_empty() {
                break;
            }
            let Ok(entry) = self.head.get_path(above) else {
                continue;
            };
            if entry.filemode() != GITLINK {
                return Ok(None);
            }
            let Ok(module) = Git::open(&self.git.top.join(above)) else {
                return Ok(Some(false));
            };
            let at = module.head()?.sha.to_string();
            let same = at == entry.id().to_string();
            return Ok(Some(
                same && module.differences(&[file.to_owned()])?.is_empty(),
            ));
        }
        Ok(None)
    }

    fn finish(mut self) -> anyhow::Result<Vec<Difference>> {
        let filtered = std::mem::take(&mut self.filtered);
        // A name with a line break would be two to git: its bytes are not the commit's.
        let (asked, odd): (Vec<_>, Vec<_>) = filtered
            .into_iter()
            .partition(|(path, _)| !path.contains('\n'));
        let ids = self.as_committed(asked.iter().map(|(path, _)| path.as_str()))?;
        let ids = ids
            .into_iter()
            .chain(odd.iter().map(|_| "unknown".to_owned()));
        for ((path, committed), id) in asked.iter().chain(&odd).zip(ids) {
            if id != committed.to_string() {
                self.found.push(Difference {
                    path: path.clone(),
                    kind: Kind::Modified,
                    id,
                });
            }
        }
        Ok(self.found)
    }

    /// The blobs that git would make of files: it alone knows the filters.
    fn as_committed<'b>(
        &self,
        paths: impl Iterator<Item = &'b str>,
    ) -> anyhow::Result<Vec<String>> {
        let paths: Vec<&str> = paths.collect();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let sh = Shell::new()?;
        sh.change_dir(&self.git.top);
        let names = paths.join("\n") + "\n";
        let ids = cmd!(sh, "git hash-object --stdin-paths")
            .quiet()
            .stdin(names)
            .read()
            .context("asking git what it would commit")?;
        let ids: Vec<String> = ids.lines().map(str::to_owned).collect();
        anyhow::ensure!(
            ids.len() == paths.len(),
            "git hash-object named {} of {} files",
            ids.len(),
            paths.len()
        );
        Ok(ids)
    }
}

/// Without `.` and `..`, as they are written.
pub fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests;
