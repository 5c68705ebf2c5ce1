//! Entrypoints out of sources: `#[background_task("name")]` in Rust, scripts in a pyproject.toml.

use std::path::Path;

use anyhow::Context as _;

use super::{Entrypoint, Place};

/// The attribute that makes an async function an entrypoint.
const ATTRIBUTE: &str = "#[background_task(\"";

/// The entrypoints of one Rust source file. An attribute begins its line, so that one in a comment
/// or in a string does not count.
pub fn in_rust(file: &Path, text: &str) -> Vec<Entrypoint> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let (name, _) = line.trim_start().strip_prefix(ATTRIBUTE)?.split_once('"')?;
            Some(Entrypoint {
                name: name.to_owned(),
                place: Place {
                    file: file.to_owned(),
                    line: index + 1,
                },
            })
        })
        .collect()
}

/// The scripts of a Python project: `[project.scripts]` and `[tool.poetry.scripts]`.
pub fn in_pyproject(file: &Path, text: &str) -> anyhow::Result<Vec<Entrypoint>> {
    let document: toml::Table =
        toml::from_str(text).with_context(|| format!("parsing {}", file.display()))?;
    let table = |path: &[&str]| {
        path.iter()
            .try_fold(&document, |table, key| table.get(*key)?.as_table())
    };
    let names = [&["project", "scripts"][..], &["tool", "poetry", "scripts"]]
        .into_iter()
        .filter_map(table)
        .flat_map(toml::Table::keys);
    Ok(names
        .map(|name| Entrypoint {
            name: name.clone(),
            place: Place {
                file: file.to_owned(),
                line: line_of_key(text, name),
            },
        })
        .collect())
}

/// The line that defines a key; 1 when it is written in a way that is not looked for.
fn line_of_key(text: &str, key: &str) -> usize {
    let defines = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix(['"', '\'']).unwrap_or(line);
        line.strip_prefix(key).is_some_and(|rest| {
            let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
            rest.trim_start().starts_with('=')
        })
    };
    text.lines().position(defines).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(entrypoints: &[Entrypoint]) -> Vec<(&str, usize)> {
        entrypoints
            .iter()
            .map(|e| (e.name.as_str(), e.place.line))
            .collect()
    }

    #[test]
    fn attributes_and_not_what_is_said_about_them() {
        let text = "//! `#[background_task(\"no\")]`\n// #[background_task(\"no\")]\n  #[background_task(\"yes-1\")]\nasync fn main() {}\n";
        assert_eq!(names(&in_rust(Path::new("a.rs"), text)), [("yes-1", 3)]);
    }

    #[test]
    fn scripts_of_both_kinds() {
        let text = "[project.scripts]\na-task = \"a:main\"\n\n[tool.poetry.scripts]\n\"b-task\" = { reference = \"b:main\", type = \"console\" }\n";
        assert_eq!(
            names(&in_pyproject(Path::new("pyproject.toml"), text).unwrap()),
            [("a-task", 2), ("b-task", 5)]
        );
        assert!(in_pyproject(Path::new("pyproject.toml"), "[").is_err());
    }
}
