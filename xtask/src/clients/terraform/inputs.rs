//! What decides a plan beside the image: the configuration, the variables, Terraform itself.

use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::Terraform;
use crate::clients::state::{Place, place};

/// To be taken before a plan is made, so that a file that changes meanwhile is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    pub hash: String,
    /// Where the state is.
    pub place: Place,
}

impl Terraform {
    /// None when nobody can tell: another backend than plain S3 in `region`, another workspace, or a
    /// root outside of a folder `infra`, whose modules nobody knows.
    pub fn inputs(&self, region: &str, version: &str) -> Option<Inputs> {
        if self.workspace != "default" {
            return None;
        }
        let settings = std::fs::read_to_string(self.data_dir.join("terraform.tfstate")).ok()?;
        let place = place(&settings, region)?;
        let mut variables: Vec<_> = std::env::vars_os()
            .filter(|(key, _)| key.to_string_lossy().starts_with("TF_"))
            .collect();
        variables.sort();
        let mut hash = Sha256::new();
        hash.update(format!(
            "1 {version} {:?} {:?} {:?} {variables:?}",
            self.vars, self.env, self.backend_config
        ));
        let infra = self
            .root
            .ancestors()
            .find(|folder| folder.ends_with("infra"))?;
        hash_files(infra, infra, &mut hash).ok()?;
        let root = self.root.strip_prefix(infra).ok()?;
        hash.update(root.display().to_string());
        let digits = hash.finalize();
        Some(Inputs {
            hash: digits.iter().map(|byte| format!("{byte:02x}")).collect(),
            place,
        })
    }
}

/// All files, whatever git thinks of them: Terraform reads a `terraform.tfvars` that git ignores.
fn hash_files(top: &Path, folder: &Path, hash: &mut Sha256) -> anyhow::Result<()> {
    let doing = || format!("reading {}", folder.display());
    let mut entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(doing)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != ".terraform" {
                hash_files(top, &path, hash)?;
            }
            continue;
        }
        let content = std::fs::read(&path).with_context(doing)?;
        let name = path.strip_prefix(top).unwrap_or(&path);
        hash.update(format!("{}\0{}\0", name.display(), content.len()));
        hash.update(content);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(folder: &Path) -> String {
        let mut hash = Sha256::new();
        hash_files(folder, folder, &mut hash).unwrap();
        format!("{:?}", hash.finalize())
    }

    #[test]
    fn every_file_and_its_name_count() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            hash(folder.path())
        };
        let mut seen = vec![
            write("a/main.tf", "x"),
            write("a/main.tf", "y"),
            write("a/terraform.tfvars", "z"),
            write("a/.terraform.lock.hcl", "l"),
            write("b", ""),
        ];
        assert_eq!(write("a/.terraform/providers/p", "1"), seen[4]);
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }
}
