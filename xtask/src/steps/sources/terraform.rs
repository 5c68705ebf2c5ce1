//! What a Terraform plan reads, and what of it is not committed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::clients::git::Git;
use crate::clients::git::compare::Difference;
use crate::session::Session;

/// All files that a plan is known to read. Before the first `terraform init` nobody knows the modules:
/// then the root's folder and the one with the tasks' file.
pub fn terraform_files(session: &Session) -> anyhow::Result<BTreeSet<PathBuf>> {
    let settings = &session.settings;
    let terraform = session.terraform();
    let mut files = BTreeSet::new();
    match terraform.reads() {
        Some(reads) => files.extend(reads.configuration.into_iter().chain(reads.named)),
        None => {
            files.insert(terraform.root.clone());
            let tasks_file = settings.root.join(&settings.tasks_file);
            files.extend(tasks_file.parent().map(ToOwned::to_owned));
        }
    }
    Ok(files)
}

/// What a plan reads that is not as the commit at HEAD has it.
pub fn uncommitted_terraform(session: &Session, git: &Git) -> anyhow::Result<Vec<Difference>> {
    let read = terraform_files(session)?;
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) =
        read.into_iter().partition(|path| path.is_dir());
    let mut all = files;
    all.extend(git.visible(&folders)?);
    let mut differences = git.differences(&all)?;
    // A file that is gone is in no list.
    let mut folders = folders;
    let configuration = all
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "tf"));
    folders.extend(configuration.filter_map(|file| file.parent().map(ToOwned::to_owned)));
    differences.extend(git.deleted(&folders)?);
    differences.sort();
    differences.dedup();
    Ok(differences)
}
