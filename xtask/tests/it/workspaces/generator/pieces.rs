//! The ways in which a text gets into a binary.

use std::path::{Path, PathBuf};

use super::{VARIABLE, Workspace, vendored};
use crate::workspaces::Nonce;
use crate::workspaces::crates::Crate;
use crate::workspaces::files::{link, way, write};
use crate::workspaces::scripts::{self, FILE, FOLDER, GENERATED, Script};

/// A file that the compiler reads, and the text in it.
#[derive(Debug, Clone)]
pub struct Piece {
    pub what: &'static str,
    pub file: PathBuf,
    pub nonce: Nonce,
    pub subject: Subject,
    /// Git knows it.
    pub tracked: bool,
}

impl Piece {
    /// Nobody names it: it is in a folder that is read as a whole.
    pub fn is_found(&self) -> bool {
        self.what.starts_with("one of")
    }
}

/// What an edit does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The nonce in the file is replaced.
    Text,
    /// It may also be taken away, and there may be others beside it.
    OneOfMany,
    /// The lock file names another version.
    Lock,
    /// The file is none: a variable of the environment.
    Variable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Module,
    PathModule,
    LinkedFile,
    LinkedFolder,
    Included,
    Bytes,
    OfNobody,
    Ignored,
    Outside,
    Description,
    Inherited,
    Config,
    Variable,
    Locked,
    Built(Script),
}

/// Gives a crate one more.
pub fn add_piece(workspace: &mut Workspace, to: &mut Crate) {
    let simple = [
        Kind::Module,
        Kind::PathModule,
        Kind::LinkedFile,
        Kind::LinkedFolder,
        Kind::Included,
        Kind::Bytes,
        Kind::OfNobody,
        Kind::Description,
        Kind::Inherited,
        Kind::Config,
        Kind::Variable,
        Kind::Locked,
    ];
    let kind = match workspace.random.u8(0..100) {
        // These make a workspace one that is never clean, so that they are rare.
        0..4 => Kind::Ignored,
        4..6 => Kind::Outside,
        6..45 => Kind::Built(workspace.random.choice(scripts::ALL).unwrap()),
        _ => workspace.random.choice(simple).unwrap(),
    };
    if !once(workspace, to, kind) {
        add_module(workspace, to);
        return;
    }
    workspace.what.push(format!("{kind:?} of {}", to.name));
    match kind {
        Kind::Module => add_module(workspace, to),
        Kind::PathModule | Kind::LinkedFile | Kind::LinkedFolder => {
            add_module_elsewhere(workspace, to, kind);
        }
        Kind::Included | Kind::Bytes | Kind::OfNobody | Kind::Ignored | Kind::Outside => {
            add_included(workspace, to, kind);
        }
        Kind::Description | Kind::Inherited => add_description(workspace, to, kind),
        Kind::Config => add_config(workspace, to),
        Kind::Variable => {
            add_variable(workspace);
            to.says(format!("option_env!({VARIABLE:?}).unwrap()"), "");
        }
        Kind::Locked => add_locked(workspace, to),
        Kind::Built(script) => add_script(workspace, to, script),
    }
}

/// Some there can be but one of, in a crate or in a workspace.
fn once(workspace: &Workspace, to: &Crate, kind: Kind) -> bool {
    let has = |what: &str| workspace.pieces.iter().any(|piece| piece.what == what);
    match kind {
        Kind::Description => to.package.is_empty(),
        Kind::Inherited => {
            to.package.is_empty()
                && !has("inherited")
                && to.folder.starts_with(&workspace.checkout.root)
        }
        Kind::Config => !has("config"),
        Kind::Locked => !has("lock file"),
        Kind::Variable => workspace.variable.is_none(),
        Kind::Built(script) => {
            to.script.is_none() && (script != Script::Variable || workspace.variable.is_none())
        }
        _ => true,
    }
}

impl Workspace {
    /// Writes a file with a nonce in it, and keeps it in mind.
    fn piece(&mut self, what: &'static str, file: &Path, text: impl Fn(&str) -> String) -> usize {
        let nonce = self.nonce();
        write(file, &text(nonce.as_str()));
        self.pieces.push(Piece {
            what,
            file: file.to_owned(),
            nonce,
            subject: Subject::Text,
            tracked: true,
        });
        self.pieces.len()
    }
}

fn constant(text: &str) -> String {
    format!("pub const TEXT: &str = {text:?};\n")
}

fn plain(text: &str) -> String {
    format!("{text}\n")
}

pub fn add_module(workspace: &mut Workspace, to: &mut Crate) {
    let name = format!("part_{}", workspace.pieces.len());
    let file = to.src().join(format!("{name}.rs"));
    workspace.piece("module", &file, constant);
    to.says(format!("{name}::TEXT"), &format!("mod {name};\n"));
}

fn add_module_elsewhere(workspace: &mut Workspace, to: &mut Crate, kind: Kind) {
    let number = workspace.pieces.len();
    let name = format!("part_{number}");
    let real = workspace.top.join(format!("elsewhere/{number}/part.rs"));
    let path = match kind {
        Kind::LinkedFile => {
            link(&to.src().join(format!("{name}.rs")), &real);
            format!("{name}.rs")
        }
        Kind::LinkedFolder => {
            let at = to.src().join(format!("linked_{number}"));
            link(&at, real.parent().unwrap());
            format!("linked_{number}/part.rs")
        }
        _ => way(&to.src(), &real),
    };
    workspace.piece("module elsewhere", &real, constant);
    let item = format!("#[path = {path:?}]\nmod {name};\n");
    to.says(format!("{name}::TEXT"), &item);
}

fn add_included(workspace: &mut Workspace, to: &mut Crate, kind: Kind) {
    let number = workspace.pieces.len();
    let outside = workspace.top.with_file_name("outside");
    let file = match kind {
        Kind::OfNobody => {
            let unneeded = workspace.checkout.root.join("unneeded/src");
            let places = [workspace.top.join("docs"), unneeded];
            let place = workspace.random.choice(places).unwrap();
            place.join(format!("included {number}.md"))
        }
        Kind::Ignored => to.folder.join(format!("included-{number}.ignored")),
        Kind::Outside => outside.join(format!("{number}.txt")),
        _ => to.src().join(format!("included {number}.txt")),
    };
    workspace.piece("included", &file, plain);
    if matches!(kind, Kind::Ignored | Kind::Outside) {
        workspace.always_dirty = true;
        workspace.pieces[number].tracked = false;
    }
    let path = way(&to.src(), &file);
    let expression = match kind {
        Kind::Bytes => format!("std::str::from_utf8(include_bytes!({path:?})).unwrap()"),
        _ => format!("include_str!({path:?})"),
    };
    to.says(expression, "");
}

fn add_description(workspace: &mut Workspace, to: &mut Crate, kind: Kind) {
    let nonce = workspace.nonce();
    let line = format!("description = {:?}\n", nonce.as_str());
    let (what, file) = match kind {
        Kind::Inherited => {
            workspace.inherited = line;
            to.package = "description.workspace = true\n".to_owned();
            ("inherited", workspace.checkout.root.join("Cargo.toml"))
        }
        _ => {
            to.package = line;
            ("manifest", to.manifest())
        }
    };
    to.says("env!(\"CARGO_PKG_DESCRIPTION\")", "");
    workspace.pieces.push(Piece {
        what,
        file,
        nonce,
        subject: Subject::Text,
        tracked: true,
    });
}

fn add_config(workspace: &mut Workspace, to: &mut Crate) {
    let nonce = workspace.nonce();
    let line = format!("[env]\nOF_CONFIG = {:?}\n", nonce.as_str());
    workspace.config.insert_str(0, &line);
    to.says("env!(\"OF_CONFIG\")", "");
    workspace.pieces.push(Piece {
        what: "config",
        file: workspace.checkout.root.join(".cargo/config.toml"),
        nonce,
        subject: Subject::Text,
        tracked: true,
    });
}

fn add_variable(workspace: &mut Workspace) {
    let nonce = workspace.nonce();
    workspace.variable = Some((VARIABLE.to_owned(), nonce.clone()));
    workspace.pieces.push(Piece {
        what: "variable",
        file: VARIABLE.into(),
        nonce,
        subject: Subject::Variable,
        tracked: false,
    });
}

fn add_locked(workspace: &mut Workspace, to: &mut Crate) {
    let nonce = workspace.nonce();
    vendored::version(workspace, 0, &nonce);
    workspace.config.push_str(vendored::CONFIG);
    to.depends_on_any(vendored::NAME);
    workspace.pieces.push(Piece {
        what: "lock file",
        file: vendored::lock_file(workspace),
        nonce,
        subject: Subject::Lock,
        tracked: true,
    });
}

fn add_script(workspace: &mut Workspace, to: &mut Crate, script: Script) {
    to.script = Some(script);
    to.says(GENERATED, "");
    match script {
        Script::File => {
            workspace.piece("of a script", &to.folder.join(FILE), plain);
        }
        Script::Variable => add_variable(workspace),
        Script::Crate => {}
        Script::Folder | Script::Silent => {
            workspace.piece("of a script", &to.folder.join(FILE), plain);
            add_many(workspace, to, script);
        }
    }
}

/// More files in the folder of a build script.
fn add_many(workspace: &mut Workspace, to: &Crate, script: Script) {
    let folder = to.folder.join(FOLDER);
    for name in ["one.txt", "deeper/two.txt"] {
        let number = workspace.piece("one of a folder", &folder.join(name), plain);
        workspace.pieces[number - 1].subject = Subject::OneOfMany;
    }
    if workspace.chance(30) {
        let number = workspace.pieces.len();
        let real = workspace.top.join(format!("elsewhere/{number}"));
        let file = real.join("linked.txt");
        workspace
            .what
            .push(format!("{script:?} with a link to a folder"));
        workspace.piece("one of a linked folder", &file, plain);
        link(&folder.join("linked"), &real);
    }
}
