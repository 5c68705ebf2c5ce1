//! Sources → a static binary → an image: layers assembled in process, or what the Dockerfile makes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::clients::docker;
use crate::clients::image::{self, Image};
use crate::names::ImageTag;
use crate::session::Session;
use crate::steps::compile::Binary;
use crate::steps::sources::context::Staged;
use crate::ui::Step;

/// An image, wherever its builder left it.
#[derive(Debug)]
pub enum BuiltImage {
    /// In the local Docker, under this reference.
    InDocker(String),
    /// In memory.
    Assembled(Box<Image>),
}

/// Without Docker: a static binary needs no base image and no build steps.
pub async fn assemble(
    session: &Session,
    tag: &ImageTag,
    binary: Binary,
) -> anyhow::Result<BuiltImage> {
    let (platform, uncommitted) = (session.settings.platform, tag.is_dirty());
    let work = move || image::assemble(&binary.name, &binary.bytes, platform, uncommitted);
    let image = tokio::task::spawn_blocking(work)
        .await
        .context("assembling the image")??;
    Ok(BuiltImage::Assembled(Box::new(image)))
}

/// The image of a Dockerfile that takes the binary.
pub async fn build_around(
    session: &Session,
    reference: &str,
    tag: &ImageTag,
    binary: &Binary,
) -> anyhow::Result<BuiltImage> {
    let settings = &session.settings;
    let context = settings.work_dir().join("image");
    stage(&context, binary)?;
    let dockerfile = settings.root.join(crate::layout::dockerfile(settings)?);
    docker_build(session, reference, tag, (&context, &dockerfile)).await
}

/// The image of a Dockerfile that does all of it.
pub async fn build_in_context(
    session: &Session,
    reference: &str,
    tag: &ImageTag,
    context: &Staged,
) -> anyhow::Result<BuiltImage> {
    let what = format!("{} for {}", tag.short(), session.settings.platform);
    let timer = session.reporter.started(Step::Build, what);
    let files = (context.folder.as_path(), context.dockerfile.as_path());
    let built = docker_build(session, reference, tag, files).await?;
    session.reporter.finished(&timer, tag.short());
    Ok(built)
}

async fn docker_build(
    session: &Session,
    reference: &str,
    tag: &ImageTag,
    (context, dockerfile): (&Path, &Path),
) -> anyhow::Result<BuiltImage> {
    let build = docker::Build {
        context,
        dockerfile,
        reference,
        platform: session.settings.platform,
        label: tag.is_dirty().then_some(image::UNCOMMITTED),
        passed: &session.settings.build_environment,
    };
    docker::build(&build, &session.interrupt, |line| {
        session.reporter.output(Step::Build, line);
    })
    .await
    .with_context(|| format!("building the image from {}", dockerfile.display()))?;
    Ok(BuiltImage::InDocker(reference.to_owned()))
}

/// The Docker context: the binary and the few files that it needs around it.
fn stage(context: &Path, binary: &Binary) -> anyhow::Result<()> {
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
    let file = context.join(&binary.name);
    std::fs::write(&file, &binary.bytes).with_context(doing)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).with_context(doing)?;
    Ok(())
}
