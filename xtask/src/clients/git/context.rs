//! What git would commit of a folder now, as a tree: compared with HEAD, and written out elsewhere.
//! The git CLI does it, in an index of our own, so that no flag in the user's index counts.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::{Shell, cmd};

use super::Git;
use super::compare::{Difference, Kind};

/// A tree that git would commit, and the index that it is in.
pub struct Tree {
    shell: Shell,
    /// The index goes away with this value.
    _folder: tempfile::TempDir,
}

impl Git {
    /// What git would commit of these paths, on top of HEAD. `index` keeps what is known of files
    /// between calls, and may be deleted at any time.
    pub fn tree_of(&self, paths: &[PathBuf], index: &Path) -> anyhow::Result<Tree> {
        let folder = tempfile::tempdir().with_context(|| {
            let parent = std::env::temp_dir();
            format!(
                "making a folder for a temporary index in {}",
                parent.display()
            )
        })?;
        let own = folder.path().join("index");
        let sh = Shell::new()?;
        sh.change_dir(&self.top);
        sh.set_var("GIT_INDEX_FILE", &own);
        let reuse = std::fs::copy(index, &own).is_ok()
            && cmd!(sh, "git read-tree -m HEAD")
                .quiet()
                .ignore_stderr()
                .run()
                .is_ok();
        if !reuse {
            let _ = std::fs::remove_file(&own);
            cmd!(sh, "git read-tree HEAD")
                .quiet()
                .run()
                .context("reading HEAD into a temporary index")?;
        }
        let head = self.head_tree()?;
        // A path may be known to HEAD only (deleted) or to the folder only (new).
        let known = paths.iter().filter(|path| {
            let inside = path.strip_prefix(&self.top).ok();
            inside.is_some_and(|inside| {
                path.exists() || inside.as_os_str().is_empty() || head.get_path(inside).is_ok()
            })
        });
        let known: Vec<&PathBuf> = known.collect();
        if !known.is_empty() {
            // Modification times are believed together with the inode's change, which nobody sets.
            cmd!(
                sh,
                "git --literal-pathspecs -c core.trustctime=true -c core.checkStat=default -c core.fsmonitor=false add --all -- {known...}"
            )
            .quiet()
            .ignore_stderr()
            .run()
            .context("asking git what it would commit")?;
        }
        // Two calls at once must not leave a mixture.
        if let Some(parent) = index.parent() {
            let new = parent.join(format!("git-index.{}.new", std::process::id()));
            let kept = std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::copy(&own, &new))
                .and_then(|_| std::fs::rename(&new, index));
            drop(kept); // The next call is slower without it, and that is all.
        }
        Ok(Tree {
            shell: sh,
            _folder: folder,
        })
    }
}

impl Tree {
    /// What differs from HEAD.
    pub fn differences(&self) -> anyhow::Result<Vec<Difference>> {
        let sh = &self.shell;
        let listed = cmd!(
            sh,
            "git diff-index --cached --raw --no-renames --abbrev=64 -z HEAD"
        )
        .quiet()
        .read()
        .context("comparing what git would commit with HEAD")?;
        let mut fields = listed.split('\0');
        let mut found = Vec::new();
        // `:100644 100644 <before> <after> M`, then the path.
        while let (Some(about), Some(path)) = (fields.next(), fields.next()) {
            let about: Vec<&str> = about.split(' ').collect();
            let kind = match about.get(4).and_then(|status| status.chars().next()) {
                Some('D') => Kind::Deleted,
                Some('A') => Kind::New,
                _ => Kind::Modified,
            };
            let id = match kind {
                Kind::Deleted => String::new(),
                _ => about.get(3).copied().unwrap_or_default().to_owned(),
            };
            found.push(Difference {
                path: path.to_owned(),
                kind,
                id,
            });
        }
        Ok(found)
    }

    /// The files of the tree under a folder, relative to the repository's top.
    pub fn files(&self, folder: &Path) -> anyhow::Result<Vec<String>> {
        let sh = &self.shell;
        let listed = cmd!(
            sh,
            "git --literal-pathspecs ls-files -z --cached -- {folder}"
        )
        .quiet()
        .read()
        .context("asking git which files there are")?;
        let names = listed.split('\0').filter(|name| !name.is_empty());
        Ok(names.map(str::to_owned).collect())
    }

    /// Writes files of the tree to the same paths under another folder, as a checkout would.
    pub fn write(&self, files: &[String], to: &Path) -> anyhow::Result<()> {
        let sh = &self.shell;
        let prefix = format!("{}/", to.display());
        let names = files.join("\0");
        cmd!(
            sh,
            "git checkout-index -z --stdin --force --prefix={prefix}"
        )
        .quiet()
        .stdin(names)
        .run()
        .with_context(|| format!("writing the files of the image to {}", to.display()))?;
        Ok(())
    }
}
