//! `cargo xtask trigger schedule TASK`: a one-off twin of the schedule, with its role and target.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::require_target;
use super::wait::{Awaited, clean_up, follow, started};
use crate::catalog::expression;
use crate::cli::TriggerSchedule;
use crate::clients::image::digest_of;
use crate::clients::scheduler::{Schedule, Scheduler};
use crate::clients::signed::AwsError;
use crate::failure::Problem;
use crate::names::{did_you_mean, near_names};
use crate::session::Session;
use crate::ui::Step;
use crate::wiring::{family_of, of_refused_twin};

/// Far enough ahead for Scheduler to have the twin by then. It fires within the minute of its time.
const AHEAD: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(150);
/// What Scheduler puts before a schedule's name in startedBy, and where it cuts.
const STARTED_BY: &str = "chronos-schedule/";
const STARTED_BY_LENGTH: usize = 36;

pub async fn run(args: &TriggerSchedule, session: &Session) -> anyhow::Result<u8> {
    let aws = session.aws().await;
    let scheduler = aws.scheduler();
    let timer = session
        .reporter
        .started(Step::Check, format!("the schedule of {}", args.task));
    let schedule = find(session, args, &scheduler).await?;
    session
        .reporter
        .finished(&timer, describe(&schedule, Timestamp::now()));
    if !schedule.enabled {
        session.reporter.warning(
            Step::Check,
            format!(
                "{} is disabled: it does not fire by itself; its twin does",
                schedule.name
            ),
        );
    }
    let definition = schedule
        .target
        .task_definition()
        .unwrap_or_default()
        .to_owned();
    let cluster = require_target(&aws.ecs(), schedule.target.cluster_arn(), &definition).await?;

    let name = twin_of(&session.settings.service());
    let arn = match scheduler.create_twin(&schedule, &name, &at(AHEAD)).await {
        Ok(arn) => arn,
        Err(error) => {
            let refused = error.downcast_ref::<AwsError>();
            let broken = refused.and_then(|e| of_refused_twin(e, schedule.target.role_arn()));
            return Err(broken.map_or(error, |broken| Problem::from(broken).into()));
        }
    };
    let timer = session.reporter.started(
        Step::Launch,
        format!(
            "{name} fires once, with the role and target of {}",
            schedule.name
        ),
    );
    let awaited = Awaited {
        task: args.task.as_str(),
        cluster: &cluster,
        family: family_of(&definition),
        source_arn: &arn,
        role_arn: schedule.target.role_arn(),
        dead_letters: schedule.target.dead_letters(),
        patience: PATIENCE,
    };
    let started_by: String = format!("{STARTED_BY}{name}")
        .chars()
        .take(STARTED_BY_LENGTH)
        .collect();
    let task = started(
        session,
        &awaited,
        |task| task.started_by.as_deref() == Some(started_by.as_str()),
        |_| true,
    )
    .await;
    // It deletes itself after it fired; before that, it must not outlive this command.
    clean_up(session, scheduler.delete(&name, &schedule.group).await);
    let task = task?;
    session
        .reporter
        .finished(&timer, format!("EventBridge started {}", task.id()));
    follow(session, &awaited, task).await
}

/// A name of this environment's own, since the policy of those who run allows no other. It is short
/// enough to be whole in startedBy, which is how the task is known.
fn twin_of(service: &str) -> String {
    let of_service = digest_of(service.as_bytes());
    let of_service = &of_service.as_str()["sha256:".len()..][..6];
    format!("twin-{of_service}-{:06x}", fastrand::u32(..0x0100_0000))
}

async fn find(
    session: &Session,
    args: &TriggerSchedule,
    scheduler: &Scheduler,
) -> anyhow::Result<Schedule> {
    let service = session.settings.service();
    let family = format!("{service}-{}", args.task);
    let all = scheduler.schedules(&format!("{service}-")).await?;
    let scheduled = scheduled_tasks(&all, &service);
    let mut found: Vec<Schedule> = all
        .into_iter()
        .filter(|schedule| {
            schedule
                .target
                .task_definition()
                .is_some_and(|d| family_of(d) == family)
        })
        .collect();
    let names: Vec<String> = found.iter().map(|schedule| schedule.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if let Some(wanted) = &args.name {
        found.retain(|schedule| schedule.name == *wanted);
        if found.is_empty() {
            return Err(Problem::usage(
                format!("no schedule {wanted} starts {}", args.task),
                did_you_mean(wanted, &names),
            )
            .into());
        }
    }
    match found.len() {
        0 => Err(Problem::failed(
            format!(
                "no schedule in {} starts {}",
                session.settings.environment.name, args.task
            ),
            not_scheduled(args.task.as_str(), &scheduled),
        )
        .into()),
        1 => Ok(found.remove(0)),
        _ => Err(Problem::usage(
            format!(
                "several schedules start {}: {}",
                args.task,
                names.join(", ")
            ),
            "choose one: --name NAME",
        )
        .into()),
    }
}

fn scheduled_tasks(all: &[Schedule], service: &str) -> BTreeSet<String> {
    all.iter()
        .filter_map(|schedule| family_of(schedule.target.task_definition()?).strip_prefix(service))
        .map(|task| task.trim_start_matches('-').to_owned())
        .collect()
}

/// A task with a schedule may have been meant; otherwise this one needs a schedule first.
fn not_scheduled(task: &str, scheduled: &BTreeSet<String>) -> String {
    let near = near_names(task, scheduled.iter().map(String::as_str));
    if near.is_empty() {
        return "write one in cloudwatch.tf and deploy it; `cargo xtask tasks` shows what is written"
            .to_owned();
    }
    did_you_mean(task, &near)
}

/// Expression, zone, state and next time, in words.
fn describe(schedule: &Schedule, now: Timestamp) -> String {
    let state = if schedule.enabled {
        "enabled"
    } else {
        "disabled"
    };
    let next = match expression::next(&schedule.expression, &schedule.timezone, now) {
        Some(next) if schedule.enabled => format!(", next {next}"),
        _ => String::new(),
    };
    let window = match schedule.flexible_minutes {
        0 => String::new(),
        minutes => format!(", up to {minutes} min late"),
    };
    format!(
        "{}: {} {}, {state}{next}{window}",
        schedule.name, schedule.expression, schedule.timezone
    )
}

/// A time from now as at() takes it, in UTC.
fn at(ahead: Duration) -> String {
    let time = humantime::format_rfc3339_seconds(SystemTime::now() + ahead).to_string();
    time.trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// infra/foundation/locals.tf makes the same of it, in Terraform's words.
    #[test]
    fn a_twin_bears_its_environment_and_is_whole_in_started_by() {
        let name = twin_of("api-test");
        let of_service = "7f1fd8";
        assert!(name.starts_with(&format!("twin-{of_service}-")), "{name}");
        assert!(STARTED_BY.len() + name.len() <= STARTED_BY_LENGTH);
        assert!(!twin_of("api-stage").starts_with(&name[..11]));
    }
}
