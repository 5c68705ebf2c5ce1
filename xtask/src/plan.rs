//! (Settings, Request, Facts) → Plan: what will be done and what is skipped, and why. Pure.

pub mod image;
pub mod in_common;
pub mod reach;
mod steps;

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::clients::aws::Identity;
use crate::clients::ecr::Repository;
use crate::clients::git::Head;
use crate::clients::git::compare::Difference;
use crate::clients::state::Version;
use crate::clients::terraform::tags::Tags;
use crate::failure::Problem;
use crate::hold::{Standing, may_change, may_deploy_main, may_hold};
use crate::names::{Digest, GitSha, ImageTag, did_you_mean};
use crate::settings::Settings;
use crate::steps::require_paused::AutoDeploy;
use crate::steps::sources::Sources;
use image::{ImagePlan, SameContent, decide_image, tag_of, uncommitted};
use in_common::InCommon;
use reach::{Alone, Deployed, Reach, reach_of, said};

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
    /// The task alone gets the image.
    pub only: bool,
    /// Plan in full, whatever the last apply spares.
    pub refresh: bool,
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
    /// What goes into the image.
    pub sources: Result<Sources, Problem>,
    /// What a Terraform plan reads and the commit does not have so; empty for what never meets Terraform.
    pub terraform_changes: Result<Vec<Difference>, Problem>,
    /// Would the compiler be called as the last time?
    pub same_compiler: bool,
    /// What the last compile made, where it would be made again.
    pub same_content: Result<Option<SameContent>, Problem>,
    pub deployed: Result<Option<Deployed>, Problem>,
    /// What the environment's Terraform lacks to give a task a tag of its own: the lines to add.
    pub lacks: Option<String>,
    /// The last apply, where it still stands.
    pub applied: Option<in_common::Standing>,
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
    /// What in the environment would make Terraform plan something else.
    pub misleading: Vec<Problem>,
    /// The names in tasks.tf; None when only Terraform can tell.
    pub tasks: Result<Option<Vec<String>>, Problem>,
    /// Commits of main that HEAD lacks.
    pub behind: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub sha: GitSha,
    /// Of what is known before the build: what the compiler then reads may make it another one.
    pub tag: ImageTag,
    pub repository: Repository,
    pub image: ImagePlan,
    /// The digest under the tag, when ECR has it.
    pub published: Option<Digest>,
    /// What is in the image and not in the commit.
    pub image_changes: Vec<Difference>,
    /// What Terraform reads and is not in the commit.
    pub terraform_changes: Vec<Difference>,
    pub allow_dirty: bool,
    pub goal: Goal,
    pub task: Option<String>,
    /// Who gets the image.
    pub reach: Reach,
    /// What the definitions are to name.
    pub tags: Tags,
    /// What was tried alone, and gets the tag of all again.
    pub taken_back: BTreeMap<String, String>,
    /// The state that the tags were read from.
    pub seen: Option<Version>,
    /// Tag → content, of what is applied.
    pub contents: BTreeMap<String, String>,
    /// What the last apply spares.
    pub in_common: InCommon,
    /// Nobody had the environment when it was looked at.
    pub free: bool,
    pub warnings: Vec<String>,
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
        problems.extend(facts.misleading);
    }
    if let Some(task) = &request.task {
        problems.extend(unknown_task(settings, task, &facts.tasks));
    }
    let mut warnings = Vec::new();
    let head = keep(facts.head, &mut problems);
    let sources = keep(facts.sources, &mut problems);
    let terraform_changes = keep(facts.terraform_changes, &mut problems).unwrap_or_default();
    let (found, refused) = match &sources {
        Some(sources) => uncommitted(request, &sources.differences, &terraform_changes),
        None => (Vec::new(), Vec::new()),
    };
    warnings.extend(found);
    problems.extend(refused);
    let behind = facts.behind.filter(|behind| deploys && *behind > 0);
    warnings.extend(behind.map(|behind| lacks_commits(settings, request, behind)));
    let tasks = facts.tasks.as_ref().ok().cloned().flatten();
    let alone = Alone {
        deployed: facts.deployed,
        lacks: facts.lacks,
        holder: facts.holder.as_ref(),
        tasks,
    };
    let (reach, deployed) = reach_of(settings, request, alone, &mut problems, &mut warnings);

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
    let tag = head.as_ref().zip(sources.as_ref());
    let tag =
        tag.map(|(head, sources)| tag_of(&head.sha, &sources.differences, &terraform_changes));
    let same_content = if known_caller {
        keep(facts.same_content, &mut problems).flatten()
    } else {
        None
    };
    let image = tag.as_ref().zip(sources.as_ref()).map(|(tag, sources)| {
        let same = (facts.same_compiler, same_content);
        decide_image(
            settings,
            request.goal,
            tag,
            sources,
            published.as_ref(),
            same,
        )
    });
    match (request.goal, &published, &tag) {
        (Goal::Deploy, None, Some(tag)) if known_caller => problems.push(Problem::refused(
            format!("the image {} is not in ECR", tag.short()),
            format!("publish it first: cargo xtask build-and-publish{flags}"),
        )),
        _ if image.as_ref().is_some_and(ImagePlan::is_skipped) => {}
        _ => drop(keep(facts.docker, &mut problems)),
    }
    match (head, sources, tag, repository.flatten(), image) {
        (Some(head), Some(sources), Some(tag), Some(repository), Some(image))
            if problems.is_empty() =>
        {
            let content = image.content();
            let before = deployed.as_ref().map(|deployed| &deployed.tags);
            let tags = reach.tags(tag.as_str(), before);
            let taken_back = before.map_or_else(BTreeMap::new, |it| reach.taken_back(it, &tags));
            let seen = deployed.and_then(|deployed| deployed.seen);
            warnings.extend(said(&taken_back));
            let applied = facts.applied.as_ref();
            let contents = applied.map_or_else(BTreeMap::new, |it| it.applied.contents.clone());
            let in_common = facts.applied.map_or(InCommon::Nothing, |applied| {
                applied.in_common(&tags, reach.task(), content.as_ref(), SystemTime::now())
            });
            Ok(Plan {
                reach,
                tags,
                taken_back,
                seen,
                contents,
                sha: head.sha,
                in_common: image.limit(in_common),
                image,
                tag,
                repository,
                published,
                image_changes: sources.differences,
                terraform_changes,
                allow_dirty: request.allow_dirty,
                goal: request.goal,
                task: request.task.clone(),
                free: facts.holder == Some(Standing::Free),
                warnings,
            })
        }
        _ => Err(problems),
    }
}

fn lacks_commits(settings: &Settings, request: &Request, behind: usize) -> String {
    let (main, environment) = (&settings.main_branch, &settings.environment.name);
    // All other tasks keep their image.
    let what = if request.only {
        format!("Terraform in {environment}")
    } else {
        environment.to_string()
    };
    format!(
        "this branch lacks {behind} of origin/{main}'s commits: what they changed in {what} would be undone until it is deployed again"
    )
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
pub fn unknown_task(
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

#[cfg(test)]
mod tests;
