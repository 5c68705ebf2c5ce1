//! Cargo makes the static binary, and says what it read.

mod stale;
mod toolchain;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::Value;

use crate::clients::build_environment::{is_withheld, withhold};
use crate::clients::cargo::{cargo, dep_info, without_us};
use crate::clients::git::Git;
use crate::clients::process::{Program, Source};
use crate::failure::Problem;
use crate::layout::Layout;
use crate::rounds::Bound;
use crate::session::Session;
use crate::settings::Settings;
use crate::steps::content::content_of;
use crate::steps::sources::compiled::{Compiled, values_of};
use crate::steps::sources::read::{Marks, Read, around, cargo_home, changed};
use crate::steps::sources::shown;
use crate::ui::Step;
use stale::{take_over, touch};
use toolchain::{Toolchain, compiler, host_of, rustflags};

/// The profile of the binary in the image; Cargo.toml says what it trades.
const PROFILE: &str = "image";

/// How often cargo is asked for a binary that another checkout takes away.
const ATTEMPTS: Bound = Bound::attempts(3, Duration::from_millis(100), Duration::from_secs(1));

/// What cargo made.
#[derive(Debug, Clone)]
pub struct Binary {
    /// Its name in the image.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What decides the binary beside its sources, as text: the compiler, the target, profile and flags.
pub async fn build_inputs(session: &Session) -> anyhow::Result<String> {
    let compiler = compiler(session).await?;
    let toolchain = Toolchain::choose(session.settings.platform, &host_of(&compiler)?);
    // The flags without this machine's paths, which they take out of the binary.
    let flags = rustflags(Path::new("/cargo"));
    Ok(format!("{compiler}\n{toolchain:?}\n{PROFILE}\n{flags}\n"))
}

/// Asks cargo for the binary, which it compiles unless it is there, and finds out what it is made of.
pub async fn compile(session: &Session) -> anyhow::Result<(Binary, Compiled)> {
    let settings = &session.settings;
    let git = session.git()?;
    let last = Compiled::find(settings);
    let before = match &last {
        Some(last) => last.read.marks(&git)?,
        None => Marks::new(),
    };
    let is_first = last.is_none();
    let layout = match last {
        Some(last) => {
            let stale = changed(&last.marks, &before);
            touch(session, &stale, &last.read.packages);
            match last.same_manifests(&before) {
                true => last.layout,
                false => Layout::read(settings)?,
            }
        }
        None => Layout::read(settings)?,
    };
    take_over(session, &layout, is_first).await?;
    let began = seconds(SystemTime::now());
    let inputs = build_inputs(session).await?;
    let (bytes, said) = built(session, &layout).await?;
    let name = layout.binary.clone();
    let mut compiled = describe(settings, &git, layout, &said)?;
    require_still(&git, &compiled, &before, began)?;
    compiled.inputs = inputs;
    compiled.content = Some(content_of(&name, &bytes, settings.platform)?.to_string());
    Ok((Binary { name, bytes }, compiled))
}

/// What cargo makes of this checkout. Checkouts may share a folder for it, and whoever ends last wins
/// there: then cargo is asked again, which has ours still.
async fn built(session: &Session, layout: &Layout) -> anyhow::Result<(Vec<u8>, Said)> {
    let mut executable = PathBuf::new();
    let mut rounds = ATTEMPTS.rounds(&session.interrupt, "compiling");
    while rounds.again().await? {
        let mut said = call_cargo(session, layout).await?;
        let bytes = std::fs::read(&said.executable)
            .with_context(|| format!("reading {}", said.executable.display()))?;
        let listed = dep_info::files_of(&said.executable)?.into_iter();
        said.listed = listed
            .map(|file| session.settings.root.join(file))
            .collect();
        if said.listed.contains(&layout.source) {
            return Ok((bytes, said));
        }
        executable = said.executable;
    }
    Err(Problem::failed(
        format!(
            "{} is another checkout's each time: it does not come from {}",
            executable.display(),
            layout.source.display()
        ),
        "give each checkout a target folder of its own, or run the command again",
    )
    .into())
}

/// Since 1970; whole seconds are enough, as a compile takes longer than the doubt at its beginning.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What cargo's messages say of the binary.
#[derive(Debug, Default)]
struct Said {
    executable: PathBuf,
    /// The files that its dep-info names.
    listed: Vec<PathBuf>,
    /// The folders of the user's own packages.
    packages: BTreeSet<PathBuf>,
    /// The output folders of their build scripts, with the package's ID.
    build_scripts: Vec<(String, PathBuf)>,
    /// Where the package with this ID is.
    folders: Vec<(String, PathBuf)>,
}

async fn call_cargo(session: &Session, layout: &Layout) -> anyhow::Result<Said> {
    let settings = &session.settings;
    let toolchain = Toolchain::choose(settings.platform, &host_of(&compiler(session).await?)?);
    let mut program = match toolchain {
        Toolchain::Native(_) => cargo().arg("build"),
        Toolchain::Zig(_) => without_us(Program::new("cargo-zigbuild")).arg("zigbuild"),
    };
    program = withhold(program, &settings.build_environment)
        .args(["--locked", "--profile", PROFILE])
        .args(["--package", &settings.package, "--bin", &layout.binary])
        .args(["--target", toolchain.triple()])
        .args(["--message-format", "json-render-diagnostics"])
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&cargo_home()))
        // Flags of the user's shell would make another image of the same commit.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .current_dir(&settings.root);
    let shown = program.shown().to_owned();
    session.reporter.command(&shown);
    let mut said = Said::default();
    let mut crates = 0;
    let finished = program
        .run(&session.interrupt, |source, line| {
            if source == Source::Stderr {
                session.reporter.output(Step::Build, line);
                if let Some(name) = line.trim_start().strip_prefix("Compiling ") {
                    crates += 1;
                    let what = format!("crates, now {name}");
                    session.reporter.progress(Step::Build, crates, None, what);
                }
            } else if let Ok(message) = serde_json::from_str::<Value>(line) {
                said.hear(&message, &layout.binary);
            }
        })
        .await?;
    if !finished.interrupted && !finished.status.success() {
        // The JSON of artifacts says nothing to people; the compiler's own words do.
        let words = finished.tail.iter().filter(|line| !line.starts_with('{'));
        let words: Vec<&str> = words.map(String::as_str).collect();
        let words = words.join("\n    ");
        anyhow::bail!("`{shown}` ended with {}\n    {words}", finished.how());
    }
    finished.success(&shown)?;
    anyhow::ensure!(
        said.executable.is_absolute(),
        "`{shown}` made no binary `{}`",
        layout.binary
    );
    Ok(said)
}

impl Said {
    fn hear(&mut self, message: &Value, binary: &str) {
        let package = message["package_id"].as_str().unwrap_or_default();
        match message["reason"].as_str() {
            Some("compiler-artifact") if package.starts_with("path+") => {
                let manifest = message["manifest_path"].as_str().map(Path::new);
                if let Some(folder) = manifest.and_then(Path::parent) {
                    self.packages.insert(folder.to_owned());
                    self.folders.push((package.to_owned(), folder.to_owned()));
                }
                let is_binary =
                    message["target"]["name"] == binary && message["target"]["kind"][0] == "bin";
                if is_binary && let Some(path) = message["executable"].as_str() {
                    self.executable = path.into();
                }
            }
            Some("build-script-executed") if package.starts_with("path+") => {
                if let Some(folder) = message["out_dir"].as_str() {
                    self.build_scripts.push((package.to_owned(), folder.into()));
                }
            }
            _ => {}
        }
    }

    /// The packages whose build script does not say what it watches.
    fn watched_whole(&self) -> BTreeSet<PathBuf> {
        let scripts = self.build_scripts.iter();
        let silent = scripts.filter(|(_, out_dir)| !dep_info::says_what_it_watches(out_dir));
        let folders = silent.filter_map(|(id, _)| {
            let mut folders = self.folders.iter();
            folders.find(|(package, _)| package == id)
        });
        folders.map(|(_, folder)| folder.clone()).collect()
    }
}

/// What the binary is made of.
fn describe(
    settings: &Settings,
    git: &Git,
    layout: Layout,
    said: &Said,
) -> anyhow::Result<Compiled> {
    let mut read = Read::of_listed(said.listed.clone(), &layout.products);
    let (inside, outside) = around(&settings.root, &said.packages, &git.top);
    read.files.extend(inside);
    read.around = outside;
    read.packages = said.watched_whole();
    let profiles: Vec<PathBuf> = layout
        .products
        .iter()
        .map(|folder| folder.join(PROFILE))
        .chain(said.executable.parent().map(Path::to_owned))
        .collect();
    let marks = read.marks(git)?;
    let packages = said.packages.iter().cloned().collect();
    let mut compiled = Compiled::new(layout, packages, read, marks);
    // Those that are withheld are the same each time: not there.
    let seen = |name: &String| !is_withheld(name, &settings.build_environment);
    compiled.variables =
        dep_info::variables_of(&profiles).map(|names| values_of(names.into_iter().filter(seen)));
    Ok(compiled)
}

/// A file that was saved during the compile may or may not be in the binary.
fn require_still(git: &Git, compiled: &Compiled, before: &Marks, began: i64) -> anyhow::Result<()> {
    let saved = compiled
        .marks
        .iter()
        .find(|(file, mark)| match before.get(*file) {
            Some(before) => before != *mark,
            // Unlike the time of a save, that of the inode cannot be set, nor lie in the future.
            None => std::fs::symlink_metadata(file).is_ok_and(|about| about.ctime() > began),
        });
    let Some((file, _)) = saved else {
        return Ok(());
    };
    Err(Problem::failed(
        format!(
            "{} changed while the image was compiled, so that nobody can say what is in it",
            shown(git, file)
        ),
        "run the command again",
    )
    .into())
}
