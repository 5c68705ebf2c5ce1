//! `cargo metadata`: where packages are and what they are called, and what a package is made of.
//!
//! The format: <https://doc.rust-lang.org/cargo/commands/cargo-metadata.html>

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use xshell::{Shell, cmd};

use crate::interrupt::Interrupt;

#[derive(Debug, Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    pub target_directory: PathBuf,
    /// Where cargo keeps what it makes on the way; older cargos have no other place for it.
    build_directory: Option<PathBuf>,
    resolve: Option<Resolve>,
}

#[derive(Debug, Deserialize)]
pub struct Package {
    pub name: String,
    id: String,
    /// None: its files are in a folder of the user's, and not a registry's or git's.
    source: Option<String>,
    manifest_path: PathBuf,
    default_run: Option<String>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
    src_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// A binary of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    pub name: String,
    pub source: PathBuf,
}

/// The packages of the workspace, without what they depend on: no lock file and no network is needed.
pub fn of_workspace(root: &Path) -> anyhow::Result<Metadata> {
    let sh = Shell::new()?;
    sh.change_dir(root);
    let cargo = super::program();
    let mut command = cmd!(sh, "{cargo} metadata --format-version 1 --no-deps").quiet();
    for (name, _) in std::env::vars().filter(|(name, _)| super::is_ours(name)) {
        command = command.env_remove(name);
    }
    let asking = || asking(root);
    let output = command.ignore_status().output().with_context(asking)?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(anyhow::anyhow!("{}", words.trim()).context(asking()));
    }
    serde_json::from_slice(&output.stdout).with_context(asking)
}

/// With everything that the packages depend on. Cargo may wait for another cargo, or for a network.
pub async fn with_dependencies(root: &Path, interrupt: &Interrupt) -> anyhow::Result<Metadata> {
    let program = super::cargo()
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root);
    let text = program
        .read(interrupt)
        .await
        .with_context(|| asking(root))?;
    serde_json::from_str(&text).with_context(|| asking(root))
}

fn asking(root: &Path) -> String {
    format!("asking cargo about the workspace in {}", root.display())
}

impl Metadata {
    /// A package of the user's own.
    pub fn package(&self, name: &str) -> Option<&Package> {
        let own = self
            .packages
            .iter()
            .filter(|package| package.source.is_none());
        own.into_iter().find(|package| package.name == name)
    }

    /// The names of the packages that have a binary.
    pub fn with_binaries(&self) -> Vec<&str> {
        let packages = self.packages.iter();
        packages
            .filter(|package| package.source.is_none() && !package.binaries().is_empty())
            .map(|package| package.name.as_str())
            .collect()
    }

    /// The folders that hold nothing but what cargo makes.
    pub fn products(&self) -> Vec<PathBuf> {
        let build = self.build_directory.iter().cloned();
        std::iter::once(self.target_directory.clone())
            .chain(build)
            .collect()
    }

    /// The folders of the user's own packages that are compiled for this one: itself, and what it
    /// depends on by a path or a patch. Those of tests alone are not among them. None without
    /// [`with_dependencies`].
    pub fn own_folders(&self, package: &Package) -> Option<BTreeSet<PathBuf>> {
        let own = self.own(package)?.into_iter();
        Some(own.map(Package::folder).collect())
    }

    /// The files that the compiles of those packages begin with, and their build scripts.
    pub fn own_sources(&self, package: &Package) -> Option<Vec<PathBuf>> {
        let own = self.own(package)?.into_iter();
        let targets = own.flat_map(|package| &package.targets);
        let compiled = targets.filter(|target| {
            let mut kinds = target.kind.iter();
            !kinds.any(|kind| matches!(kind.as_str(), "test" | "bench" | "example"))
        });
        Some(compiled.map(|target| target.src_path.clone()).collect())
    }

    fn own(&self, package: &Package) -> Option<Vec<&Package>> {
        let nodes = &self.resolve.as_ref()?.nodes;
        let nodes: BTreeMap<&str, &Node> =
            nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut reached = BTreeSet::from([package.id.as_str()]);
        let mut next = vec![package.id.as_str()];
        while let Some(id) = next.pop() {
            let compiled = nodes.get(id)?.deps.iter().filter(|dependency| {
                let mut kinds = dependency.dep_kinds.iter();
                kinds.any(|kind| kind.kind.as_deref() != Some("dev"))
            });
            for dependency in compiled {
                if reached.insert(&dependency.pkg) {
                    next.push(&dependency.pkg);
                }
            }
        }
        let own = self.packages.iter();
        let own =
            own.filter(|package| package.source.is_none() && reached.contains(package.id.as_str()));
        Some(own.collect())
    }
}

impl Package {
    pub fn folder(&self) -> PathBuf {
        let folder = self.manifest_path.parent();
        folder.unwrap_or(&self.manifest_path).to_owned()
    }

    pub fn binaries(&self) -> Vec<Binary> {
        let targets = self.targets.iter();
        let binaries = targets.filter(|target| target.kind.iter().any(|kind| kind == "bin"));
        binaries
            .map(|target| Binary {
                name: target.name.clone(),
                source: target.src_path.clone(),
            })
            .collect()
    }

    /// The binary that is meant: the one of this name, the only one, or the one that `cargo run` runs.
    /// Otherwise the names of all.
    pub fn binary(&self, wanted: Option<&str>) -> Result<Binary, Vec<String>> {
        let binaries = self.binaries();
        let name = match (wanted, binaries.as_slice()) {
            (Some(wanted), _) => Some(wanted),
            (None, [only]) => Some(only.name.as_str()),
            (None, _) => self.default_run.as_deref(),
        };
        let found = binaries
            .iter()
            .find(|binary| Some(binary.name.as_str()) == name);
        found
            .cloned()
            .ok_or_else(|| binaries.into_iter().map(|binary| binary.name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: &str, name: &str) -> serde_json::Value {
        serde_json::json!({ "kind": [kind], "name": name, "src_path": format!("/w/{name}.rs") })
    }

    fn package(
        name: &str,
        source: Option<&str>,
        targets: &[serde_json::Value],
    ) -> serde_json::Value {
        serde_json::json!({
            "name": name, "id": format!("{name}#1"), "source": source, "default_run": null,
            "manifest_path": format!("/w/{name}/Cargo.toml"), "targets": targets,
        })
    }

    fn depends(from: &str, on: &[(&str, Option<&str>)]) -> serde_json::Value {
        let on = on.iter().map(|(name, kind)| {
            serde_json::json!({ "pkg": format!("{name}#1"), "dep_kinds": [{ "kind": kind }] })
        });
        serde_json::json!({ "id": format!("{from}#1"), "deps": on.collect::<Vec<_>>() })
    }

    #[test]
    fn own_packages_by_any_way_and_none_of_tests() {
        let metadata: Metadata = serde_json::from_value(serde_json::json!({
            "target_directory": "/w/target",
            "packages": [
                package("app", None, &[target("bin", "app"), target("test", "it")]),
                package("build", Some("registry+x"), &[target("lib", "lib")]),
                package("shared", None, &[]), package("macros", None, &[target("custom-build", "build")]),
                package("registry", Some("registry+x"), &[]), package("patched", None, &[]),
                package("testing", None, &[]), package("other", None, &[]),
            ],
            "resolve": { "nodes": [
                depends("app", &[("shared", None), ("registry", None), ("testing", Some("dev"))]),
                depends("shared", &[("macros", Some("build"))]),
                depends("registry", &[("patched", None)]),
                depends("macros", &[]), depends("patched", &[]), depends("testing", &[]),
                depends("other", &[("app", None)]),
            ] },
        }))
        .unwrap();
        let own = metadata.own_folders(metadata.package("app").unwrap());
        let expected = ["app", "macros", "patched", "shared"];
        let expected = expected.map(|name| PathBuf::from(format!("/w/{name}")));
        assert_eq!(own, Some(BTreeSet::from(expected)));
        let sources = metadata.own_sources(metadata.package("app").unwrap());
        let expected = ["/w/app.rs", "/w/build.rs"].map(PathBuf::from);
        assert_eq!(sources, Some(expected.to_vec()));
    }

    #[test]
    fn the_binary_that_is_meant() {
        let of = |names: &[&str], default_run: Option<&str>| {
            let targets: Vec<_> = names.iter().map(|name| target("bin", name)).collect();
            let mut package = package("app", None, &targets);
            package["default_run"] = serde_json::json!(default_run);
            serde_json::from_value::<Package>(package).unwrap()
        };
        for (names, default_run, wanted, expected) in [
            (vec!["worker"], None, None, Ok("worker")),
            (vec!["a", "b"], None, Some("b"), Ok("b")),
            (vec!["a", "b"], Some("a"), None, Ok("a")),
            (vec!["a", "b"], Some("a"), Some("b"), Ok("b")),
            (vec!["a", "b"], None, None, Err("a b")),
            (vec!["a"], None, Some("c"), Err("a")),
            (vec![], None, None, Err("")),
        ] {
            let found = of(&names, default_run).binary(wanted);
            let found = found.map(|binary| binary.name).map_err(|all| all.join(" "));
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{names:?} {default_run:?} {wanted:?}");
        }
    }
}
