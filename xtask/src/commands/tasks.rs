//! `cargo xtask tasks`: what tasks there are, what starts them, and what does not fit.

mod live;

use crate::cli::Tasks;
use crate::clients::tasks_file;
use crate::failure::Problem;
use crate::session::Session;
use crate::ui::plural::count;

pub async fn run(args: &Tasks, session: &Session) -> anyhow::Result<u8> {
    let catalog = tasks_file::catalog(&session.settings)?;
    let findings = catalog.findings(&session.settings.no_tasks);
    let mut lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}: {}", finding.place, finding.message))
        .collect();
    let mut table = catalog.table();
    if args.live {
        let live = live::look(session, &catalog).await?;
        lines.extend(live.mistakes);
        table = format!("{table}\n\n{}", live.table);
    }
    if !args.check {
        session.reporter.result(table);
        if catalog.definitions.is_none() {
            session.reporter.text(format!(
                "{} computes its map of tasks, so that only Terraform knows them",
                session.settings.tasks_file.display()
            ));
        }
    }
    for line in &lines {
        session.reporter.text(line);
    }
    if !args.check || lines.is_empty() {
        return Ok(0);
    }
    Err(Problem::refused(
        format!("{} in what is written about tasks", count(lines.len(), "mistake")),
        "mend what is listed above; an entrypoint that is meant to have no definition goes into no_tasks in Cargo.toml",
    )
    .into())
}
