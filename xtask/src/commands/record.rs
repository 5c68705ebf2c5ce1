//! `cargo xtask record TASK`: what AWS answers to the loop's questions, kept as fixtures.

use anyhow::Context as _;

use crate::cli::Record;
use crate::clients::aws::recorder::Recorder;
use crate::clients::ecs::TaskDefinition;
use crate::clients::logs::{Cursor, Logs};
use crate::names::ImageTag;
use crate::session::Session;
use crate::ui::Step;

/// Asks only; nothing is started, stopped or changed.
pub async fn run(args: &Record, session: &Session) -> anyhow::Result<u8> {
    let recorder = Recorder::default();
    let asking = session
        .interrupt
        .or("asking AWS", ask(args, session, &recorder));
    // An answer that refuses is a fixture like any other, and the rest cannot be asked without it.
    if let Err(error) = asking.await {
        let answers = recorder.answers();
        anyhow::ensure!(!answers.is_empty(), error);
        session
            .reporter
            .warning(Step::Check, format!("not all was asked: {error:#}"));
    }
    std::fs::create_dir_all(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    for (name, answer) in recorder.answers() {
        let end = if answer.starts_with('<') {
            "xml"
        } else {
            "json"
        };
        let file = args.out.join(format!("{name}.{end}"));
        std::fs::write(&file, answer).with_context(|| format!("writing {}", file.display()))?;
        session.reporter.result(file.display());
    }
    Ok(0)
}

async fn ask(args: &Record, session: &Session, recorder: &Recorder) -> anyhow::Result<()> {
    let aws = session.aws().await.recorded_by(recorder);
    aws.identity().await?;
    let cluster = session.settings.service();
    let (ecs, ecr, logs) = (aws.ecs(), aws.ecr(), aws.logs());
    ecs.has_cluster(&cluster).await?;
    let repository = &session.settings.ecr_repository;
    ecr.repository(repository).await?;
    let family = format!("{cluster}-{}", args.task);
    let Some(definition) = ecs.task_definition(&family).await? else {
        return Ok(());
    };
    let tag = definition.containers.first();
    let tag = tag.and_then(|container| container.image.rsplit(':').next());
    if let Some(tag) = tag.and_then(|tag| ImageTag::parse(tag).ok()) {
        ecr.digest(repository, &tag).await?;
    }
    let tasks = ecs.tasks_of_family(&cluster, &family, true).await?;
    if let Some(task) = tasks.first() {
        read_logs(&logs, &definition, task.id()).await?;
    }
    Ok(())
}

async fn read_logs(logs: &Logs, definition: &TaskDefinition, id: &str) -> anyhow::Result<()> {
    for container in &definition.containers {
        if let Some(stream) = container.stream(id) {
            logs.next(&stream, &mut Cursor::starting_at(None)).await?;
        }
    }
    Ok(())
}
