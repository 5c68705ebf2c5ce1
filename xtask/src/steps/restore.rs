//! What was deployed before, or main, deployed again from a worktree of its own: its Terraform with
//! its image, so that nothing of a branch stays behind.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use xshell::{Shell, cmd};

use crate::clients::terraform::tags::listed;
use crate::failure::Problem;
use crate::names::ImageTag;
use crate::plan::reach::Reach;
use crate::plan::{Goal, Plan, Request};
use crate::session::Session;
use crate::settings::{self, Overrides, Settings};
use crate::steps::apply_terraform::{apply_terraform, plan_terraform};
use crate::steps::attest::require_attested;
use crate::steps::claim::Claim;
use crate::steps::own_tags::in_state;
use crate::steps::preflight::preflight;
use crate::steps::push_image::{PushedImage, publish};
use crate::steps::require_paused::require_paused;
use crate::ui::Step;

/// A commit in files of its own; the folder goes away with this value.
struct Worktree {
    repository: PathBuf,
    folder: PathBuf,
    /// The workspace in it: a repository may have it in a subfolder.
    workspace: PathBuf,
}

/// The commit that main is at, fetched just now.
pub fn main_commit(session: &Session) -> anyhow::Result<String> {
    let branch = &session.settings.main_branch;
    let sh = shell(&session.settings.root)?;
    let has_origin = session.git()?.origin_url().is_some();
    let reference = if has_origin {
        let refspec = format!("+refs/heads/{branch}:refs/remotes/origin/{branch}");
        cmd!(sh, "git fetch --quiet --no-tags origin {refspec}")
            .quiet()
            .run()
            .map_err(|error| {
                Problem::failed(
                    format!("fetching {branch}, which is to be deployed again: {error}"),
                    "mend the connection, or leave what is deployed: cargo xtask release --restore none",
                )
            })?;
        format!("refs/remotes/origin/{branch}")
    } else {
        format!("refs/heads/{branch}")
    };
    commit_of(&sh, &reference)
}

fn commit_of(sh: &Shell, reference: &str) -> anyhow::Result<String> {
    let commit = format!("{reference}^{{commit}}");
    cmd!(sh, "git rev-parse --verify --quiet {commit}")
        .quiet()
        .ignore_stderr()
        .read()
        .map_err(|_| {
            Problem::failed(
                format!(
                    "this clone does not have {reference}, so that it cannot be deployed again"
                ),
                "fetch it, or choose another: cargo xtask release --restore main|previous|none",
            )
            .into()
        })
}

/// Deploys a commit: with its own image, or with the one under `tag` when it is another (uncommitted
/// changes on top of the commit). An image of a commit that nobody has built is built here.
pub async fn deploy_commit(
    session: &Session,
    commit: &str,
    tag: Option<&ImageTag>,
    claim: &Claim,
) -> anyhow::Result<String> {
    let worktree = Worktree::add(session, commit)?;
    let there = session.with_settings(worktree.settings(session)?);
    let request = Request {
        task: None,
        goal: Goal::Publish,
        allow_dirty: false,
        reserves: false,
        only: false,
        refresh: false,
        author: None,
    };
    let plan = preflight(&there, &request).await?;
    let image = match tag {
        Some(tag) => published(&there, &plan, tag).await?,
        // What is built here is not for a protected environment.
        None if there.settings.environment.protected => published(&there, &plan, &plan.tag).await?,
        None => publish(&there, &plan).await?,
    };
    require_attested(&there, &image).await?;
    let tag = image.tag.clone();
    say_what_goes(&there).await;
    let looked = std::time::Instant::now();
    let change = plan_terraform(&there, &Reach::Whole, &tag).await?;
    let paused = require_paused(&there, claim, Some(looked)).await?;
    // Nobody is asked: what is restored was deployed before.
    let deployed = apply_terraform(&there, change, image, &Reach::Whole, &paused, true).await?;
    Ok(deployed.outputs.service_docker_tag)
}

/// Of what single tasks had alone nothing stays. It is only said: the plan is what takes it back.
async fn say_what_goes(session: &Session) {
    if let Ok(Some(deployed)) = in_state(session).await
        && !deployed.tags.own.is_empty()
    {
        let back = listed(&deployed.tags.own);
        session.reporter.detail(
            Step::Restore,
            format!("takes back what was tried alone: {back}"),
        );
    }
}

/// An image that only its push could have made.
async fn published(session: &Session, plan: &Plan, tag: &ImageTag) -> anyhow::Result<PushedImage> {
    let ecr = session.aws().await.ecr();
    let digest = ecr
        .digest(&plan.repository.name, tag)
        .await?
        .ok_or_else(|| {
            Problem::failed(
                format!("the image {} is not in ECR", tag.short()),
                "choose another: cargo xtask release --restore main|none",
            )
        })?;
    Ok(PushedImage {
        tag: tag.clone(),
        ..PushedImage::found(plan, &digest, None)
    })
}

impl Worktree {
    /// The folder is the same every time, so that what was compiled and initialised there is warm.
    fn add(session: &Session, commit: &str) -> anyhow::Result<Self> {
        let home = session.settings.work_dir().join("restore");
        let folder = home.join("tree");
        let root = std::fs::canonicalize(&session.settings.root)?;
        let inside = root.strip_prefix(&session.git()?.top)?.to_owned();
        let worktree = Worktree {
            repository: session.settings.root.clone(),
            workspace: folder.join(inside),
            folder,
        };
        // One that a killed release left behind.
        worktree.remove();
        std::fs::create_dir_all(home.join("target"))
            .with_context(|| format!("making {}", home.display()))?;
        let sh = shell(&session.settings.root)?;
        let folder = &worktree.folder;
        cmd!(
            sh,
            "git worktree add --quiet --force --detach {folder} {commit}"
        )
        .quiet()
        .run()
        .with_context(|| format!("checking {commit} out into {}", folder.display()))?;
        // Its build products stay when the worktree goes.
        let target = worktree.workspace.join("target");
        std::os::unix::fs::symlink(home.join("target"), &target)
            .with_context(|| format!("linking {}", target.display()))?;
        session.reporter.detail(
            Step::Restore,
            format!("checked out {}", &commit[..commit.len().min(7)]),
        );
        Ok(worktree)
    }

    /// That commit's own settings, for the same environment.
    fn settings(&self, session: &Session) -> anyhow::Result<Settings> {
        let environment = &session.settings.environment;
        let overrides = Overrides {
            env: Some(environment.name.to_string()),
            profile: environment.profile.clone(),
            region: Some(environment.region.clone()),
            engine: None,
            no_reattach: !session.settings.reattach_provider,
        };
        let mut settings = settings::load(&self.workspace, &overrides, &crate::session::env_var)?;
        if session.sandbox.is_some() {
            settings.environment =
                crate::sandbox::address::Address::environment(&settings.environment);
        }
        Ok(settings)
    }

    fn remove(&self) {
        // Nothing depends on it: the next call adds it by force.
        if let Ok(sh) = shell(&self.repository) {
            let folder = &self.folder;
            let removed = cmd!(sh, "git worktree remove --force --force {folder}")
                .quiet()
                .ignore_stderr()
                .run();
            if removed.is_err() {
                let _ = std::fs::remove_dir_all(folder);
                let _ = cmd!(sh, "git worktree prune").quiet().ignore_stderr().run();
            }
        }
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}

/// git, without a question that nobody would see, and without the variables of a hook around us.
fn shell(root: &Path) -> anyhow::Result<Shell> {
    let sh = Shell::new()?;
    sh.change_dir(root);
    sh.set_var("GIT_TERMINAL_PROMPT", "0");
    Ok(sh)
}
