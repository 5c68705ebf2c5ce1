//! What decides a plan beside the image: the configuration, the files that it names, the variables,
//! Terraform itself.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::Terraform;
use super::reads::{Reads, files_below, relative};
use crate::clients::state::{Place, place};

/// To be taken before a plan is made, so that a file that changes meanwhile is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    pub hash: String,
    /// Where the state is.
    pub place: Place,
}

impl Terraform {
    /// Where the state is; None for another backend than plain S3 in `region`.
    pub fn place(&self, region: &str) -> Option<Place> {
        let settings = std::fs::read_to_string(self.data_dir.join("terraform.tfstate")).ok()?;
        place(&settings, region, &self.workspace)
    }

    /// None when nobody can tell: another backend than plain S3 in `region`, modules that
    /// are not initialised, or an expression that may read anything.
    pub fn inputs(&self, region: &str, version: &str) -> Option<Inputs> {
        let place = self.place(region)?;
        let mut variables: Vec<_> = std::env::vars_os()
            .filter(|(key, _)| key.to_string_lossy().starts_with("TF_"))
            .collect();
        variables.sort();
        if variables.iter().any(names_variables) {
            return None;
        }
        let reads = self.reads().filter(|reads| reads.unknown.is_none())?;
        let mut hash = Sha256::new();
        hash.update(format!(
            "2 {version} {} {:?} {:?} {:?} {variables:?}",
            self.workspace, self.vars, self.env, self.backend_config
        ));
        if reads.placed {
            let home = std::env::var_os("HOME");
            hash.update(format!(
                "{:?} {:?} {home:?}",
                self.root,
                std::env::current_dir()
            ));
        }
        hash_files(&reads, &self.root, &self.data_dir, &mut hash).ok()?;
        let digits = hash.finalize();
        Some(Inputs {
            hash: digits.iter().map(|byte| format!("{byte:02x}")).collect(),
            place,
        })
    }
}

/// Arguments from the environment may name a file of variables, which is not looked for.
fn names_variables((key, value): &(OsString, OsString)) -> bool {
    let key = key.to_string_lossy();
    key.starts_with("TF_CLI_ARGS") && value.to_string_lossy().contains("-var-file")
}

/// Each file by its way from the root's folder, so that another checkout of the same files has the
/// same hash.
fn hash_files(
    reads: &Reads,
    root: &Path,
    data_dir: &Path,
    hash: &mut Sha256,
) -> anyhow::Result<()> {
    let root = std::path::absolute(root)?;
    for path in reads.configuration.iter().chain(&reads.named) {
        if path.is_dir() {
            let doing = || format!("reading {}", path.display());
            hash.update(format!("folder {}\0", name(path, &root, data_dir)));
            for file in files_below(path).with_context(doing)? {
                hash_file(&file, &name(&file, &root, data_dir), hash)?;
            }
        } else {
            hash_file(path, &name(path, &root, data_dir), hash)?;
        }
    }
    Ok(())
}

/// Modules from elsewhere are in the data directory, wherever that is.
fn name(path: &Path, root: &Path, data_dir: &Path) -> String {
    match path.strip_prefix(data_dir) {
        Ok(way) => format!("data/{}", way.display()),
        Err(_) => relative(root, path).display().to_string(),
    }
}

fn hash_file(path: &Path, name: &str, hash: &mut Sha256) -> anyhow::Result<()> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let doing = || format!("reading {}", path.display());
    match path.metadata() {
        // A socket or a device has no content to compare.
        Ok(found) if !found.is_file() => hash.update(format!("special {name}\0")),
        Ok(_) => {
            let content = std::fs::read(path).with_context(doing)?;
            hash.update(format!("file {name}\0{}\0", content.len()));
            hash.update(content);
        }
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
            hash.update(format!("absent {name}\0"));
        }
        Err(error) => return Err(error).with_context(doing),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn hash(checkout: &Path) -> String {
        let file = |path: &str| checkout.join(path);
        let reads = Reads {
            configuration: vec![file("infra/root/main.tf"), file("data/modules/far/main.tf")],
            named: vec![file("config"), file("later.txt")],
            placed: false,
            unknown: None,
        };
        let mut hash = Sha256::new();
        hash_files(&reads, &file("infra/root"), &file("data"), &mut hash).unwrap();
        format!("{:?}", hash.finalize())
    }

    fn write(checkout: &Path, file: &str, text: &str) {
        let path = checkout.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn every_file_its_name_and_its_absence_count_and_the_checkout_does_not() {
        let checkout = || tempfile::tempdir().unwrap();
        let (one, other) = (checkout(), checkout());
        let (one, other) = (one.path(), other.path());
        let mut seen: Vec<String> = Vec::new();
        for (file, text) in [
            ("infra/root/main.tf", "x"),
            ("infra/root/main.tf", "y"),
            ("data/modules/far/main.tf", "x"),
            ("config/a.txt", ""),
            ("config/deep/b.txt", "1"),
            ("config/deep/b.txt", "2"),
            ("later.txt", ""),
        ] {
            write(one, file, text);
            write(other, file, text);
            let after = hash(one);
            assert_eq!(after, hash(other), "{file}");
            assert!(!seen.contains(&after), "{file}");
            seen.push(after);
        }
        write(one, "config/.terraform/providers/p", "1");
        write(one, "infra/root/README.md", "1");
        assert_eq!(Some(&hash(one)), seen.last());
    }

    #[test]
    fn what_is_no_file_and_no_folder_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let socket: PathBuf = folder.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        hash_file(&socket, "socket", &mut Sha256::new()).unwrap();
    }

    #[test]
    fn a_file_of_variables_from_the_environment_is_not_known() {
        for (key, value, named) in [
            ("TF_CLI_ARGS_plan", "-lock=false -var-file=x", true),
            ("TF_CLI_ARGS", "--var-file x", true),
            ("TF_CLI_ARGS_plan", "-parallelism=2", false),
            ("TF_VAR_x", "-var-file", false),
        ] {
            assert_eq!(names_variables(&(key.into(), value.into())), named, "{key}");
        }
    }
}
