//! Everything that can be known before anything is changed, asked for at once.

use crate::clients::git::Git;
use crate::clients::{docker, tasks_file};
use crate::failure::{Problem, all_clear};
use crate::hold::Standing;
use crate::plan::{Facts, Goal, Plan, Request, plan, tag_of};
use crate::session::{Session, env_var};
use crate::settings::Builder;
use crate::steps::claim::{me, stand};
use crate::steps::require_paused::{self, own_run};
use crate::ui::Step;

/// The files whose content is the image's and the infra's; a change elsewhere makes no dirty tree.
pub fn watched_paths(session: &Session) -> Vec<String> {
    let mut paths = image_paths(session);
    paths.push("infra".to_owned());
    paths.sort();
    paths
}

/// The files whose content decides the image.
pub fn image_paths(session: &Session) -> Vec<String> {
    let mut paths: Vec<String> = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo"]
        .map(str::to_owned)
        .to_vec();
    paths.push(session.settings.project_dir().display().to_string());
    paths.push(session.settings.dockerfile.display().to_string());
    paths.sort();
    paths.dedup();
    paths
}

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
    let head = git
        .as_ref()
        .map_err(as_problem)
        .and_then(|git| git.head().map_err(|error| as_problem(&error)));
    let tree = head.clone().and_then(|_| {
        let git = git.as_ref().map_err(as_problem)?;
        tree_of(session, git).map_err(|error| as_problem(&error))
    });
    let behind = git
        .as_ref()
        .ok()
        .and_then(|git| git.behind(&settings.main_branch));
    let tag = head
        .as_ref()
        .ok()
        .zip(tree.as_ref().ok())
        .map(|(head, tree)| tag_of(head, tree));

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
        match settings.builder {
            Builder::Docker => docker::server_version(&session.interrupt).await,
            Builder::Daemonless => Ok(String::new()),
        }
    };
    let (identity, repository, published, cluster, auto_deploy, holder, docker, terraform) = tokio::join!(
        aws.identity(),
        ecr.repository(&settings.ecr_repository),
        published,
        cluster,
        auto_deploy,
        holder,
        docker,
        terraform,
    );
    let repository = repository.map_err(|error| as_problem(&error));
    // Without the repository ECR cannot know the tag; the repository is the problem to name.
    let published = match &repository {
        Ok(None) => Ok(None),
        _ => published.map_err(|error| as_problem(&error)),
    };
    Facts {
        head,
        tree,
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

/// The state of the watched files now.
pub fn tree_of(session: &Session, git: &Git) -> anyhow::Result<crate::clients::git::Tree> {
    let paths = watched_paths(session);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    git.tree(&paths)
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
