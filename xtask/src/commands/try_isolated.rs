//! `cargo xtask try TASK --isolated`: this image at the definition that is deployed, beside it.

use std::path::PathBuf;

use xshell::{Shell, cmd};

use crate::cli::Try;
use crate::clients::terraform::outputs::Outputs;
use crate::commands::run::{wait, wishes};
use crate::failure::Problem;
use crate::names::ImageTag;
use crate::plan::{Goal, Plan, Request};
use crate::session::Session;
use crate::steps::claim::me;
use crate::steps::follow_task::follow_task;
use crate::steps::isolate::{isolate, sweep};
use crate::steps::launch_task::{launch_task, seek_task};
use crate::steps::preflight::preflight;
use crate::steps::push_image::publish;
use crate::steps::sources::terraform_files;
use crate::ui::{Step, plural::count};
use crate::verdict::verdict;

pub async fn run(args: &Try, session: &Session) -> anyhow::Result<u8> {
    let launch = &args.launch;
    // Publishing is all that is done to what is shared, and an image harms nobody.
    let request = Request {
        task: Some(launch.task.to_string()),
        goal: Goal::Isolated,
        allow_dirty: true,
        reserves: false,
        only: false,
        refresh: false,
        author: launch.author.clone(),
    };
    let plan = preflight(session, &request).await?;
    let deployed = deployed(session).await?;
    warn_about_infra(session, &plan, &deployed);
    if args.dry_run {
        session.reporter.text(plan);
        return Ok(0);
    }
    let me = me(session, launch.author.as_deref()).await?;
    sweep(session, &me).await?;
    let image = publish(session, &plan).await?;
    let digest = image.digest.clone();
    let isolated = isolate(session, &deployed, &launch.task, &image, &me).await?;
    let end = async {
        let wishes = wishes(launch, session);
        let sought = seek_task(session, &isolated.outputs, &launch.task, &wishes).await?;
        let running = launch_task(session, sought, None).await?;
        follow_task(session, &running, wait(launch), Some(&digest)).await
    };
    let end = end.await;
    isolated.remove(session).await;
    let verdict = verdict(&end?);
    session.reporter.verdict(&verdict);
    Ok(verdict.exit_code)
}

/// Read from the state itself: those who only run tasks need no Terraform.
async fn deployed(session: &Session) -> anyhow::Result<Outputs> {
    let environment = &session.settings.environment.name;
    let outputs = session.holds().await.deployed_outputs().await?;
    let outputs = outputs.ok_or_else(|| {
        Problem::refused(
            format!(
                "nothing is deployed in {environment}, and an isolated try copies what is deployed"
            ),
            format!("deploy once: cargo xtask deploy --env {environment}"),
        )
    })?;
    Outputs::read(&outputs)
}

/// Says that changed Terraform is not part of this try.
fn warn_about_infra(session: &Session, plan: &Plan, deployed: &Outputs) {
    let task = plan.task.as_deref().unwrap_or_default();
    let deployed = deployed.tag_of(task);
    let tag = ImageTag::parse(deployed).ok();
    let commit = tag.as_ref().and_then(ImageTag::commit);
    let warning = match commit.and_then(|commit| changed_terraform(session, commit)) {
        Some(files) if files.is_empty() => return,
        Some(files) => {
            let first = files.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            format!(
                "{} of Terraform {} from what is deployed ({first}): these changes are not being tried",
                count(files.len(), "file"),
                if files.len() == 1 {
                    "differs"
                } else {
                    "differ"
                },
            )
        }
        None => format!(
            "this clone does not have the commit that is deployed ({deployed}): if Terraform differs from it in {}, that is not being tried",
            plan.sha.short()
        ),
    };
    session.reporter.warning(Step::Check, warning);
}

/// The Terraform files that differ between a commit and the working tree; None when git cannot tell.
fn changed_terraform(session: &Session, commit: &str) -> Option<Vec<String>> {
    let files = terraform_files(session).ok()?;
    let files: Vec<PathBuf> = files.into_iter().filter(|file| file.exists()).collect();
    let files = &files;
    let sh = Shell::new().ok()?;
    sh.change_dir(&session.git().ok()?.top);
    let tracked = cmd!(
        sh,
        "git --literal-pathspecs diff --name-only {commit} -- {files...}"
    )
    .quiet()
    .ignore_stderr()
    .read()
    .ok()?;
    let others = ["ls-files", "--others", "--exclude-standard"];
    let new = cmd!(sh, "git --literal-pathspecs {others...} -- {files...}")
        .quiet()
        .ignore_stderr()
        .read()
        .ok()?;
    let files = tracked.lines().chain(new.lines());
    Some(files.map(str::to_owned).collect())
}
