//! Build scripts: what they read, what they say of it, and what they make of it.

/// What a build script reads, and whether it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// A file, which it names.
    File,
    /// A folder with all that is in it, which it names.
    Folder,
    /// A folder, and it names nothing: cargo watches the whole package.
    Silent,
    /// A variable of the environment, which it names.
    Variable,
    /// A crate of its own: a build-dependency.
    Crate,
}

pub const ALL: [Script; 5] = [
    Script::File,
    Script::Folder,
    Script::Silent,
    Script::Variable,
    Script::Crate,
];

/// What a crate includes of it.
pub const GENERATED: &str = r#"include_str!(concat!(env!("OUT_DIR"), "/generated.txt"))"#;
/// What the scripts read, in the package's folder.
pub const FOLDER: &str = "data";
pub const FILE: &str = "data/named.txt";

impl Script {
    /// The text of build.rs.
    pub fn source(self, variable: &str, dependency: &str) -> String {
        let (reads, says) = match self {
            Script::File => (
                format!("std::fs::read_to_string({FILE:?}).unwrap()"),
                format!("cargo::rerun-if-changed={FILE}"),
            ),
            Script::Folder => (
                format!("all_of(std::path::Path::new({FOLDER:?}))"),
                format!("cargo::rerun-if-changed={FOLDER}"),
            ),
            Script::Silent => (
                format!("all_of(std::path::Path::new({FOLDER:?}))"),
                "cargo::rustc-cfg=some".to_owned(),
            ),
            Script::Variable => (
                format!("std::env::var({variable:?}).unwrap()"),
                format!("cargo::rerun-if-env-changed={variable}"),
            ),
            Script::Crate => (
                format!("{dependency}::text()"),
                "cargo::rerun-if-changed=build.rs".to_owned(),
            ),
        };
        let all_of = match self {
            Script::Folder | Script::Silent => ALL_OF,
            _ => "",
        };
        format!(
            r#"fn main() {{
    println!("cargo::rustc-check-cfg=cfg(some)");
    println!("{says}");
    let file = format!("{{}}/generated.txt", std::env::var("OUT_DIR").unwrap());
    std::fs::write(file, {reads}).unwrap();
}}
{all_of}"#
        )
    }
}

const ALL_OF: &str = r#"
fn all_of(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts = paths.iter().map(|path| match path.is_dir() {
        true => all_of(path),
        false => std::fs::read_to_string(path).unwrap(),
    });
    texts.collect()
}
"#;
