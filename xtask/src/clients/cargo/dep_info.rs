//! What a compile read, as cargo and rustc write it down: the dep-info beside a binary and each
//! crate's own, and what build scripts print.
//!
//! Beside the binary is a make rule with every file of the user's own packages: sources, what
//! `include_str!` takes in, what their build scripts watch. The variables of the environment are in
//! rustc's own dep-info (`# env-dep:`) and in the output of build scripts.
//! <https://doc.rust-lang.org/cargo/reference/build-cache.html#dep-info-files>

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The files that the rule beside a binary names.
pub fn files_of(binary: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let file = binary.with_extension("d");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("reading what the compiler read from {}", file.display()))?;
    Ok(prerequisites(&text))
}

/// The files behind the colons of make rules. A space in a name is escaped.
fn prerequisites(text: &str) -> Vec<PathBuf> {
    let rules = text.lines().filter_map(|line| line.split_once(": "));
    let mut files = Vec::new();
    for (_, line) in rules {
        let mut name = String::new();
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some(' ') => name.push(' '),
                    Some(other) => name.extend(['\\', other]),
                    None => name.push('\\'),
                },
                ' ' => files.push(std::mem::take(&mut name)),
                other => name.push(other),
            }
        }
        files.push(name);
    }
    files.retain(|file| !file.is_empty());
    files.into_iter().map(PathBuf::from).collect()
}

/// The variables that any crate or build script of these profile folders depends on, but for those
/// that cargo sets by itself. None when there is nothing to read them from: another layout of cargo's.
pub fn variables_of(profiles: &[PathBuf]) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut crates = 0;
    for profile in profiles {
        for file in entries(&profile.join("deps")) {
            if file.extension().is_some_and(|end| end == "d") {
                let text = std::fs::read_to_string(&file).ok()?;
                crates += 1;
                let lines = text.lines();
                names.extend(lines.filter_map(of_crate).map(str::to_owned));
            }
        }
        for folder in entries(&profile.join("build")) {
            let Ok(text) = std::fs::read_to_string(folder.join("output")) else {
                continue;
            };
            names.extend(text.lines().filter_map(of_build_script).map(str::to_owned));
        }
    }
    names.retain(|name| !super::is_ours(name));
    (crates > 0).then_some(names)
}

fn of_crate(line: &str) -> Option<&str> {
    let variable = line.strip_prefix("# env-dep:")?;
    Some(variable.split_once('=').map_or(variable, |(name, _)| name))
}

fn of_build_script(line: &str) -> Option<&str> {
    let directive = line.strip_prefix("cargo:")?;
    let directive = directive.strip_prefix(':').unwrap_or(directive);
    directive.strip_prefix("rerun-if-env-changed=")
}

/// Does the build script with this output folder say what it watches? Cargo runs one that does not
/// again for any file of its package.
pub fn says_what_it_watches(out_dir: &Path) -> bool {
    let output = out_dir.parent().map(|folder| folder.join("output"));
    let text = output.and_then(|file| std::fs::read_to_string(file).ok());
    text.is_some_and(|text| text.lines().any(|line| line.contains(":rerun-if-")))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_files_with_spaces_and_backslashes() {
        for (text, expected) in [
            ("/t/api: /w/a.rs /w/b.rs\n", vec!["/w/a.rs", "/w/b.rs"]),
            ("/t/my\\ api: /w/my\\ file.rs\n", vec!["/w/my file.rs"]),
            ("/t/api: /w/a\\b.rs\n", vec!["/w/a\\b.rs"]),
            ("/t/api:\n", vec![]),
            ("/t/api: \n", vec![]),
            ("", vec![]),
        ] {
            let expected: Vec<PathBuf> = expected.into_iter().map(PathBuf::from).collect();
            assert_eq!(prerequisites(text), expected, "{text}");
        }
    }

    #[test]
    fn variables() {
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("image");
        assert_eq!(variables_of(std::slice::from_ref(&profile)), None);
        let write = |name: &str, text: &str| {
            let file = profile.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write(
            "deps/api-1.d",
            "a.rs:\n\n# env-dep:BANNER=x\n# env-dep:UNSET\n# env-dep:CARGO_PKG_NAME=api\n",
        );
        write(
            "build/api-2/output",
            "cargo:rerun-if-env-changed=CC\ncargo::rerun-if-env-changed=CFLAGS\nnoise\n",
        );
        let found = variables_of(&[profile]).unwrap();
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["BANNER", "CC", "CFLAGS", "UNSET"]);
    }

    #[test]
    fn a_build_script_that_is_silent_watches_its_whole_package() {
        let folder = tempfile::tempdir().unwrap();
        let out_dir = folder.path().join("out");
        for (text, expected) in [
            ("cargo:rerun-if-changed=a.txt\n", true),
            ("cargo::rerun-if-env-changed=A\n", true),
            ("cargo:rustc-cfg=x\n", false),
            ("", false),
        ] {
            std::fs::write(folder.path().join("output"), text).unwrap();
            assert_eq!(says_what_it_watches(&out_dir), expected, "{text}");
        }
        assert!(!says_what_it_watches(Path::new("/nowhere/out")));
    }
}
