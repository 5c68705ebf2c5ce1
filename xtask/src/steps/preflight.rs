//! Everything that can be known before anything is changed, asked for at once.

use crate::clients::git::compare::Difference;
use crate::clients::git::{Git, Head};
use crate::clients::{docker, tasks_file};
use crate::failure::{Problem, all_clear};
use crate::hold::Standing;
use crate::names::{ContentTags, Digest, ImageTag};
use crate::plan::image::{SameContent, tag_of};
use crate::plan::reach::Deployed;
use crate::plan::{Facts, Goal, Plan, Request, plan};
use crate::session::{Session, env_var};
use crate::settings::Recipe;
use crate::steps::applied::still_stands;
use crate::steps::claim::{me, stand};
use crate::steps::compile::build_inputs;
use crate::steps::content::find_same_content;
use crate::steps::own_tags::{deployed, in_state, lacks};
use crate::steps::require_paused::{self, own_run};
use crate::steps::sources::{Known, Sources, image_sources, uncommitted_terraform};
use crate::ui::Step;

/// Asks, decides, and shows the plan's warnings. All problems come in one error.
pub async fn preflight(session: &Session, request: &Request) -> anyhow::Result<Plan> {
    let settings = &session.settings;
    let timer = session.reporter.started(
        Step::Check,
        format!("{} in {}", goal_name(request), settings.environment.name),
    );
    let facts = gather(session, request).await;
    let plan = match plan(settings, request, facts, &session.flags()) {
        Ok(plan) => plan,
        Err(problems) => {
            all_clear(problems)?;
            anyhow::bail!("preflight found nothing wrong and yet no plan");
        }
    };
    for warning in &plan.warnings {
        session.reporter.warning(Step::Check, warning);
    }
    session.reporter.finished(
        &timer,
        format!(
            "commit {}, image tag {}",
            plan.sha.short(),
            plan.tag.short()
        ),
    );
    session.reporter.planned(plan.steps());
    Ok(plan)
}

async fn gather(session: &Session, request: &Request) -> Facts {
    let settings = &session.settings;
    let deploys = request.goal.deploys();
    let git = session.git();
    let ours = here(session, request, &git).await;
    let behind = git
        .as_ref()
        .ok()
        .and_then(|git| git.behind(&settings.main_branch));
    let tag = ours.tag();

    let aws = session.aws().await;
    let (ecr, ecs) = (aws.ecr(), aws.ecs());
    let service = settings.service();
    let published = async {
        match &tag {
            Some(tag) => ecr.digest(&settings.ecr_repository, tag).await,
            None => Ok(None),
        }
    };
    let cluster = async {
        if deploys {
            ecs.has_cluster(&service).await
        } else {
            Ok(true)
        }
    };
    let auto_deploy = async {
        if deploys {
            Some(require_paused::look(session).await)
        } else {
            None
        }
    };
    let holder = async {
        if deploys {
            Some(holder(session, request.author.as_deref()).await)
        } else {
            None
        }
    };
    let terraform = async {
        if deploys {
            session.terraform_version().await
        } else {
            Ok(String::new())
        }
    };
    let docker = async {
        match settings.recipe() {
            Recipe::Assembled => Ok(String::new()),
            Recipe::Staged | Recipe::Context(_) => docker::server_version(&session.interrupt).await,
        }
    };
    let applied = async {
        let applied = match &request.task {
            Some(task) if deploys && !request.refresh => still_stands(session, task).await,
            _ => None,
        };
        let deployed = match &applied {
            Some(standing) => Ok(Some(Deployed::of(&standing.applied))),
            None if request.only => deployed(session).await,
            None if deploys => in_state(session).await,
            None => Ok(None),
        };
        (applied, deployed)
    };
    let (
        identity,
        repository,
        published,
        cluster,
        auto_deploy,
        holder,
        docker,
        terraform,
        (applied, deployed),
        (same_compiler, same_content),
    ) = tokio::join!(
        aws.identity(),
        ecr.repository(&settings.ecr_repository),
        published,
        cluster,
        auto_deploy,
        holder,
        docker,
        terraform,
        applied,
        last_compile(session, &ours),
    );
    let repository = repository.map_err(|error| as_problem(&error));
    // Without the repository ECR cannot know the tag; the repository is the problem to name.
    let (published, same_content) = match &repository {
        Ok(None) => (Ok(None), Ok(None)),
        _ => (published.map_err(|error| as_problem(&error)), same_content),
    };
    Facts {
        head: ours.head,
        sources: ours.sources,
        terraform_changes: ours.terraform,
        same_compiler,
        same_content,
        applied,
        deployed: deployed.map_err(|error| as_problem(&error)),
        lacks: request.only.then(|| lacks(settings)).flatten(),
        identity: identity.map_err(|error| as_problem(&error)),
        repository,
        published,
        cluster: cluster.map_err(|error| as_problem(&error)),
        auto_deploy,
        holder,
        auto_deploy_workflow: own_run(&env_var)
            .filter(|own| require_paused::is_auto_deploy(settings, Some(own)))
            .map(|own| own.workflow),
        docker,
        terraform,
        misleading: session.misleading_terraform(),
        tasks: tasks_file::task_names(&settings.root.join(&settings.tasks_file))
            .map_err(|error| as_problem(&error)),
        behind,
    }
}

/// Who holds the environment, as the one who asks finds it. An unknown caller is told of that alone.
async fn holder(session: &Session, author: Option<&str>) -> Standing {
    match me(session, author).await {
        Ok(me) => stand(&session.holds().await, &me).await.1,
        Err(_) => Standing::Free,
    }
}

/// What this checkout is made of.
struct Here {
    head: Result<Head, Problem>,
    sources: Result<Sources, Problem>,
    terraform: Result<Vec<Difference>, Problem>,
}

async fn here(session: &Session, request: &Request, git: &anyhow::Result<Git>) -> Here {
    let git = git.as_ref().map_err(as_problem);
    let head = git
        .clone()
        .and_then(|git| git.head().map_err(|error| as_problem(&error)));
    // Without a commit there is nothing to compare with, and that is the problem to name.
    let git = git.and_then(|git| head.clone().map(|_| git));
    let sources = match git.clone() {
        Ok(git) => image_sources(&session.settings, git, &session.interrupt)
            .await
            .map_err(|error| as_problem(&error)),
        Err(problem) => Err(problem),
    };
    // The tag of an image that is published is the one that a deploy looks for.
    let terraform = git.and_then(|git| match request.goal {
        Goal::Isolated => Ok(Vec::new()),
        _ => uncommitted_terraform(session, git).map_err(|error| as_problem(&error)),
    });
    Here {
        head,
        sources,
        terraform,
    }
}

impl Here {
    fn tag(&self) -> Option<ImageTag> {
        match (&self.head, &self.sources, &self.terraform) {
            (Ok(head), Ok(sources), Ok(terraform)) => {
                Some(tag_of(&head.sha, &sources.differences, terraform))
            }
            _ => None,
        }
    }
}

/// Would the last compile be made again, and what does ECR have of it?
async fn last_compile(
    session: &Session,
    ours: &Here,
) -> (bool, Result<Option<SameContent>, Problem>) {
    let (Ok(sources), Some(tag)) = (&ours.sources, ours.tag()) else {
        return (false, Ok(None));
    };
    let Known::Unchanged(last) = &sources.known else {
        return (false, Ok(None));
    };
    // It was published under this very tag: the tag tells all.
    if !tag.is_dirty() && last.tag.as_deref() == Some(tag.as_str()) {
        return (false, Ok(None));
    }
    let inputs = build_inputs(session).await.unwrap_or_default();
    if !last.same_compiler(&inputs) {
        return (false, Ok(None));
    }
    let content = last.content.as_deref().map(Digest::parse);
    let Some(Ok(content)) = content.filter(|_| session.settings.recipe() == Recipe::Assembled)
    else {
        return (true, Ok(None));
    };
    let tags = ContentTags::of(&content, tag.is_dirty());
    let ecr = session.aws().await.ecr();
    let found = find_same_content(&ecr, &session.settings.ecr_repository, tags).await;
    (true, found.map(Some).map_err(|error| as_problem(&error)))
}

fn goal_name(request: &Request) -> String {
    match (request.goal, &request.task) {
        (_, Some(task)) => format!("{task}: can it be tried"),
        (Goal::Publish, None) => "can the image be published".to_owned(),
        (_, None) => "can it be deployed".to_owned(),
    }
}

/// An error as a problem among others, with its whole chain in one text.
pub fn as_problem(error: &anyhow::Error) -> Problem {
    match error.downcast_ref::<Problem>() {
        Some(problem) => Problem {
            message: format!("{error:#}"),
            ..problem.clone()
        },
        None => Problem {
            kind: crate::failure::Kind::Failed,
            message: format!("{error:#}"),
            hint: None,
        },
    }
}
