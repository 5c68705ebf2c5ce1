//! The provider's package that `terraform init` has chosen: is it the one of the lock file? Terraform
//! checks every provider that it starts itself, and none that is started for it.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::lock::{ADDRESS, Locked};
use crate::clients::own_files;
use crate::clients::terraform::providers::platform;

const BINARY: &str = "terraform-provider-aws";

/// A provider that may be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub binary: PathBuf,
    /// SHA-256 of the binary, in hexadecimal digits.
    pub sha256: String,
    /// `h1:` and Base64.
    hash: String,
    /// Its files when they were hashed, so that 700 MB are read once.
    files: Vec<Identity>,
}

/// What changes when somebody writes to a file, or puts another one in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    name: String,
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last write, and of the last change of anything about the file.
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The folder of the package in Terraform's data directory, which may be a link.
pub fn folder(data_dir: &Path, locked: &Locked) -> PathBuf {
    let folder = data_dir.join("providers").join(ADDRESS);
    folder.join(&locked.version).join(platform())
}

/// The package, if it is what the lock file asks for. `memory` keeps the last answer. Reads the whole
/// package, 700 MB, unless it is remembered.
pub fn check(folder: &Path, locked: &Locked, memory: &Path) -> anyhow::Result<Package> {
    let files = identities(folder)?;
    let remembered = std::fs::read(memory).ok();
    let remembered = remembered.and_then(|text| serde_json::from_slice::<Package>(&text).ok());
    let binary = binary(folder, &files)?;
    let known = remembered.filter(|known| known.files == files && known.binary == binary);
    let package = match known {
        Some(package) => package,
        None => {
            let package = hash(folder, binary, &files)?;
            // Whatever was written meanwhile may be in the hash or not.
            anyhow::ensure!(
                identities(folder)? == files,
                "{} changed while it was read",
                folder.display()
            );
            own_files::write(memory, &serde_json::to_vec(&package)?)?;
            package
        }
    };
    anyhow::ensure!(
        locked.hashes.contains(&package.hash),
        "{} has the hash {}, which is not in .terraform.lock.hcl",
        folder.display(),
        package.hash
    );
    Ok(package)
}

/// The one file that Terraform would start.
fn binary(folder: &Path, files: &[Identity]) -> anyhow::Result<PathBuf> {
    let mut named = files.iter().filter(|file| file.name.starts_with(BINARY));
    match (named.next(), named.next()) {
        (Some(binary), None) => Ok(folder.join(&binary.name)),
        _ => anyhow::bail!("{} has not one {BINARY}", folder.display()),
    }
}

/// The files of a package by their names, folders below it included.
fn identities(folder: &Path) -> anyhow::Result<Vec<Identity>> {
    let mut files = Vec::new();
    collect(folder, "", &mut files)
        .with_context(|| format!("looking at the package {}", folder.display()))?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<Identity>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().context("a name that is no UTF-8")?;
        let name = format!("{prefix}{name}");
        // Of a link's target: Terraform hashes and starts what is there.
        let about = std::fs::metadata(entry.path())?;
        if about.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push(Identity::of(name, &about));
        }
    }
    Ok(())
}

impl Identity {
    fn of(name: String, about: &Metadata) -> Self {
        Identity {
            name,
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

/// Hash1 of <https://pkg.go.dev/golang.org/x/mod/sumdb/dirhash>: SHA-256 of what `sha256sum` would
/// print of the files, sorted by name.
fn hash(folder: &Path, binary: PathBuf, files: &[Identity]) -> anyhow::Result<Package> {
    let mut all = Sha256::new();
    let mut sha256 = String::new();
    for file in files {
        let path = folder.join(&file.name);
        let of_file = hash_file(&path).with_context(|| format!("reading {}", path.display()))?;
        all.update(format!("{of_file}  {}\n", file.name));
        if path == binary {
            sha256 = of_file;
        }
    }
    Ok(Package {
        binary,
        sha256,
        hash: format!("h1:{}", STANDARD.encode(all.finalize())),
        files: files.to_vec(),
    })
}

fn hash_file(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    let digits = hash.finalize();
    Ok(digits.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `dirhash.Hash1` of two files, computed with `sha256sum | sha256sum`.
    const KNOWN: &str = "h1:a84ErdAsRwRx+EW6QOTNPF3xs5ZZX3S9XBGigk93EWU=";

    fn package(folder: &Path) -> Locked {
        std::fs::write(folder.join("terraform-provider-aws_v5.100.0_x5"), "binary").unwrap();
        std::fs::write(folder.join("LICENSE.txt"), "words").unwrap();
        Locked {
            version: "5.100.0".into(),
            hashes: vec![KNOWN.into()],
        }
    }

    #[test]
    fn a_package_is_the_locked_one_or_none() {
        let (folder, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let memory = memory.path().join("checked.json");
        let locked = package(folder.path());
        let found = check(folder.path(), &locked, &memory).unwrap();
        assert!(found.binary.ends_with("terraform-provider-aws_v5.100.0_x5"));
        assert_eq!(check(folder.path(), &locked, &memory).unwrap(), found);
        // Of the same size, and with the old time of its last write.
        let old = found.binary.metadata().unwrap().modified().unwrap();
        std::fs::write(&found.binary, "BINARY").unwrap();
        File::options()
            .write(true)
            .open(&found.binary)
            .unwrap()
            .set_modified(old)
            .unwrap();
        let error = check(folder.path(), &locked, &memory).unwrap_err();
        assert!(error.to_string().contains("not in .terraform.lock.hcl"));
        package(folder.path());
        assert!(check(folder.path(), &locked, &memory).is_ok());
        std::fs::write(folder.path().join("terraform-provider-aws"), "").unwrap();
        let error = check(folder.path(), &locked, &memory).unwrap_err();
        assert!(error.to_string().contains("not one"), "{error}");
    }
}
