//! The crates of a workspace under test. Each has a `text()`, which is that of its pieces and of the
//! crates that it depends on.

use std::path::{Path, PathBuf};

use super::files::{way, write};
use super::scripts::Script;

/// A table of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Dependencies,
    BuildDependencies,
    DevDependencies,
}

#[derive(Debug)]
pub struct Crate {
    pub name: String,
    pub folder: PathBuf,
    /// Further lines of `[package]`.
    pub package: String,
    pub script: Option<Script>,
    items: String,
    texts: Vec<String>,
    tables: [String; 3],
}

/// The files that a crate's text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Library,
    /// A binary alone, whose main file this is.
    Binary(&'static str),
    /// A library, and a binary around it.
    Both(&'static str),
}

impl Crate {
    pub fn new(name: &str, folder: PathBuf) -> Crate {
        Crate {
            name: name.to_owned(),
            folder,
            package: String::new(),
            script: None,
            items: String::new(),
            texts: Vec::new(),
            tables: Default::default(),
        }
    }

    pub fn src(&self) -> PathBuf {
        self.folder.join("src")
    }

    pub fn manifest(&self) -> PathBuf {
        self.folder.join("Cargo.toml")
    }

    /// An expression of type `&str`, and items that it needs.
    pub fn says(&mut self, expression: impl Into<String>, items: &str) {
        self.texts.push(expression.into());
        self.items.push_str(items);
    }

    pub fn depends_on(&mut self, other: &Crate, table: Table) {
        let path = way(&self.folder, &other.folder);
        let line = format!("{} = {{ path = {path:?} }}\n", other.name);
        self.tables[table as usize].push_str(&line);
        if table == Table::Dependencies {
            self.texts.push(format!("&{}::text()", other.name));
        }
    }

    /// On a version of a registry's crate.
    pub fn depends_on_any(&mut self, name: &str) {
        self.tables[Table::Dependencies as usize].push_str(&format!("{name} = \"1\"\n"));
        self.texts.push(format!("{name}::TEXT"));
    }

    /// The manifest, the sources and the build script. `above` is what else is in the manifest.
    pub fn write(&self, shape: Shape, above: &str, script: &str) {
        let [dependencies, build, dev] = &self.tables;
        let (name, package) = (&self.name, &self.package);
        let manifest = format!(
            "{above}[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n{package}\n\
             [dependencies]\n{dependencies}\n[build-dependencies]\n{build}\n[dev-dependencies]\n{dev}"
        );
        write(&self.manifest(), &manifest);
        let texts = self.texts.join(", ");
        let text = format!("pub fn text() -> String {{\n    [{texts}].concat()\n}}\n");
        let body = format!("{}{text}", self.items);
        let library = self.src().join("lib.rs");
        match shape {
            Shape::Library => write(&library, &body),
            Shape::Binary(main) => {
                let main_function = "fn main() {\n    println!(\"{}\", text());\n}\n";
                write(&self.folder.join(main), &format!("{body}\n{main_function}"));
            }
            Shape::Both(main) => {
                write(&library, &body);
                let around = format!("fn main() {{\n    println!(\"{{}}\", {name}::text());\n}}\n");
                write(&self.folder.join(main), &around);
            }
        }
        if self.script.is_some() {
            write(&self.folder.join("build.rs"), script);
        }
    }

    /// Does any file of it count, whatever it is?
    pub fn is_watched_whole(&self) -> bool {
        self.script == Some(Script::Silent)
    }

    pub fn holds(&self, file: &Path) -> bool {
        file.starts_with(&self.folder)
    }
}
