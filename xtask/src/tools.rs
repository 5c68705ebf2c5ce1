//! Programs that the loop needs and that need not be installed: fetched into `target/`, pinned by hash.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::clients::process::{Program, Source};
use crate::clients::terraform::Terraform;
use crate::failure::Problem;
use crate::interrupt::Interrupt;
use crate::sandbox::python;
use crate::settings::Settings;
use crate::settings::tools::TerraformPin;
use crate::ui::{Reporter, Step};

const RELEASES: &str = "https://releases.hashicorp.com/terraform";
/// Where archives come from instead: a URL or a folder that has them.
pub const MIRROR: &str = "XTASK_TOOLS_MIRROR";

/// The Terraform to run: the pinned one once it was fetched, else whatever is on PATH.
pub fn terraform(settings: &Settings) -> PathBuf {
    let pinned = settings
        .terraform_pin
        .as_ref()
        .map(|pin| installed(settings, pin));
    pinned
        .filter(|program| program.exists())
        .unwrap_or_else(|| PathBuf::from("terraform"))
}

/// Is there a Terraform that fits, on PATH or fetched before?
pub async fn terraform_is_there(settings: &Settings, interrupt: &Interrupt) -> Result<(), Problem> {
    Terraform::version(&terraform(settings), interrupt)
        .await
        .map(drop)
}

/// Fetches the pinned Terraform. Returns the program, and whether it was there already.
pub async fn install_terraform(
    settings: &Settings,
    step: Step,
    reporter: &Reporter,
    interrupt: &Interrupt,
) -> anyhow::Result<(PathBuf, bool)> {
    let pin = settings.terraform_pin.as_ref().ok_or_else(|| {
        Problem::failed(
            "Cargo.toml pins no Terraform",
            "add version and sha256 to [workspace.metadata.xtask.tools.terraform], or install Terraform",
        )
    })?;
    let program = installed(settings, pin);
    if program.exists() {
        return Ok((program, true));
    }
    let platform = this_platform();
    let hash = pin.sha256.get(&platform).ok_or_else(|| {
        Problem::failed(
            format!("Cargo.toml pins no Terraform for {platform}"),
            "add its hash to [workspace.metadata.xtask.tools.terraform.sha256], or install Terraform",
        )
    })?;
    let archive = format!("terraform_{}_{platform}.zip", pin.version);
    let by_hand = folder(settings).join(&archive);
    let source = source_of(&pin.version, &archive, &by_hand);
    reporter.detail(
        step,
        format!("downloading Terraform {} (once)", pin.version),
    );
    let fetch = Program::new(python::find()?)
        .args([
            "-I",
            "-c",
            include_str!("tools/fetch.py"),
            &source,
            hash,
            "terraform",
        ])
        .arg(&program);
    let mut said = String::new();
    let mut last = None;
    let finished = fetch
        .run(interrupt, |from, line| match from {
            Source::Stderr => said = line.to_owned(),
            Source::Stdout => {
                // One line for every ten megabytes is enough.
                let tens = line
                    .split(' ')
                    .next()
                    .and_then(|mb| mb.parse::<u64>().ok())
                    .map(|mb| mb / 10);
                if tens != last {
                    last = tens;
                    reporter.detail(step, format!("Terraform {}: {line}", pin.version));
                }
            }
        })
        .await?;
    if finished.interrupted || !finished.status.success() {
        if finished.interrupted {
            finished.success("downloading Terraform")?;
        }
        return Err(explain(&said, pin, &source, hash, &by_hand).into());
    }
    Ok((program, false))
}

/// The archive put there by hand, else the mirror's, else the official one.
fn source_of(version: &str, archive: &str, by_hand: &Path) -> String {
    if by_hand.exists() {
        return by_hand.display().to_string();
    }
    match std::env::var(MIRROR) {
        Ok(mirror) if !mirror.is_empty() => format!("{}/{archive}", mirror.trim_end_matches('/')),
        _ => format!("{RELEASES}/{version}/{archive}"),
    }
}

fn explain(said: &str, pin: &TerraformPin, source: &str, hash: &str, by_hand: &Path) -> Problem {
    let (kind, text) = said.split_once(": ").unwrap_or(("", said));
    let what = format!("Terraform {} could not be fetched", pin.version);
    let hint = match kind {
        "disk-full" => "free some space and run the command again".to_owned(),
        "read-only" => "make target/ writable, or install Terraform".to_owned(),
        "wrong-hash" => "the file was thrown away; if the release is another one on purpose, change the hash in Cargo.toml ([workspace.metadata.xtask.tools.terraform.sha256])".to_owned(),
        "cut-off" => "run the command again".to_owned(),
        _ => format!(
            "download {source} elsewhere (SHA-256 {hash}) and put it at {}; or name a mirror in {MIRROR}, or install Terraform",
            by_hand.display()
        ),
    };
    Problem::failed(format!("{what}: {text}"), hint)
}

fn folder(settings: &Settings) -> PathBuf {
    settings.work_dir().join("tools")
}

/// The hash is in the path: another pin is another program.
fn installed(settings: &Settings, pin: &TerraformPin) -> PathBuf {
    let hash = pin.sha256.get(&this_platform()).map_or("", String::as_str);
    folder(settings)
        .join(format!(
            "terraform-{}-{}",
            pin.version,
            &hash[..hash.len().min(12)]
        ))
        .join("terraform")
}

/// As HashiCorp names it.
fn this_platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}_{architecture}")
}

/// `cargo xtask tools install`.
pub async fn install(
    settings: &Settings,
    reporter: &Reporter,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    let (program, was_there) = install_terraform(settings, Step::Check, reporter, interrupt)
        .await
        .context("installing the pinned tools")?;
    let how = if was_there {
        "was there already"
    } else {
        "installed"
    };
    reporter.result(format!("{} ({how})", program.display()));
    Ok(0)
}
