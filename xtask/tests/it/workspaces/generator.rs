//! A random workspace: where its crates are, how their texts get into the binary, and which files do
//! not.

mod pieces;
mod vendored;

use std::path::PathBuf;

use super::Nonce;
use super::crates::{Crate, Shape, Table};
use super::files::{way, write};
use super::scripts::Script;
use crate::harness::{Checkout, base};
pub use pieces::{Piece, Subject};
use pieces::{add_module, add_piece};
pub use vendored::next_version;

/// A variable that a crate or a build script asks for.
pub const VARIABLE: &str = "PROPERTY_TEXT";

/// A workspace with a commit of it.
pub struct Workspace {
    /// The workspace's own folder.
    pub checkout: Checkout,
    /// The repository's.
    pub top: PathBuf,
    pub random: fastrand::Rng,
    /// What the compiler reads, each with a nonce.
    pub pieces: Vec<Piece>,
    /// What it does not.
    pub unread: Vec<PathBuf>,
    pub variable: Option<(String, Nonce)>,
    /// Something of it is in no commit, ever.
    pub always_dirty: bool,
    /// Of another checkout, whose target directory this one shares.
    pub shared_target: Option<PathBuf>,
    /// For the message when it fails: what it is like, and what was done.
    pub what: Vec<String>,
    pub done: Vec<String>,
    pub seed: u64,
    nonces: usize,
    /// What `.cargo/config.toml` and the workspace's manifest have beside.
    config: String,
    inherited: String,
}

impl Workspace {
    pub fn random(seed: u64) -> Workspace {
        let mut random = fastrand::Rng::with_seed(seed);
        let home = base().join(format!("workspace-{seed}"));
        let _ = std::fs::remove_dir_all(&home);
        let top = home.join("repository");
        let inside = ["", "backend", "services/of all"][random.usize(0..3)];
        let mut workspace = Workspace {
            checkout: Checkout {
                root: top.join(inside),
            },
            top,
            random,
            pieces: Vec::new(),
            unread: Vec::new(),
            variable: None,
            always_dirty: false,
            shared_target: None,
            what: vec![format!("in `{inside}`")],
            done: Vec::new(),
            seed,
            nonces: 0,
            config: String::new(),
            inherited: String::new(),
        };
        // It must be there before a path from it to another can be followed.
        std::fs::create_dir_all(&workspace.checkout.root).unwrap();
        workspace.fill();
        workspace
    }

    pub fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        Nonce::new(self.seed, self.nonces)
    }

    pub fn target(&self) -> PathBuf {
        let own = self.checkout.root.join("target");
        self.shared_target.clone().unwrap_or(own)
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(0..100) < percent
    }

    pub fn commit(&self) -> String {
        self.checkout.commit("an edit")
    }

    /// What xtask keeps of earlier compiles may be deleted at any time.
    pub fn forget(&mut self) {
        let kept = self.checkout.root.join("target/xtask/compiled");
        std::fs::remove_dir_all(kept).unwrap();
        self.done.push("forgotten".to_owned());
    }

    /// With its clones.
    pub fn remove(&self) {
        let home = self.top.parent().unwrap();
        std::fs::remove_dir_all(home).unwrap();
    }

    /// The same commit elsewhere, at the same places.
    pub fn clone_at(&mut self, name: &str) -> Workspace {
        let top = self.top.with_file_name(name);
        // A variable has no place.
        let moved = |path: &PathBuf| top.join(path.strip_prefix(&self.top).unwrap_or(path));
        std::fs::create_dir_all(&top).unwrap();
        let pieces = self.pieces.iter().map(|piece| Piece {
            file: moved(&piece.file),
            ..piece.clone()
        });
        let mut clone = Workspace {
            checkout: Checkout {
                root: moved(&self.checkout.root),
            },
            random: self.random.fork(),
            pieces: pieces.collect(),
            unread: self.unread.iter().map(moved).collect(),
            variable: self.variable.clone(),
            always_dirty: self.always_dirty,
            shared_target: None,
            what: self.what.clone(),
            done: Vec::new(),
            seed: self.seed,
            // No nonce of the other's.
            nonces: self.nonces + 5000,
            config: String::new(),
            inherited: String::new(),
            top,
        };
        let from = Checkout {
            root: clone.top.clone(),
        };
        from.git(["clone", "--quiet", self.top.to_str().unwrap(), "."]);
        // What git ignores stays where it is.
        clone.unread.retain(|file| file.exists());
        clone
    }

    fn fill(&mut self) {
        let root = self.checkout.root.clone();
        let place = ["", "app", "services/app"][self.random.usize(0..3)];
        let mut app = Crate::new("app", root.join(place));
        self.what.push(format!("app in `{place}`"));
        let mut libraries = self.libraries(&app);
        for library in &mut libraries {
            let pieces = self.random.usize(1..=3);
            (0..pieces).for_each(|_| add_piece(self, library));
        }
        let pieces = self.random.usize(1..=4);
        (0..pieces).for_each(|_| add_piece(self, &mut app));
        let mut pieces = self.pieces.iter();
        if pieces.all(|piece| piece.subject == Subject::Variable) {
            add_module(self, &mut app);
        }
        self.connect(&mut app, &mut libraries);

        // A member that the binary does not need, and one that only tests do.
        let mut others = vec![Crate::new("unneeded", root.join("unneeded"))];
        if self.chance(50) {
            let testing = Crate::new("testing", root.join("crates/testing"));
            app.depends_on(&testing, Table::DevDependencies);
            others.push(testing);
        }
        for other in &mut others {
            other.says("\"never in the image\"", "");
            other.write(Shape::Library, "", "");
        }
        let maker = self.maker(&mut app, &mut libraries);
        for library in libraries.iter().chain(&maker) {
            library.write(Shape::Library, "", &source(library));
        }
        let members = others.iter().chain([&app]);
        let members: Vec<PathBuf> = members.map(|each| each.folder.clone()).collect();
        self.write_app(&mut app, &members);
        if !self.config.is_empty() {
            write(&root.join(".cargo/config.toml"), &self.config);
        }
        self.write_unread(&app, &libraries, &others);
        self.begin();
    }

    /// None to three, at places near and far.
    fn libraries(&mut self, app: &Crate) -> Vec<Crate> {
        let root = &self.checkout.root;
        let mut places = vec![
            root.join("crates/one"),
            root.join("libs/far away/two"),
            app.folder.join("inner"),
        ];
        if *root != self.top {
            places.push(self.top.join("outer/three"));
            places.push(self.top.join("four"));
        }
        self.random.shuffle(&mut places);
        places.truncate(self.random.usize(0..=3));
        let names = ["first", "second", "third"];
        let crates = names.into_iter().zip(places);
        let crates: Vec<Crate> = crates
            .map(|(name, place)| Crate::new(name, place))
            .collect();
        for library in &crates {
            let place = library.folder.strip_prefix(&self.top).unwrap();
            self.what.push(format!("crate `{}`", place.display()));
        }
        crates
    }

    /// Each is needed by the app, or by one that the app needs.
    fn connect(&mut self, app: &mut Crate, libraries: &mut [Crate]) {
        for index in 0..libraries.len() {
            let (needing, needed) = libraries.split_at_mut(index);
            let by = self.random.usize(0..=index);
            let by = needing.get_mut(by).unwrap_or(app);
            by.depends_on(&needed[0], Table::Dependencies);
        }
    }

    /// The crate that build scripts take their text from.
    fn maker(&mut self, app: &mut Crate, libraries: &mut [Crate]) -> Option<Crate> {
        let mut maker = Crate::new("maker", self.checkout.root.join("tools/maker"));
        let mut needing = 0;
        for needed_by in libraries.iter_mut().chain([app]) {
            if needed_by.script == Some(Script::Crate) {
                needed_by.depends_on(&maker, Table::BuildDependencies);
                needing += 1;
            }
        }
        add_module(self, &mut maker);
        if needing == 0 {
            self.pieces.pop();
            std::fs::remove_dir_all(&maker.folder).unwrap();
            return None;
        }
        Some(maker)
    }

    fn write_app(&mut self, app: &mut Crate, members: &[PathBuf]) {
        let main = ["src/main.rs", "src/worker.rs", "src/bin/app.rs"][self.random.usize(0..3)];
        let with_library = self.chance(40);
        let shape = match (with_library, main) {
            // What it includes is beside its own file.
            (false, "src/bin/app.rs") => Shape::Both(main),
            (false, _) => Shape::Binary(main),
            (true, _) => Shape::Both(main),
        };
        let binary = match main {
            "src/worker.rs" => "worker",
            _ => "app",
        };
        let mut settings = String::new();
        let mut package = String::new();
        if self.chance(50) {
            let other = app.src().join("bin/other.rs");
            write(&other, "fn main() {}\n");
            self.unread.push(other);
            if self.chance(50) {
                settings = format!("binary = {binary:?}\n");
            } else {
                package = format!("default-run = {binary:?}\n");
            }
        }
        self.what
            .push(format!("{shape:?} {settings}{package}").trim().to_owned());
        let above = self.workspace_manifest(&settings, members);
        let mut package = package + &app.package;
        if binary == "worker" {
            package += "\n[[bin]]\nname = \"worker\"\npath = \"src/worker.rs\"\n";
        }
        app.package = package;
        let root = self.checkout.root.join("Cargo.toml");
        if app.manifest() == root {
            app.write(shape, &above, &source(app));
        } else {
            write(&root, &above);
            app.write(shape, "", &source(app));
        }
    }

    fn workspace_manifest(&self, settings: &str, members: &[PathBuf]) -> String {
        let arch = match std::env::consts::ARCH {
            "aarch64" => "arm64",
            _ => "amd64",
        };
        let members = members
            .iter()
            .map(|folder| way(&self.checkout.root, folder));
        let members: Vec<String> = members.collect();
        format!(
            r#"[workspace]
resolver = "3"
members = {members:?}

[workspace.package]
{inherited}
[workspace.metadata.xtask]
app = "api"
ecr_repository = "api"
package = "app"
{settings}platform = "linux/{arch}"
default_environment = "test"
github_repository = "o/r"

[workspace.metadata.xtask.environments.test]
aws_account_id = "000000000000"
region = "us-east-1"
terraform_root = "infra"
auto_deploy_workflows = []

[profile.image]
inherits = "release"
opt-level = 0
incremental = true
strip = "symbols"

"#,
            inherited = self.inherited,
        )
    }

    fn write_unread(&mut self, app: &Crate, libraries: &[Crate], others: &[Crate]) {
        let (root, top) = (&self.checkout.root, &self.top);
        let mut files = vec![
            root.join("README.md"),
            top.join("docs/of nobody.md"),
            app.folder.join("tests/all.rs"),
            app.folder.join("benches/unknown.txt"),
        ];
        for each in libraries.iter().chain([app]) {
            files.push(each.src().join("in_no_tree.rs"));
            files.push(each.folder.join("notes.txt"));
            if each.script == Some(Script::File) {
                files.push(each.folder.join("data/unnamed.txt"));
            }
        }
        files.extend(others.iter().map(|other| other.src().join("lib.rs")));
        files.extend(std::mem::take(&mut self.unread));
        for each in libraries.iter().chain([app]) {
            files.retain(|file| !(each.is_watched_whole() && each.holds(file)));
        }
        // Whatever is watched whole: git ignores it.
        files.push(root.join("local.ignored"));
        for file in files.iter().filter(|file| !file.exists()) {
            write(file, "// nobody reads this\n");
        }
        self.unread = files;
    }

    fn begin(&mut self) {
        let ignored = "target/\n*.ignored\n";
        write(&self.top.join(".gitignore"), ignored);
        let top = Checkout {
            root: self.top.clone(),
        };
        top.git(["init", "--quiet", "--initial-branch=main"]);
        let locked = self
            .checkout
            .program("cargo")
            .args(["generate-lockfile", "--offline", "--quiet"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&locked.stderr);
        assert!(locked.status.success(), "{said}");
    }
}

fn source(each: &Crate) -> String {
    let script = each.script.map(|script| script.source(VARIABLE, "maker"));
    script.unwrap_or_default()
}
