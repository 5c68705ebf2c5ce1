//! Nothing is deployed while anybody else can deploy: the environment is ours, auto-deploy's
//! workflows are disabled, and no run of a workflow that deploys there is live.
//!
//! "Disabled" alone is not paused, since GitHub lets running runs go on. Whatever is not clearly
//! paused refuses.

use std::time::Instant;

use crate::clients::github::{GitHub, Run, Workflow};
use crate::failure::{Kind, Problem};
use crate::names::github::WorkflowFile;
use crate::session::{Session, env_var};
use crate::settings::Settings;
use crate::steps::claim::Claim;
use crate::steps::preflight::as_problem;
use crate::ui::Step;

/// The state of an environment's auto-deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AutoDeploy {
    /// The environment has no auto-deploy.
    None,
    Paused {
        workflows: Vec<String>,
    },
    /// Some workflows are enabled.
    Active {
        workflows: Vec<String>,
    },
    /// All are disabled, but runs of them have not ended.
    Live {
        runs: Vec<String>,
    },
    /// This process is the auto-deploy itself, at work in CI.
    Itself,
    Unknown(Problem),
}

/// The run of CI that this process is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRun {
    pub id: u64,
    /// The workflow's file name.
    pub workflow: String,
}

/// Proof that the environment was seen ours and auto-deploy paused; only [`require_paused`] makes one.
#[derive(Debug)]
pub struct Paused(());

/// What GitHub says of one workflow.
pub struct Observed {
    pub file: String,
    pub workflow: Workflow,
    pub live: Vec<Run>,
}

/// The pure part: from what GitHub says to the state. `by_hand` are the live runs of the workflows
/// that deploy here when somebody starts them, each with its workflow's file.
pub fn judge(observed: &[Observed], by_hand: &[(String, Run)], own: Option<&OwnRun>) -> AutoDeploy {
    let started = by_hand
        .iter()
        // Runs of one workflow wait for each other: their concurrency group sees to it.
        .filter(|(file, _)| own.is_none_or(|own| own.workflow != *file))
        .map(|(_, run)| run);
    if observed.is_empty() && by_hand.is_empty() {
        return AutoDeploy::None;
    }
    let itself = own.filter(|own| observed.iter().any(|seen| seen.file == own.workflow));
    let live: Vec<&Run> = observed
        .iter()
        .flat_map(|seen| &seen.live)
        .filter(|run| own.is_none_or(|own| run.id != own.id))
        // Later runs of the auto-deploy wait for this one: their concurrency group sees to it.
        .filter(|run| itself.is_none() || run.status == "in_progress")
        .chain(started)
        .collect();
    if !live.is_empty()
        && (itself.is_some()
            || observed
                .iter()
                .all(|seen| seen.workflow.state.starts_with("disabled_")))
    {
        return AutoDeploy::Live {
            runs: live
                .iter()
                .map(|run| format!("{} ({}, {})", run.html_url, run.status, run.event))
                .collect(),
        };
    }
    if itself.is_some() {
        return AutoDeploy::Itself;
    }
    if observed.is_empty() {
        return AutoDeploy::None;
    }
    let not_disabled: Vec<&Observed> = observed
        .iter()
        .filter(|seen| !seen.workflow.state.starts_with("disabled_"))
        .collect();
    if let Some(odd) = not_disabled
        .iter()
        .find(|seen| seen.workflow.state != "active")
    {
        return AutoDeploy::Unknown(odd_state(&odd.file, &odd.workflow.state));
    }
    if not_disabled.is_empty() {
        return AutoDeploy::Paused {
            workflows: observed.iter().map(|seen| seen.file.clone()).collect(),
        };
    }
    AutoDeploy::Active {
        workflows: not_disabled.iter().map(|seen| seen.file.clone()).collect(),
    }
}

fn odd_state(file: &str, state: &str) -> Problem {
    Problem::refused(
        format!("the workflow {file} is in the state `{state}`"),
        "mend auto_deploy_workflows in Cargo.toml",
    )
}

impl AutoDeploy {
    /// `Ok` when nothing can deploy by itself; otherwise a refusal that says what to type.
    pub fn require_paused(&self, settings: &Settings, flags: &str) -> Result<(), Problem> {
        let environment = &settings.environment.name;
        match self {
            AutoDeploy::None | AutoDeploy::Paused { .. } | AutoDeploy::Itself => Ok(()),
            AutoDeploy::Active { workflows } => Err(Problem::refused(
                format!(
                    "auto-deploy to {environment} is active ({}): it would overwrite what is deployed here",
                    workflows.join(", ")
                ),
                format!(
                    "reserve {environment} and pause it: cargo xtask hold{flags}\nor for one run alone:      cargo xtask try TASK --hold{flags}"
                ),
            )),
            AutoDeploy::Live { runs } => Err(Problem::refused(
                format!(
                    "auto-deploy to {environment} is still running: {}",
                    runs.join(", ")
                ),
                "wait until it has ended, then run the command again",
            )),
            // The user has asked to stop, which says nothing about auto-deploy.
            AutoDeploy::Unknown(problem) if problem.kind == Kind::Interrupted => {
                Err(problem.clone())
            }
            AutoDeploy::Unknown(problem) => Err(Problem {
                kind: Kind::Refused,
                message: format!(
                    "nobody can tell whether auto-deploy to {environment} is paused: {}",
                    problem.message
                ),
                hint: problem.hint.clone(),
            }),
        }
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        match self {
            AutoDeploy::None => "there is no auto-deploy".into(),
            AutoDeploy::Paused { workflows } => format!(
                "paused ({}), and no run of it is live",
                workflows.join(", ")
            ),
            AutoDeploy::Active { workflows } => format!("active ({})", workflows.join(", ")),
            AutoDeploy::Live { runs } => {
                format!("disabled, but still running: {}", runs.join(", "))
            }
            AutoDeploy::Itself => "this is the auto-deploy".into(),
            AutoDeploy::Unknown(problem) => format!("unknown: {}", problem.message),
        }
    }
}

/// One look.
pub async fn look(session: &Session) -> AutoDeploy {
    let files = &session.settings.environment.auto_deploy_workflows;
    let by_hand = &session.settings.environment.deploy_workflows;
    if files.is_empty() && by_hand.is_empty() {
        return AutoDeploy::None;
    }
    let observed = async {
        let github = session.github()?;
        let started = async {
            let mut started = Vec::new();
            for file in by_hand {
                let live = github.live_runs(file).await?;
                started.extend(live.into_iter().map(|run| (file.to_string(), run)));
            }
            anyhow::Ok(started)
        };
        tokio::try_join!(observe(&github, files), started)
    };
    match observed.await {
        Ok((observed, started)) => judge(&observed, &started, own_run(&env_var).as_ref()),
        Err(error) => AutoDeploy::Unknown(as_problem(&error)),
    }
}

async fn observe(github: &GitHub, files: &[WorkflowFile]) -> anyhow::Result<Vec<Observed>> {
    let mut observed = Vec::new();
    for file in files {
        // First the state, then the runs: a run that starts between the two is seen by the second.
        let workflow = github.workflow(file).await?;
        let live = github.live_runs(file).await?;
        observed.push(Observed {
            file: file.to_string(),
            workflow,
            live,
        });
    }
    Ok(observed)
}

/// Each auto-deploy workflow with its state. A state that is not known refuses: it could not be put
/// back.
pub async fn workflow_states(session: &Session) -> anyhow::Result<Vec<(WorkflowFile, String)>> {
    let files = &session.settings.environment.auto_deploy_workflows;
    let mut states = Vec::new();
    if files.is_empty() {
        return Ok(states);
    }
    let read = async {
        let github = session.github()?;
        for file in files {
            states.push((file.clone(), github.workflow(file).await?.state));
        }
        anyhow::Ok(())
    };
    let problem = match read.await {
        Err(error) => Some(as_problem(&error)),
        Ok(()) => states
            .iter()
            .find(|(_, state)| state != "active" && !state.starts_with("disabled_"))
            .map(|(file, state)| odd_state(file, state)),
    };
    match problem {
        None => Ok(states),
        Some(problem) => AutoDeploy::Unknown(problem)
            .require_paused(&session.settings, &session.flags())
            .map(|()| states)
            .map_err(Into::into),
    }
}

/// The look before an apply or a launch. `first` is when auto-deploy was seen paused the last time:
/// before an apply the two looks are some seconds apart, since a run that was just triggered takes
/// a moment to appear.
pub async fn require_paused(
    session: &Session,
    claim: &Claim,
    first: Option<Instant>,
) -> anyhow::Result<Paused> {
    let timer = session
        .reporter
        .started(Step::Pause, "is auto-deploy still paused");
    if let Some(first) = first {
        let wait = session
            .settings
            .pause_settle
            .saturating_sub(first.elapsed());
        let mut interrupt = session.interrupt.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = interrupt.requested() => return Err(Problem::interrupted("interrupted before the apply").into()),
        }
    }
    // The record last: a deploy that honours holds takes it before anything else.
    let state = look(session).await;
    state.require_paused(&session.settings, &session.flags())?;
    claim.verify().await?;
    session.reporter.finished(&timer, state.describe());
    Ok(Paused(()))
}

/// Is this process the auto-deploy of the environment?
pub fn is_auto_deploy(settings: &Settings, own: Option<&OwnRun>) -> bool {
    let workflows = &settings.environment.auto_deploy_workflows;
    own.is_some_and(|own| workflows.iter().any(|file| **file == own.workflow))
}

/// In GitHub Actions: this run, which is no obstacle to itself.
pub fn own_run(env: &dyn Fn(&str) -> Option<String>) -> Option<OwnRun> {
    if env("GITHUB_ACTIONS")? != "true" {
        return None;
    }
    let id = env("GITHUB_RUN_ID")?.parse().ok()?;
    // owner/repo/.github/workflows/file.yml@refs/heads/main
    let reference = env("GITHUB_WORKFLOW_REF").unwrap_or_default();
    let path = reference.split('@').next().unwrap_or_default();
    let workflow = path.rsplit('/').next().unwrap_or_default().to_owned();
    Some(OwnRun { id, workflow })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: u64, status: &str) -> Run {
        Run {
            id,
            status: status.into(),
            event: "push".into(),
            html_url: format!("url/{id}"),
            head_branch: None,
        }
    }

    fn observed(file: &str, state: &str, live: Vec<Run>) -> Observed {
        let workflow = Workflow {
            name: file.into(),
            state: state.into(),
            html_url: String::new(),
        };
        Observed {
            file: file.into(),
            workflow,
            live,
        }
    }

    fn own(id: u64, workflow: &str) -> OwnRun {
        OwnRun {
            id,
            workflow: workflow.into(),
        }
    }

    #[test]
    fn states() {
        let paused = AutoDeploy::Paused {
            workflows: vec!["a.yml".into()],
        };
        let active = AutoDeploy::Active {
            workflows: vec!["a.yml".into()],
        };
        let live = AutoDeploy::Live {
            runs: vec!["url/7 (queued, push)".into()],
        };
        for state in ["disabled_manually", "disabled_inactivity", "disabled_fork"] {
            assert_eq!(
                judge(&[observed("a.yml", state, vec![])], &[], None),
                paused,
                "{state}"
            );
        }
        assert_eq!(judge(&[], &[], None), AutoDeploy::None);
        assert_eq!(
            judge(&[observed("a.yml", "active", vec![])], &[], None),
            active
        );
        assert_eq!(
            judge(
                &[observed("a.yml", "active", vec![run(7, "queued")])],
                &[],
                None
            ),
            active
        );
        assert_eq!(
            judge(
                &[observed(
                    "a.yml",
                    "disabled_manually",
                    vec![run(7, "queued")]
                )],
                &[],
                None
            ),
            live
        );
        for state in ["deleted", "", "new_word"] {
            let judged = judge(&[observed("a.yml", state, vec![])], &[], None);
            assert!(
                matches!(judged, AutoDeploy::Unknown(_)),
                "{state}: {judged:?}"
            );
        }
    }

    #[test]
    fn one_of_two_workflows_is_enough_to_refuse() {
        let both = [
            observed("a.yml", "active", vec![]),
            observed("b.yml", "disabled_manually", vec![]),
        ];
        assert_eq!(
            judge(&both, &[], None),
            AutoDeploy::Active {
                workflows: vec!["a.yml".into()]
            }
        );
    }

    #[test]
    fn its_own_run_is_no_obstacle() {
        let waiting = vec![run(7, "in_progress"), run(8, "queued")];
        let seen = [observed("a.yml", "active", waiting)];
        assert_eq!(
            judge(&seen, &[], Some(&own(7, "a.yml"))),
            AutoDeploy::Itself
        );
        // Another workflow of ours meets an active auto-deploy like everybody else.
        assert!(matches!(
            judge(&seen, &[], Some(&own(9, "deploy.yml"))),
            AutoDeploy::Active { .. }
        ));
        // A second run of the auto-deploy at work is an obstacle even to the auto-deploy.
        let seen = [observed(
            "a.yml",
            "active",
            vec![run(7, "in_progress"), run(8, "in_progress")],
        )];
        assert!(matches!(
            judge(&seen, &[], Some(&own(7, "a.yml"))),
            AutoDeploy::Live { .. }
        ));
    }

    #[test]
    fn the_own_run_comes_from_the_environment() {
        let env = |key: &str| match key {
            "GITHUB_ACTIONS" => Some("true".to_owned()),
            "GITHUB_RUN_ID" => Some("42".to_owned()),
            "GITHUB_WORKFLOW_REF" => Some("o/r/.github/workflows/a.yml@refs/heads/main".to_owned()),
            _ => None,
        };
        assert_eq!(own_run(&env), Some(own(42, "a.yml")));
        assert_eq!(own_run(&|_| None), None);
    }
}
