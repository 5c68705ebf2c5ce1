//! A Python environment of our own with MiniStack in it, pinned by version and hash.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use xshell::{Shell, cmd};

use crate::clients::process::Program;
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::ui::{Reporter, Step};

/// MiniStack's own lower bound.
const OLDEST: (u32, u32) = (3, 10);

/// Our extension, where this crate's sources are.
pub fn extension_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sandbox/ministack")
}

/// An error that says what to install unless a Python fits.
pub fn missing() -> Result<(), Problem> {
    find().map(drop)
}

/// The environment's Python; made at the first use and whenever the pins change.
pub async fn environment(
    folder: &Path,
    reporter: &Reporter,
    interrupt: &Interrupt,
) -> anyhow::Result<PathBuf> {
    let requirements = extension_folder().join("requirements.txt");
    let pins = std::fs::read(&requirements)
        .with_context(|| format!("reading {}", requirements.display()))?;
    let hash: String = Sha256::digest(&pins)
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let venv = folder.join(format!("python-{hash}"));
    let python = venv.join("bin/python");
    let complete = venv.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    reporter.detail(Step::Sandbox, "installing MiniStack into target/ (once)");
    // A half-made one is made anew: pip does not finish what another pip began.
    if venv.exists() {
        std::fs::remove_dir_all(&venv).with_context(|| format!("removing {}", venv.display()))?;
    }
    let base = find()?;
    // As a file: an error that names the command does not show the whole program.
    let program = Program::new(&base)
        .arg("-I")
        .arg(extension_folder().with_file_name("make_environment.py"))
        .arg(&venv)
        .arg(&requirements);
    let shown = program.shown().to_owned();
    let finished = program.run(interrupt, |_, _| {}).await?;
    if finished.interrupted {
        return Err(Problem::interrupted(
            "interrupted the installation of MiniStack; the next call begins it anew",
        )
        .into());
    }
    finished
        .success(&shown)
        .with_context(|| format!("installing MiniStack for {}", base.display()))?;
    std::fs::write(&complete, "").with_context(|| format!("writing {}", complete.display()))?;
    Ok(python)
}

/// What is on PATH first, then the Pythons that uv and pyenv keep beside it, newest first.
fn candidates() -> Vec<PathBuf> {
    let names = [
        "python3",
        "python3.14",
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
        "python",
    ];
    let mut found: Vec<PathBuf> = names.map(PathBuf::from).to_vec();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    for folder in [".local/share/uv/python", ".pyenv/versions"] {
        let entries = std::fs::read_dir(home.join(folder)).into_iter().flatten();
        let mut versions: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path().join("bin/python3"))
            .filter(|python| python.is_file())
            .collect();
        versions.sort();
        found.extend(versions.into_iter().rev());
    }
    found
}

/// Any Python that is new enough.
pub fn find() -> Result<PathBuf, Problem> {
    let install = "install Python 3.10 or newer: https://www.python.org/downloads (Debian and Ubuntu: apt install python3)";
    let sh = Shell::new().map_err(|error| Problem::failed(error.to_string(), install))?;
    let mut seen = Vec::new();
    for name in candidates() {
        let script = "import sys; print(sys.executable, sys.version_info[0], sys.version_info[1])";
        let Ok(answer) = cmd!(sh, "{name} -I -c {script}")
            .quiet()
            .ignore_stderr()
            .read()
        else {
            continue;
        };
        let mut parts = answer.trim().rsplitn(3, ' ');
        let minor = parts
            .next()
            .and_then(|part| part.parse().ok())
            .unwrap_or_default();
        let major = parts
            .next()
            .and_then(|part| part.parse().ok())
            .unwrap_or_default();
        let Some(path) = parts.next() else { continue };
        if (major, minor) >= OLDEST {
            return Ok(PathBuf::from(path));
        }
        seen.push(format!("{path} is {major}.{minor}"));
    }
    let seen = if seen.is_empty() {
        "none was found".to_owned()
    } else {
        seen.join(", ")
    };
    Err(Problem::failed(
        format!(
            "the sandbox needs Python {}.{} or newer: {seen}",
            OLDEST.0, OLDEST.1
        ),
        install,
    ))
}
