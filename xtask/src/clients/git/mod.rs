//! The repository: git2 for what is in the object store, the git CLI for what is in the files
//! (it alone knows filters, worktrees, sparse checkouts and partial clones).

pub mod compare;
pub mod context;
mod listed;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::{Shell, cmd};

use crate::failure::Problem;
use crate::names::GitSha;

pub struct Git {
    /// The folder that was asked about.
    root: PathBuf,
    /// The top of the working tree that it is in, without links on the way.
    pub top: PathBuf,
    repository: git2::Repository,
}

/// Where HEAD is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub sha: GitSha,
    /// None when HEAD is detached.
    pub branch: Option<String>,
}

impl Git {
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let repository = git2::Repository::discover(root).map_err(|error| {
            anyhow::Error::new(Problem::failed(
                format!("{} is not in a git repository: {}", root.display(), error.message()),
                "the image's tag is the commit's ID: run `git init` and commit, or clone the repository",
            ))
        })?;
        let top = repository.workdir().with_context(|| {
            format!(
                "{} is in a bare repository, which has no files",
                root.display()
            )
        })?;
        let top =
            std::fs::canonicalize(top).with_context(|| format!("reading {}", top.display()))?;
        Ok(Git {
            root: root.to_owned(),
            top,
            repository,
        })
    }

    pub fn head(&self) -> anyhow::Result<Head> {
        let head = self.repository.head().map_err(|error| {
            anyhow::Error::new(Problem::failed(
                format!("the repository has no commit yet ({})", error.message()),
                "the image's tag is the commit's ID: commit first",
            ))
        })?;
        let commit = head
            .peel_to_commit()
            .context("reading the commit at HEAD")?;
        let sha = GitSha::parse(&commit.id().to_string()).map_err(anyhow::Error::msg)?;
        let branch = if head.is_branch() {
            head.shorthand().ok().map(str::to_owned)
        } else {
            None
        };
        Ok(Head { sha, branch })
    }

    /// `user.name` of git's configuration, for who launched a task.
    pub fn user_name(&self) -> Option<String> {
        let name = self
            .repository
            .config()
            .ok()?
            .get_string("user.name")
            .ok()?;
        if name.trim().is_empty() {
            None
        } else {
            Some(name)
        }
    }

    /// The URL of the remote `origin`.
    pub fn origin_url(&self) -> Option<String> {
        let remote = self.repository.find_remote("origin").ok()?;
        remote.url().ok().map(str::to_owned)
    }

    /// How many commits `origin/<main>` has that HEAD lacks, as far as this clone knows. None when
    /// the remote branch or the common history is not here (a shallow clone).
    pub fn behind(&self, main_branch: &str) -> Option<usize> {
        let name = format!("refs/remotes/origin/{main_branch}");
        let main = self.repository.find_reference(&name).ok()?.target()?;
        let head = self.repository.head().ok()?.target()?;
        self.repository
            .graph_ahead_behind(head, main)
            .ok()
            .map(|(_, behind)| behind)
    }

    /// `subject, author, age` of a commit; None when this clone does not have it.
    pub fn about(&self, commit: &str) -> Option<String> {
        let sh = Shell::new().ok()?;
        sh.change_dir(&self.root);
        cmd!(
            sh,
            "git show --no-patch --format=%s,%x20%an,%x20%cr {commit}"
        )
        .quiet()
        .ignore_stderr()
        .read()
        .ok()
    }

    /// How many commits of origin's main a commit lacks.
    pub fn behind_of(&self, commit: &str, main_branch: &str) -> Option<usize> {
        let main = git2::Oid::from_str(&self.main_tip(main_branch)?).ok()?;
        let commit = git2::Oid::from_str(commit).ok()?;
        let (_, behind) = self.repository.graph_ahead_behind(commit, main).ok()?;
        Some(behind)
    }

    /// Where this clone has seen main last.
    pub fn main_tip(&self, main_branch: &str) -> Option<String> {
        let name = format!("refs/remotes/origin/{main_branch}");
        let tip = self.repository.find_reference(&name).ok()?.target()?;
        Some(tip.to_string())
    }
}

/// `owner/name` of a GitHub remote URL; None for another host or a local path.
pub fn github_repository(url: &str) -> Option<String> {
    let rest = [
        "https://github.com/",
        "http://github.com/",
        "git@github.com:",
        "ssh://git@github.com/",
    ]
    .iter()
    .find_map(|prefix| url.strip_prefix(prefix))?;
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix(".git").unwrap_or(rest);
    let (owner, name) = rest.split_once('/')?;
    if owner.is_empty() || name.is_empty() || name.contains('/') {
        None
    } else {
        Some(rest.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_urls() {
        for (url, expected) in [
            ("https://github.com/a/b.git", Some("a/b")),
            ("https://github.com/a/b/", Some("a/b")),
            ("git@github.com:a/b.git", Some("a/b")),
            ("ssh://git@github.com/a/b", Some("a/b")),
            ("https://gitlab.com/a/b", None),
            ("/srv/git/b.git", None),
            ("https://github.com/a", None),
        ] {
            assert_eq!(github_repository(url).as_deref(), expected, "{url}");
        }
    }
}
