//! What the environment says of the tasks: their last runs, and whether their secrets exist.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::catalog::Catalog;
use crate::catalog::render::columns;
use crate::clients::ecs::Ecs;
use crate::clients::secrets;
use crate::commands::status;
use crate::hold::period;
use crate::session::Session;

pub struct Live {
    pub table: String,
    /// Secrets that a deployed definition names and that do not exist, in words.
    pub mistakes: Vec<String>,
}

pub async fn look(session: &Session, catalog: &Catalog) -> anyhow::Result<Live> {
    let aws = session.aws().await;
    let (ecs, signed) = (aws.ecs(), aws.signed());
    let service = session.settings.service();
    let mut rows = vec![["TASK", "LAST RUN", "SECRETS"].map(str::to_owned)];
    let mut mistakes = Vec::new();
    // Many tasks share a secret; each is asked for once.
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    for definition in catalog.definitions.iter().flatten() {
        let task = &definition.name;
        let family = format!("{service}-{task}");
        let Some(deployed) = ecs.deployed_environment(&family, task).await? else {
            rows.push([task.clone(), "not deployed".to_owned(), "-".to_owned()]);
            continue;
        };
        let mut cells = Vec::new();
        for (name, from) in &deployed.secrets {
            let exists = match known.get(from) {
                Some(exists) => *exists,
                None => secrets::exists(&signed, from).await?,
            };
            known.insert(from.clone(), exists);
            if exists {
                cells.push(name.clone());
            } else {
                cells.push(format!("{name} (missing)"));
                mistakes.push(format!(
                    "the task {task} cannot start in {}: {name} is the secret {from}, which does not exist",
                    session.settings.environment.name
                ));
            }
        }
        let secrets = if cells.is_empty() {
            "-".to_owned()
        } else {
            cells.join(", ")
        };
        let last = last_run(&ecs, &service, &family, task).await?;
        rows.push([task.clone(), last, secrets]);
    }
    Ok(Live {
        table: columns(&rows),
        mistakes,
    })
}

/// The newest of the tasks that ECS knows; it forgets a stopped one after about an hour.
async fn last_run(ecs: &Ecs, cluster: &str, family: &str, task: &str) -> anyhow::Result<String> {
    let runs = ecs.tasks_of_family(cluster, family, true).await?;
    let newest = runs.into_iter().max_by_key(|run| run.created_at);
    let Some(newest) = newest else {
        return Ok("none in the last hour".to_owned());
    };
    let run = if newest.is_stopped() {
        status::ended(ecs, cluster, task, newest).await
    } else {
        status::live(task, &newest)
    };
    let ago = period(Duration::from_secs(run.ago_seconds));
    // The row begins with the task's name already.
    let state = run.state.strip_prefix(&format!("{task} "));
    Ok(format!("{}, {ago} ago", state.unwrap_or(&run.state)))
}
