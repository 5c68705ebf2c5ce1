//! What a test wants of the machine, and what becomes of the test where that is missing.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use libtest_mimic::{Completion, Failed, Trial};

/// A program that a test is about.
#[derive(Clone, Copy)]
pub struct Program {
    /// As a person calls it.
    name: &'static str,
    /// Any of these commands on PATH, or a file by its whole path, is the program.
    commands: &'static [&'static str],
    /// Arguments with which it succeeds if it is of any use.
    works: Option<&'static [&'static str]>,
}

impl Program {
    const fn command(name: &'static str, commands: &'static [&'static str]) -> Program {
        Program {
            name,
            commands,
            works: None,
        }
    }

    /// Where PATH has it.
    pub fn found(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let places = self
            .commands
            .iter()
            .flat_map(|command| folders.iter().map(move |folder| folder.join(command)));
        places.into_iter().find(|place| place.is_file())
    }

    /// Installed, and of no use: that is the machine's fault, and no reason to ignore a test.
    fn fault(&self) -> Option<String> {
        let output = Command::new(self.found()?)
            .args(self.works?)
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }
}

pub const BROWSER: Program = Program::command(
    "Chromium",
    &["chromium", "chromium-browser", "google-chrome"],
);
pub const BUBBLEWRAP: Program = Program::command("bubblewrap", &["bwrap"]);
pub const DOCKER: Program = Program {
    // The client alone would succeed without an Engine.
    works: Some(&["version"]),
    ..Program::command("Docker", &["docker"])
};
pub const DOCKER_REGISTRY: Program = Program::command("docker-registry", &["docker-registry"]);
pub const FISH: Program = Program::command("fish", &["fish"]);
pub const SYSTEM_PYTHON: Program = Program {
    works: Some(&[
        "-c",
        "import ensurepip, sys, venv; assert sys.version_info >= (3, 11), sys.version",
    ]),
    ..Program::command("the system's Python", &["/usr/bin/python3"])
};
pub const SKOPEO: Program = Program::command("skopeo", &["skopeo"]);
pub const TMUX: Program = Program::command("tmux", &["tmux"]);
pub const ZSH: Program = Program::command("zsh", &["zsh"]);

/// A test that wants these programs.
pub fn wanting(programs: &[Program], name: &str, test: fn()) -> Trial {
    let programs = programs.to_vec();
    Trial::ignorable_test(name, move || {
        let missing: Vec<&str> = programs
            .iter()
            .filter(|program| program.found().is_none())
            .map(|program| program.name)
            .collect();
        if !missing.is_empty() {
            return without(&missing.join(" and "));
        }
        for program in &programs {
            if let Some(fault) = program.fault() {
                let name = program.name;
                return Err(format!("{name} is installed and does not work: {fault}").into());
            }
        }
        test();
        Ok(Completion::Completed)
    })
}

/// CI has everything, so that a test which is left out there would never run.
fn without(missing: &str) -> Result<Completion, Failed> {
    if std::env::var_os("CI").is_some() {
        return Err(format!(
            "{missing} not installed: in CI every test runs; .ci/install.sh installs it on Debian"
        )
        .into());
    }
    Ok(Completion::ignored_with(format!("{missing} not installed")))
}
