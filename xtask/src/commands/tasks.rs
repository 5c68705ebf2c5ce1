//! `cargo xtask tasks`: what tasks there are, what starts them, and what does not fit.

use crate::cli::Tasks;
use crate::clients::tasks_file;
use crate::failure::Problem;
use crate::session::Session;
use crate::ui::plural::count;

pub fn run(args: &Tasks, session: &Session) -> anyhow::Result<u8> {
    let catalog = tasks_file::catalog(&session.settings)?;
    let findings = catalog.findings(&session.settings.no_tasks);
    if args.check {
        if findings.is_empty() {
            return Ok(0);
        }
    } else {
        session.reporter.result(catalog.table());
        if catalog.definitions.is_none() {
            session.reporter.text(format!(
                "{} computes its map of tasks, so that only Terraform knows them",
                session.settings.tasks_file.display()
            ));
        }
    }
    for finding in &findings {
        session
            .reporter
            .text(format!("{}: {}", finding.place, finding.message));
    }
    if !args.check {
        return Ok(0);
    }
    Err(Problem::refused(
        format!("{} in what is written about tasks", count(findings.len(), "mistake")),
        "mend what is listed above; an entrypoint that is meant to have no definition goes into no_tasks in Cargo.toml",
    )
    .into())
}
