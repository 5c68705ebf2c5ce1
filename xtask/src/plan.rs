//! (Settings, Request, Facts) → Plan: what will be done and what is skipped, and why. Pure.

use std::fmt::{self, Display};

use crate::clients::aws::Identity;
use crate::clients::ecr::Repository;
use crate::clients::git::{Head, Tree};
use crate::failure::Problem;
use crate::hold::{Standing, may_change, may_deploy_main, may_hold};
use crate::names::{Digest, GitSha, ImageTag, did_you_mean};
use crate::settings::Settings;
use crate::steps::require_paused::AutoDeploy;
use crate::ui::{Step, event::PlannedStep};

/// What the user asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The task of a `try`.
    pub task: Option<String>,
    pub goal: Goal,
    /// A dirty tree is fine: it gets a tag that says so.
    pub allow_dirty: bool,
    /// A `try --hold` reserves and pauses the environment itself.
    pub reserves: bool,
    /// Who asks; git's user otherwise.
    pub author: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    Publish,
    Deploy,
    Try,
    /// A try beside what is deployed.
    Isolated,
}

impl Goal {
    /// Does it change what is deployed?
    pub fn deploys(self) -> bool {
        matches!(self, Goal::Deploy | Goal::Try)
    }
}

/// What preflight found. An `Err` is a fact too: it is a problem only if the request needs it.
pub struct Facts {
    pub head: Result<Head, Problem>,
    pub tree: Result<Tree, Problem>,
    pub identity: Result<Identity, Problem>,
    /// Ok(None): there is no such repository.
    pub repository: Result<Option<Repository>, Problem>,
    /// The digest under the tag, when the repository is there.
    pub published: Result<Option<Digest>, Problem>,
    pub cluster: Result<bool, Problem>,
    pub auto_deploy: Option<AutoDeploy>,
    /// Who holds the environment; None when nothing is deployed.
    pub holder: Option<Standing>,
    /// The workflow's file when this process is the auto-deploy itself.
    pub auto_deploy_workflow: Option<String>,
    /// Ok when the builder needs no Docker.
    pub docker: Result<String, Problem>,
    pub terraform: Result<String, Problem>,
    /// The names in tasks.tf; None when only Terraform can tell.
    pub tasks: Result<Option<Vec<String>>, Problem>,
    /// Commits of main that HEAD lacks.
    pub behind: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub sha: GitSha,
    pub tag: ImageTag,
    pub tree_id: String,
    pub repository: Repository,
    pub build: Decision,
    /// The digest when the image is there already.
    pub published: Option<Digest>,
    pub goal: Goal,
    pub task: Option<String>,
    /// Why there is nothing to plan, where that is known already.
    pub applied: Option<String>,
    /// Nobody had the environment when it was looked at.
    pub free: bool,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Run(String),
    Skip(String),
}

/// The tag of what is in the working tree.
pub fn tag_of(head: &Head, tree: &Tree) -> ImageTag {
    if tree.changed.is_empty() {
        ImageTag::of_commit(&head.sha)
    } else {
        ImageTag::of_dirty_tree(&head.sha, &tree.id)
    }
}

/// All problems at once, each with its fix; or the plan.
pub fn plan(
    settings: &Settings,
    request: &Request,
    facts: Facts,
    flags: &str,
) -> Result<Plan, Vec<Problem>> {
    let mut problems = Vec::new();
    if let Some(problem) = wrong_account(settings, &facts.identity) {
        problems.push(problem);
    }
    if settings.environment.protected && matches!(request.goal, Goal::Try | Goal::Isolated) {
        problems.push(Problem::refused(
            format!(
                "the environment `{}` is protected: nothing is tried there",
                settings.environment.name
            ),
            "try in another environment: --env test",
        ));
    }
    let deploys = request.goal.deploys();
    if deploys {
        problems.extend(not_ours(settings, request, &facts, flags));
    }
    if let Some(task) = &request.task {
        problems.extend(unknown_task(settings, task, &facts.tasks));
    }
    let mut warnings = Vec::new();
    let head = keep(facts.head, &mut problems);
    let tree = keep(facts.tree, &mut problems);
    if let Some(tree) = tree.as_ref().filter(|tree| !tree.changed.is_empty()) {
        if request.allow_dirty {
            warnings.push(format!(
                "{}: they are in the image, and its tag says so",
                uncommitted(tree)
            ));
        } else {
            problems.push(Problem::refused(
                uncommitted(tree),
                "commit them, or add --allow-dirty to use a tag that says so",
            ));
        }
    }
    if let Some(behind) = facts.behind.filter(|behind| deploys && *behind > 0) {
        warnings.push(format!(
            "this branch lacks {behind} of origin/{}'s commits: what they changed in {} would be undone until it is deployed again",
            settings.main_branch, settings.environment.name
        ));
    }

    // An unknown caller makes every further AWS answer the same error again.
    let known_caller = facts.identity.is_ok();
    let repository = if known_caller {
        keep(facts.repository, &mut problems)
    } else {
        None
    };
    if let Some(None) = &repository {
        problems.push(Problem::failed(
            format!("there is no ECR repository `{}` in account {}", settings.ecr_repository, settings.environment.aws_account_id),
            "apply infra/foundation once (its README has the steps), or mend ecr_repository in Cargo.toml",
        ));
    }
    let published = if known_caller {
        keep(facts.published, &mut problems)
    } else {
        None
    }
    .flatten();
    if deploys && known_caller && keep(facts.cluster, &mut problems) == Some(false) {
        problems.push(Problem::failed(
            format!("there is no ECS cluster `{}`", settings.service()),
            "apply infra/foundation once: its README has the steps",
        ));
    }
    if deploys {
        keep(facts.terraform, &mut problems);
    }
    let tag = head
        .as_ref()
        .zip(tree.as_ref())
        .map(|(head, tree)| tag_of(head, tree));
    match (request.goal, &published, &tag) {
        (_, Some(_), _) => {}
        (Goal::Deploy, None, Some(tag)) if known_caller => problems.push(Problem::refused(
            format!("the image {} is not in ECR", tag.short()),
            format!("publish it first: cargo xtask build-and-publish{flags}"),
        )),
        _ => drop(keep(facts.docker, &mut problems)),
    }
    match (head, tree, tag, repository.flatten()) {
        (Some(head), Some(tree), Some(tag), Some(repository)) if problems.is_empty() => Ok(Plan {
            build: match &published {
                Some(digest) => {
                    Decision::Skip(format!("{} is in ECR as {}", tag.short(), digest.short()))
                }
                None => Decision::Run(format!("{} for {}", settings.package, settings.platform)),
            },
            sha: head.sha,
            tag,
            tree_id: tree.id,
            repository,
            published,
            goal: request.goal,
            task: request.task.clone(),
            applied: None,
            free: facts.holder == Some(Standing::Free),
            warnings,
        }),
        _ => Err(problems),
    }
}

/// Never in another AWS account than the environment names.
pub fn wrong_account(settings: &Settings, identity: &Result<Identity, Problem>) -> Option<Problem> {
    let environment = &settings.environment;
    match identity {
        Ok(identity) if identity.account == environment.aws_account_id => None,
        Ok(identity) => Some(Problem::refused(
            format!(
                "these credentials are of account {} ({}), but the environment `{}` is in {}",
                identity.account, identity.arn, environment.name, environment.aws_account_id
            ),
            "switch the profile (AWS_PROFILE or --profile), or mend aws_account_id in Cargo.toml",
        )),
        Err(problem) => Some(problem.clone()),
    }
}

/// What keeps this request out of the environment now. The looks that count come before the apply.
fn not_ours(settings: &Settings, request: &Request, facts: &Facts, flags: &str) -> Vec<Problem> {
    let may = |standing: Standing| match request.reserves {
        true => may_hold(standing, false, flags),
        false => match &facts.auto_deploy_workflow {
            Some(workflow) => may_deploy_main(standing, workflow, flags),
            None => may_change(standing, flags),
        },
    };
    let held = facts
        .holder
        .clone()
        .and_then(|standing| may(standing).err());
    let paused = facts.auto_deploy.as_ref().map(|state| match state {
        // It will be paused.
        AutoDeploy::Active { .. } if request.reserves => Ok(()),
        state => state.require_paused(settings, flags),
    });
    held.into_iter()
        .chain(paused.and_then(Result::err))
        .collect()
}

/// A task that tasks.tf does not have; near names are offered.
fn unknown_task(
    settings: &Settings,
    task: &str,
    tasks: &Result<Option<Vec<String>>, Problem>,
) -> Option<Problem> {
    match tasks {
        Ok(Some(known)) if !known.iter().any(|name| name == task) => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Some(Problem::usage(
                format!(
                    "there is no task `{task}` in {}",
                    settings.tasks_file.display()
                ),
                did_you_mean(task, &known),
            ))
        }
        Ok(_) => None,
        Err(problem) => Some(problem.clone()),
    }
}

fn uncommitted(tree: &Tree) -> String {
    let shown: Vec<&str> = tree.changed.iter().take(3).map(String::as_str).collect();
    let more = tree.changed.len().saturating_sub(shown.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("uncommitted changes: {}{more}", shown.join(", "))
}

fn keep<T>(fact: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    match fact {
        Ok(value) => Some(value),
        Err(problem) => {
            // One broken connection makes many facts fail in the same words.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
            None
        }
    }
}

impl Plan {
    /// What will be done, in order, and what each step waits for.
    pub fn steps(&self) -> Vec<PlannedStep> {
        let run = |step, why: String, after: &[Step]| planned(step, &Decision::Run(why), after);
        let push = match &self.build {
            Decision::Run(_) => Decision::Run(self.repository.reference(&self.tag)),
            Decision::Skip(why) => Decision::Skip(why.clone()),
        };
        let mut steps = vec![
            planned(Step::Build, &self.build, &[]),
            planned(Step::Push, &push, &[Step::Build]),
        ];
        let applied = self.applied.clone();
        if let Some(why) = &applied {
            steps.extend([
                planned(Step::Plan, &Decision::Skip(why.clone()), &[]),
                run(
                    Step::Pause,
                    "look again whether auto-deploy is paused".into(),
                    &[Step::Push],
                ),
                planned(Step::Apply, &Decision::Skip("nothing changes".into()), &[]),
            ]);
        } else if self.goal.deploys() {
            let tag = &self.tag;
            steps.extend([
                run(
                    Step::Plan,
                    format!("terraform plan with service_docker_tag={tag}"),
                    &[],
                ),
                run(
                    Step::Pause,
                    "look again whether auto-deploy is paused".into(),
                    &[Step::Push, Step::Plan],
                ),
                run(Step::Apply, "the saved plan".into(), &[Step::Pause]),
            ]);
        }
        if let Some(task) = &self.task {
            if self.goal.deploys() && applied.is_none() {
                steps.push(run(Step::Pause, "look once more".into(), &[Step::Apply]));
            }
            let (revision, before) = match self.goal {
                Goal::Isolated => ("of its own, with this image", Step::Push),
                _ if applied.is_some() => ("that is applied", Step::Pause),
                _ => ("that the apply made", Step::Apply),
            };
            steps.extend([
                run(
                    Step::Launch,
                    format!("{task} at the revision {revision}"),
                    &[before],
                ),
                run(
                    Step::Task,
                    "stream its logs, exit with its exit code".into(),
                    &[Step::Launch],
                ),
            ]);
        }
        steps
    }
}

fn planned(step: Step, decision: &Decision, after: &[Step]) -> PlannedStep {
    let (runs, why) = match decision {
        Decision::Run(what) => (true, what.clone()),
        Decision::Skip(why) => (false, why.clone()),
    };
    PlannedStep {
        step,
        runs,
        why,
        after: after.to_vec(),
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.steps() {
            let decision = if step.runs { "run " } else { "skip" };
            writeln!(f, "{:<7} {decision}  {}", step.step.name(), step.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
