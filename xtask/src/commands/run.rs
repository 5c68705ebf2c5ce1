//! `cargo xtask run TASK`: launch what is deployed, and follow it.

use crate::cli::{LaunchOptions, Run};
use crate::failure::all_clear;
use crate::names::ImageTag;
use crate::plan::wrong_account;
use crate::session::Session;
use crate::steps::deployed_outputs::deployed_outputs;
use crate::steps::follow_task::many::run_many;
use crate::steps::follow_task::{Wait, follow_task};
use crate::steps::launch_task::{Wishes, launch_task, seek_task};
use crate::steps::preflight::as_problem;
use crate::steps::protected::{require_confirmed, require_on_main};
use crate::verdict::verdict;

pub async fn run(args: &Run, session: &Session) -> anyhow::Result<u8> {
    require_confirmed(session)?;
    require_right_account(session).await?;
    let outputs = deployed_outputs(session).await?;
    if let Some(commit) = ImageTag::parse(outputs.tag_of(args.launch.task.as_str()))
        .ok()
        .as_ref()
        .and_then(ImageTag::commit)
    {
        require_on_main(session, commit)?;
    }
    let mut wishes = wishes(&args.launch, session);
    // Many have a record of their own, and a run of one is none of theirs.
    wishes.again |= args.count.is_some();
    let sought = seek_task(session, &outputs, &args.launch.task, &wishes).await?;
    if let Some(count) = args.count {
        let verdict = run_many(
            session,
            &sought,
            (count, args.launch.again),
            wait(&args.launch),
        )
        .await?;
        session.reporter.verdict(&verdict);
        return Ok(verdict.exit_code);
    }
    let running = launch_task(session, sought, None).await?;
    if args.detach {
        session.reporter.result(running.task.id());
        let flags = session.flags();
        session.reporter.text(format!(
            "follow it: cargo xtask logs {} --follow{flags}",
            running.task.id()
        ));
        return Ok(0);
    }
    let end = follow_task(session, &running, wait(&args.launch), None).await?;
    let verdict = verdict(&end);
    session.reporter.verdict(&verdict);
    Ok(verdict.exit_code)
}

/// Nothing is ever changed in another account than the environment names.
pub async fn require_right_account(session: &Session) -> anyhow::Result<()> {
    let identity = session
        .aws()
        .await
        .identity()
        .await
        .map_err(|error| as_problem(&error));
    all_clear(
        wrong_account(&session.settings, &identity)
            .into_iter()
            .collect(),
    )
}

pub fn wishes(options: &LaunchOptions, session: &Session) -> Wishes {
    Wishes {
        args: options.args.clone(),
        environment: options.environment.clone(),
        cpu: options.cpu.map(|cpu| cpu.to_string()),
        memory: options.memory.map(|memory| memory.to_string()),
        author: session.author(options.author.as_deref()),
        again: options.again,
    }
}

pub fn wait(options: &LaunchOptions) -> Wait {
    Wait {
        timeout: options.timeout,
        on_timeout: options.on_timeout,
        on_interrupt: options.on_interrupt,
    }
}
