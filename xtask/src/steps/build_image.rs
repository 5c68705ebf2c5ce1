//! Sources → a static binary → an image: layers assembled in process, or what the Dockerfile makes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::clients::cargo::{cargo, without_us};
use crate::clients::docker;
use crate::clients::image::{self, Image};
use crate::clients::process::{Program, Source};
use crate::failure::Problem;
use crate::names::Platform;
use crate::plan::Plan;
use crate::session::Session;
use crate::settings::Builder;
use crate::steps::preflight::tree_of;
use crate::ui::Step;

/// The profile of the binary in the image; Cargo.toml says what it trades.
const PROFILE: &str = "image";

/// An image that holds what the working tree held, wherever its builder left it.
#[derive(Debug)]
pub enum BuiltImage {
    /// In the local Docker, under this reference.
    InDocker(String),
    /// In memory.
    Assembled(Box<Image>),
}

pub async fn build_image(session: &Session, plan: &Plan) -> anyhow::Result<BuiltImage> {
    let settings = &session.settings;
    if settings.pyproject.is_some() {
        return build_project(session, plan).await;
    }
    let timer = session.reporter.started(
        Step::Build,
        format!("compiling {} for {}", settings.package, settings.platform),
    );
    let binary = compile(session).await?;
    require_same_tree(session, plan)?;
    let built = match settings.builder {
        Builder::Daemonless => assemble(session, plan, &binary).await?,
        Builder::Docker => docker_build(session, plan, &binary).await?,
    };
    let size = std::fs::metadata(&binary)
        .map(|file| file.len())
        .unwrap_or_default();
    session.reporter.finished(
        &timer,
        format!(
            "{} with a binary of {:.1} MB",
            plan.tag.short(),
            size as f64 / 1e6
        ),
    );
    Ok(built)
}

/// A file that was saved during the build may or may not be in the image.
fn require_same_tree(session: &Session, plan: &Plan) -> anyhow::Result<()> {
    let now = tree_of(session, &session.git()?)?;
    if now.id == plan.tree_id {
        return Ok(());
    }
    Err(Problem::failed(
        "files changed while the image was compiled, so that nobody can say what is in it",
        "run the command again",
    )
    .into())
}

/// A project whose Dockerfile does all of it: the context is the project's folder.
async fn build_project(session: &Session, plan: &Plan) -> anyhow::Result<BuiltImage> {
    let settings = &session.settings;
    let dockerfile = settings.root.join(&settings.dockerfile);
    let timer = session.reporter.started(
        Step::Build,
        format!(
            "{} for {}",
            settings.dockerfile.display(),
            settings.platform
        ),
    );
    let reference = plan.repository.reference(&plan.tag);
    docker::build(
        &settings.root.join(settings.project_dir()),
        &dockerfile,
        &reference,
        settings.platform,
        plan.tag.is_dirty().then_some(image::UNCOMMITTED),
        &session.interrupt,
        |line| session.reporter.output(Step::Build, line),
    )
    .await
    .with_context(|| format!("building the image from {}", dockerfile.display()))?;
    require_same_tree(session, plan)?;
    session.reporter.finished(&timer, plan.tag.short());
    Ok(BuiltImage::InDocker(reference))
}

/// Without Docker: a static binary needs no base image and no build steps.
async fn assemble(session: &Session, plan: &Plan, binary: &Path) -> anyhow::Result<BuiltImage> {
    let settings = &session.settings;
    let bytes = std::fs::read(binary).with_context(|| format!("reading {}", binary.display()))?;
    let (name, platform) = (settings.package.clone(), settings.platform);
    let uncommitted = plan.tag.is_dirty();
    let work = move || image::assemble(&name, &bytes, platform, uncommitted);
    let image = tokio::task::spawn_blocking(work)
        .await
        .context("assembling the image")??;
    Ok(BuiltImage::Assembled(Box::new(image)))
}

async fn docker_build(session: &Session, plan: &Plan, binary: &Path) -> anyhow::Result<BuiltImage> {
    let settings = &session.settings;
    let context = settings.work_dir().join("image");
    stage(&context, binary)?;
    let reference = plan.repository.reference(&plan.tag);
    let dockerfile = settings.root.join(&settings.dockerfile);
    docker::build(
        &context,
        &dockerfile,
        &reference,
        settings.platform,
        plan.tag.is_dirty().then_some(image::UNCOMMITTED),
        &session.interrupt,
        |line| session.reporter.output(Step::Build, line),
    )
    .await
    .with_context(|| format!("building the image from {}", dockerfile.display()))?;
    Ok(BuiltImage::InDocker(reference))
}

/// What decides the binary beside its sources, as text: the compiler, the target, profile and flags.
pub async fn build_inputs(session: &Session) -> anyhow::Result<String> {
    let compiler = compiler(session).await?;
    let toolchain = Toolchain::choose(session.settings.platform, &host_of(&compiler)?);
    // The flags without this machine's paths, which they take out of the binary.
    let flags = rustflags(Path::new("/cargo"));
    Ok(format!("{compiler}\n{toolchain:?}\n{PROFILE}\n{flags}\n"))
}

/// Compiles the static binary and returns where cargo put it.
async fn compile(session: &Session) -> anyhow::Result<PathBuf> {
    let settings = &session.settings;
    let toolchain = Toolchain::choose(settings.platform, &host_of(&compiler(session).await?)?);
    let mut program = match toolchain {
        Toolchain::Native(_) => cargo().arg("build"),
        Toolchain::Zig(_) => without_us(Program::new("cargo-zigbuild")).arg("zigbuild"),
    };
    program = program
        .args([
            "--locked",
            "--profile",
            PROFILE,
            "--package",
            &settings.package,
            "--bin",
            &settings.package,
        ])
        .args([
            "--target",
            toolchain.triple(),
            "--message-format",
            "json-render-diagnostics",
        ])
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&cargo_home()))
        // Flags of the user's shell would make another image of the same commit.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .current_dir(&settings.root);
    let shown = program.shown().to_owned();
    session.reporter.command(&shown);
    let mut executable = None;
    let mut crates = 0;
    let finished = program
        .run(&session.interrupt, |source, line| {
            if source == Source::Stderr {
                session.reporter.output(Step::Build, line);
                if let Some(name) = line.trim_start().strip_prefix("Compiling ") {
                    crates += 1;
                    session.reporter.progress(
                        Step::Build,
                        crates,
                        None,
                        format!("crates, now {name}"),
                    );
                }
            } else if let Ok(message) = serde_json::from_str::<Value>(line)
                && message["reason"] == "compiler-artifact"
                && message["target"]["name"] == settings.package.as_str()
                && let Some(path) = message["executable"].as_str()
            {
                executable = Some(PathBuf::from(path));
            }
        })
        .await?;
    if !finished.interrupted && !finished.status.success() {
        // The JSON of artifacts says nothing to people; the compiler's own words do.
        let words: Vec<&String> = finished
            .tail
            .iter()
            .filter(|line| !line.starts_with('{'))
            .collect();
        let words = words
            .iter()
            .map(|line| line.as_str())
            .collect::<Vec<_>>()
            .join("\n    ");
        anyhow::bail!("`{shown}` ended with {}\n    {words}", finished.how());
    }
    finished.success(&shown)?;
    executable.with_context(|| format!("`{shown}` made no binary `{}`", settings.package))
}

/// How a static Linux binary is made here.
#[derive(Debug, PartialEq, Eq)]
enum Toolchain {
    /// Linux on the image's own architecture: the host's target, statically linked.
    Native(String),
    /// Anywhere else: zig is the C compiler and linker that any machine can install.
    Zig(String),
}

impl Toolchain {
    fn choose(platform: Platform, host: &str) -> Self {
        let native = host.starts_with(platform.rust_arch()) && host.contains("-linux-");
        if native {
            Toolchain::Native(host.to_owned())
        } else {
            Toolchain::Zig(format!("{}-unknown-linux-musl", platform.rust_arch()))
        }
    }

    fn triple(&self) -> &str {
        match self {
            Toolchain::Native(triple) | Toolchain::Zig(triple) => triple,
        }
    }
}

/// What `rustc -vV` says: its version, commit and host.
async fn compiler(session: &Session) -> anyhow::Result<String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    Program::new(rustc)
        .arg("-vV")
        .current_dir(&session.settings.root)
        .read(&session.interrupt)
        .await
}

fn host_of(answer: &str) -> anyhow::Result<String> {
    let host = answer.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// Static, and without this machine's paths in panic messages: the same sources give the same image.
/// The workspace's own paths are relative already; naming its folder here would make cargo compile
/// every dependency anew in each checkout.
fn rustflags(cargo_home: &Path) -> String {
    [
        "-Ctarget-feature=+crt-static".to_owned(),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
    ]
    .join("\u{1f}")
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// The Docker context: the binary and the few files that it needs around it.
fn stage(context: &Path, binary: &Path) -> anyhow::Result<()> {
    let doing = || format!("staging the image in {}", context.display());
    if context.exists() {
        std::fs::remove_dir_all(context).with_context(doing)?;
    }
    let rootfs = context.join("rootfs");
    std::fs::create_dir_all(rootfs.join("etc/ssl/certs")).with_context(doing)?;
    std::fs::create_dir_all(rootfs.join("tmp")).with_context(doing)?;
    std::fs::set_permissions(rootfs.join("tmp"), std::fs::Permissions::from_mode(0o1777))
        .with_context(doing)?;
    std::fs::write(rootfs.join("etc/passwd"), image::PASSWD).with_context(doing)?;
    let bundle = rootfs.join("etc/ssl/certs/ca-certificates.crt");
    std::fs::write(bundle, image::ca_bundle()).with_context(doing)?;
    std::fs::copy(binary, context.join("api")).with_context(doing)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_follows_platform_and_host() {
        for (platform, host, expected) in [
            (
                Platform::LinuxAmd64,
                "x86_64-unknown-linux-gnu",
                Toolchain::Native("x86_64-unknown-linux-gnu".into()),
            ),
            (
                Platform::LinuxAmd64,
                "x86_64-unknown-linux-musl",
                Toolchain::Native("x86_64-unknown-linux-musl".into()),
            ),
            (
                Platform::LinuxArm64,
                "x86_64-unknown-linux-gnu",
                Toolchain::Zig("aarch64-unknown-linux-musl".into()),
            ),
            (
                Platform::LinuxAmd64,
                "aarch64-apple-darwin",
                Toolchain::Zig("x86_64-unknown-linux-musl".into()),
            ),
            (
                Platform::LinuxArm64,
                "aarch64-apple-darwin",
                Toolchain::Zig("aarch64-unknown-linux-musl".into()),
            ),
        ] {
            assert_eq!(Toolchain::choose(platform, host), expected);
        }
    }
}
