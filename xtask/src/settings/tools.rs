//! `[workspace.metadata.xtask.tools]`: programs that are fetched when they are missing.

use std::collections::BTreeMap;
use std::path::Path;

use crate::failure::Problem;

/// The Terraform that is fetched, and what its archives must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerraformPin {
    /// For example `1.11.4`.
    pub version: String,
    /// Platform as HashiCorp names it (`linux_amd64`) → SHA-256 of the archive, 64 hex digits.
    pub sha256: BTreeMap<String, String>,
}

/// Reads the table; None when it is missing or has mistakes.
pub fn read(
    file: &Path,
    tables: BTreeMap<String, toml::Table>,
) -> (Option<TerraformPin>, Vec<Problem>) {
    const PATH: &str = "workspace.metadata.xtask.tools";
    let mut problems = Vec::new();
    let mut pin = None;
    for (name, table) in tables {
        if name != "terraform" {
            problems.push(Problem::usage(
                format!("unknown key `{name}` in [{PATH}] in {}", file.display()),
                "the only tool there is `terraform`",
            ));
            continue;
        }
        match parse(table) {
            Ok(found) => pin = Some(found),
            Err(message) => problems.push(Problem::usage(
                format!("[{PATH}.terraform] in {}: {message}", file.display()),
                "it has `version` and the table `sha256` with a hash for each platform, such as linux_amd64",
            )),
        }
    }
    (pin, problems)
}

fn parse(mut table: toml::Table) -> Result<TerraformPin, String> {
    let version = match table.remove("version") {
        Some(toml::Value::String(version)) => version,
        _ => return Err("`version` is missing, or no string".to_owned()),
    };
    // It becomes a part of paths and addresses.
    if version.is_empty()
        || !version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
    {
        return Err(format!("`{version}` is no version"));
    }
    let Some(toml::Value::Table(hashes)) = table.remove("sha256") else {
        return Err("`sha256` is missing, or no table".to_owned());
    };
    let mut sha256 = BTreeMap::new();
    for (platform, value) in hashes {
        let hash = value.as_str().unwrap_or_default().to_owned();
        if hash.len() != 64
            || !hash
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err(format!(
                "the hash of {platform} is not 64 lower-case hex digits"
            ));
        }
        sha256.insert(platform, hash);
    }
    match table.keys().next() {
        Some(key) => Err(format!("unknown key `{key}`")),
        None => Ok(TerraformPin { version, sha256 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_and_its_mistakes_are_named() {
        let hash = "0123456789abcdef".repeat(4);
        let cases = [
            (
                format!("[terraform]\nversion='1.11.4'\nsha256={{linux_amd64='{hash}'}}"),
                None,
            ),
            (
                format!("[terraform]\nsha256={{linux_amd64='{hash}'}}"),
                Some("`version` is missing"),
            ),
            (
                "[terraform]\nversion='../x'\nsha256={}".into(),
                Some("`../x` is no version"),
            ),
            (
                "[terraform]\nversion='1'".into(),
                Some("`sha256` is missing"),
            ),
            (
                "[terraform]\nversion='1'\nsha256={linux_amd64='12'}".into(),
                Some("the hash of linux_amd64"),
            ),
            (
                "[terraform]\nversion='1'\nsha256={}\nurl='x'".into(),
                Some("unknown key `url`"),
            ),
            ("[zig]\nversion='1'".into(), Some("unknown key `zig`")),
        ];
        for (text, problem) in cases {
            let tables: BTreeMap<String, toml::Table> = toml::from_str(&text).unwrap();
            let (pin, problems) = read(Path::new("Cargo.toml"), tables);
            match problem {
                None => assert_eq!(
                    pin.map(|pin| pin.version).as_deref(),
                    Some("1.11.4"),
                    "{text}"
                ),
                Some(words) => assert!(
                    problems.len() == 1 && problems[0].message.contains(words),
                    "{text}: {problems:?}"
                ),
            }
        }
    }
}
