//! What the lock file says of the AWS provider. Pure.

use hcl_edit::structure::Body;

/// The provider's address, as the lock file, Terraform's data directory and TF_REATTACH_PROVIDERS have it.
pub const ADDRESS: &str = "registry.terraform.io/hashicorp/aws";

/// The one version that may be started, and the hashes that its package may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub version: String,
    /// Of the unpacked package: `h1:` and Base64.
    pub hashes: Vec<String>,
}

/// Reads `.terraform.lock.hcl`. None where the AWS provider is not locked by the hash of an unpacked
/// package: the others (`zh:`) are of an archive that is not there any more.
pub fn read(text: &str) -> Option<Locked> {
    let body: Body = text.parse().ok()?;
    let mut providers = body.get_blocks("provider");
    let block = providers.find(|block| {
        let label = block.labels.first();
        label.is_some_and(|label| label.as_str() == ADDRESS)
    })?;
    let attribute = |name| Some(&block.body.get_attribute(name)?.value);
    let hashes = attribute("hashes")?.as_array()?.iter();
    let hashes: Vec<String> = hashes
        .filter_map(|hash| hash.as_str())
        .filter(|hash| hash.starts_with("h1:"))
        .map(str::to_owned)
        .collect();
    (!hashes.is_empty()).then_some(Locked {
        version: attribute("version")?.as_str()?.to_owned(),
        hashes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hash_of_an_unpacked_package_counts() {
        let file = |address: &str, hashes: &str| {
            format!(
                "provider \"registry.terraform.io/hashicorp/random\" {{\n  version = \"3.7.0\"\n  hashes = [\"h1:b\"]\n}}\nprovider \"{address}\" {{\n  version     = \"5.100.0\"\n  hashes = [\n{hashes}\n  ]\n}}\n"
            )
        };
        let locked = Locked {
            version: "5.100.0".into(),
            hashes: vec!["h1:a".into()],
        };
        for (address, hashes, expected) in [
            (ADDRESS, "\"h1:a\", \"zh:c\",", Some(locked)),
            (ADDRESS, "\"zh:c\"", None),
            (ADDRESS, "", None),
            ("registry.opentofu.org/hashicorp/aws", "\"h1:a\"", None),
        ] {
            assert_eq!(read(&file(address, hashes)), expected, "{address} {hashes}");
        }
        assert_eq!(read("no { lock"), None);
    }
}
