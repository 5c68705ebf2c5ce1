//! Where Terraform's providers come from when the registry is out of reach: an unpacked mirror.

use std::path::{Path, PathBuf};

/// A folder that contains `registry.terraform.io` and has what the root's lock file asks for. The
/// first three places are Terraform's own; a mirror there is what Terraform itself would prefer.
pub fn find_mirror(root: &Path) -> Option<PathBuf> {
    let lock = std::fs::read_to_string(root.join(".terraform.lock.hcl")).ok()?;
    let wanted = locked_providers(&lock);
    let mut places: Vec<PathBuf> = Vec::new();
    if let Some(home) = std::env::var_os("HOME") {
        places.push(Path::new(&home).join(".terraform.d/plugins"));
    }
    places.extend(
        [
            "/usr/local/share/terraform/plugins",
            "/usr/share/terraform/plugins",
        ]
        .map(PathBuf::from),
    );
    if let Ok(entries) = std::fs::read_dir("/opt") {
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        places.extend(folders);
    }
    places
        .into_iter()
        .find(|place| !wanted.is_empty() && wanted.iter().all(|provider| has(place, provider)))
}

/// `(address, version)` of each provider in a lock file.
fn locked_providers(lock: &str) -> Vec<(String, String)> {
    let Ok(body) = lock.parse::<hcl_edit::structure::Body>() else {
        return Vec::new();
    };
    let blocks = body.get_blocks("provider");
    blocks
        .filter_map(|block| {
            let address = block.labels.first()?.as_str().to_owned();
            let version = block
                .body
                .get_attribute("version")?
                .value
                .as_str()?
                .to_owned();
            Some((address, version))
        })
        .collect()
}

fn has(place: &Path, (address, version): &(String, String)) -> bool {
    place.join(address).join(version).join(platform()).is_dir()
}

/// This machine, as Terraform calls it in paths: `linux_amd64`.
pub fn platform() -> String {
    let system = if cfg!(target_os = "macos") {
        "darwin"
    } else {
        std::env::consts::OS
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}_{architecture}")
}

#[cfg(test)]
mod tests {
    use super::locked_providers;

    #[test]
    fn a_lock_file_names_providers_and_versions() {
        let lock = "# comment\nprovider \"registry.terraform.io/hashicorp/aws\" {\n  version     = \"5.100.0\"\n  constraints = \"~> 5.100\"\n  hashes = [\n    \"h1:x\",\n  ]\n}\n";
        let expected = (
            "registry.terraform.io/hashicorp/aws".to_owned(),
            "5.100.0".to_owned(),
        );
        assert_eq!(locked_providers(lock), [expected]);
    }
}
