//! Which files git knows of, or would: its own lists, where the question is not what is in them.

use std::path::PathBuf;

use anyhow::Context as _;
use xshell::{Shell, cmd};

use super::Git;

impl Git {
    /// The files under these folders that git would commit next.
    pub fn visible(&self, folders: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
        let names = self.list(&["--cached", "--others", "--exclude-standard"], folders)?;
        let files = names.into_iter().map(|name| self.top.join(name));
        Ok(files
            .filter(|file| file.symlink_metadata().is_ok())
            .collect())
    }

    /// The files and folders under these folders that git is told to ignore.
    pub fn ignored(&self, folders: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
        let options = ["--others", "--ignored", "--exclude-standard", "--directory"];
        let names = self.list(&options, folders)?;
        let files = names.into_iter().map(|name| self.top.join(name));
        Ok(files.collect())
    }

    /// All files of the working tree that are not as the commit at HEAD has them, as far as git looks,
    /// and those that it was told to overlook. A hint for where nobody knows what is read.
    pub fn uncommitted(&self) -> anyhow::Result<Vec<PathBuf>> {
        let sh = Shell::new()?;
        sh.change_dir(&self.top);
        let asking = "asking git what is not committed";
        let status = cmd!(
            sh,
            "git status --porcelain -z --no-renames --untracked-files=all"
        );
        let status = status.quiet().read().context(asking)?;
        let changed = status.split('\0').filter_map(|line| line.get(3..));
        let changed = changed.map(|name| self.top.join(name));
        let flagged = cmd!(sh, "git ls-files -v -z").quiet().read();
        let flagged = flagged.context(asking)?;
        // `S`: --skip-worktree; a small letter: --assume-unchanged.
        let hidden = flagged.split('\0').filter_map(|line| line.split_once(' '));
        let hidden = hidden.filter(|(flag, _)| *flag == "S" || *flag == flag.to_lowercase());
        let hidden = hidden.map(|(_, name)| self.top.join(name));
        // A sparse checkout leaves out what it hides.
        let hidden = hidden.filter(|file| file.symlink_metadata().is_ok());
        let found = self.differences(&hidden.collect::<Vec<_>>())?;
        let hidden = found.into_iter().map(|found| self.top.join(found.path));
        Ok(changed.chain(hidden).collect())
    }

    pub(super) fn list(
        &self,
        options: &[&str],
        folders: &[PathBuf],
    ) -> anyhow::Result<Vec<String>> {
        let folders: Vec<&PathBuf> = folders
            .iter()
            .filter(|folder| folder.starts_with(&self.top) && folder.exists())
            .collect();
        if folders.is_empty() {
            return Ok(Vec::new());
        }
        let sh = Shell::new()?;
        sh.change_dir(&self.top);
        let listed = cmd!(
            sh,
            "git --literal-pathspecs ls-files -z {options...} -- {folders...}"
        )
        .quiet()
        .read()
        .context("asking git which files there are")?;
        let names = listed.split('\0').filter(|name| !name.is_empty());
        Ok(names.map(str::to_owned).collect())
    }
}
