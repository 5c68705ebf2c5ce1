//! From runs to medians and ratios: a table for people and JSON for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::turn::Run;
use crate::{Case, Contender};

/// How often the classic chain starts the AWS CLI.
const CLI_CALLS: f64 = 5.0;

pub struct Measured {
    pub profile: &'static str,
    pub size: u32,
    pub case: Case,
    pub contender: Contender,
    pub run: Run,
}

/// The medians of one contender in one case.
struct Medians {
    seconds: f64,
    steps: Vec<(String, f64)>,
    trips_to_launch: f64,
    trips: f64,
    bytes: f64,
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn medians(runs: &[&Run]) -> Medians {
    let of = |value: &dyn Fn(&Run) -> f64| {
        median(&mut runs.iter().map(|run| value(run)).collect::<Vec<_>>())
    };
    let mut names: Vec<String> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.steps) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let sum = |run: &Run, name: &str| {
        run.steps
            .iter()
            .filter(|(step, _)| step == name)
            .map(|(_, took)| took)
            .sum()
    };
    Medians {
        seconds: of(&|run| run.seconds),
        steps: names
            .iter()
            .map(|name| (name.clone(), of(&|run| sum(run, name))))
            .collect(),
        trips_to_launch: of(&|run| run.trips_to_launch as f64),
        trips: of(&|run| run.trips as f64),
        bytes: of(&|run| run.bytes as f64),
    }
}

/// All cases in the order in which they were measured first.
fn groups(measured: &[Measured]) -> Vec<(&'static str, u32, Case)> {
    let mut groups = Vec::new();
    for one in measured {
        let group = (one.profile, one.size, one.case);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

fn of(
    measured: &[Measured],
    (profile, size, case): (&str, u32, Case),
    contender: Contender,
) -> Medians {
    let fits = |one: &&Measured| {
        one.profile == profile && one.size == size && one.case == case && one.contender == contender
    };
    let runs: Vec<&Run> = measured.iter().filter(fits).map(|one| &one.run).collect();
    medians(&runs)
}

pub fn table(measured: &[Measured], cli: f64) -> String {
    let mut text = format!(
        "Medians in seconds. The AWS CLI needs {cli:.2} s to start, and the classic chain starts it {CLI_CALLS} times: `- CLI` leaves that out.\n\n\
         | profile | definitions | changed | classic | - CLI | its apply | try | try, ordinary | try --only | floor | classic : try | ordinary : try | try - floor | without Docker | try : without Docker | trips to RunTask | kB |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    let mut steps = String::new();
    for group in groups(measured) {
        let [classic, tried, ordinary, only, without_docker, floor] = [
            Contender::Classic,
            Contender::Try,
            Contender::TryOrdinary,
            Contender::TryOnly,
            Contender::TryWithoutDocker,
            Contender::Floor,
        ]
        .map(|contender| of(measured, group, contender));
        let apply = classic
            .steps
            .iter()
            .find(|(name, _)| name == "apply")
            .map_or(f64::NAN, |(_, took)| *took);
        let (profile, size, case) = group;
        let _ = writeln!(
            text,
            "| {profile} | {size} | {} | {:.2} | {:.2} | {apply:.2} | {:.2} | {} | {} | {:.2} | {:.1} | {} | {:.2} | {} | {} | {} / {} / {} | {:.0} / {:.0} / {:.0} |",
            case.name(),
            classic.seconds,
            classic.seconds - CLI_CALLS * cli,
            tried.seconds,
            number(ordinary.seconds),
            number(only.seconds),
            floor.seconds,
            classic.seconds / tried.seconds,
            number(ordinary.seconds / tried.seconds),
            tried.seconds - floor.seconds,
            number(without_docker.seconds),
            number(tried.seconds / without_docker.seconds),
            classic.trips_to_launch,
            tried.trips_to_launch,
            floor.trips_to_launch,
            classic.bytes / 1e3,
            tried.bytes / 1e3,
            floor.bytes / 1e3,
        );
        for (name, contender) in [
            ("classic", &classic),
            ("try", &tried),
            ("try, ordinary", &ordinary),
            ("try --only", &only),
            ("try without Docker", &without_docker),
            ("floor", &floor),
        ] {
            if contender.steps.is_empty() {
                continue;
            }
            let parts: Vec<String> = contender
                .steps
                .iter()
                .map(|(step, took)| format!("{step} {took:.2}"))
                .collect();
            let _ = writeln!(
                steps,
                "{profile}, {size}, {}, {name}: {}",
                case.name(),
                parts.join(", ")
            );
        }
    }
    format!(
        "{text}\nTrips and kB are of classic / try / floor; trips are those that waited for each other.\n\n{steps}"
    )
}

/// Nothing for what was not measured.
fn number(value: f64) -> String {
    if value.is_nan() {
        return String::new();
    }
    format!("{value:.2}")
}

pub fn document(measured: &[Measured], cli: f64) -> Value {
    let cases: Vec<Value> = groups(measured)
        .into_iter()
        .map(|group| {
            let (profile, size, case) = group;
            let contender = |contender| {
                let found = of(measured, group, contender);
                json!({
                    "median_seconds": found.seconds, "steps": found.steps.iter().map(|(name, took)| json!({"step": name, "seconds": took})).collect::<Vec<_>>(),
                    "sequential_round_trips_to_run_task": found.trips_to_launch, "requests": found.trips, "bytes": found.bytes,
                })
            };
            json!({
                "profile": profile, "task_definitions": size, "case": case.name(),
                "classic": contender(Contender::Classic), "try": contender(Contender::Try), "try_ordinary": contender(Contender::TryOrdinary), "try_only": contender(Contender::TryOnly), "try_without_docker": contender(Contender::TryWithoutDocker), "floor": contender(Contender::Floor),
            })
        })
        .collect();
    json!({"schema": 1, "aws_cli_start_seconds": cli, "aws_cli_calls": CLI_CALLS, "cases": cases})
}
