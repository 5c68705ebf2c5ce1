//! `cargo xtask auto-deploy status|pause|resume`.

use crate::cli::AutoDeploy;
use crate::session::Session;
use crate::steps::require_paused::look;

pub async fn run(action: AutoDeploy, session: &Session) -> anyhow::Result<u8> {
    let environment = &session.settings.environment;
    let change = !matches!(action, AutoDeploy::Status);
    if change && !environment.auto_deploy_workflows.is_empty() {
        let github = session.github()?;
        for file in &environment.auto_deploy_workflows {
            // The state first: a mistyped file is told here, before anything is changed.
            github.workflow(file).await?;
        }
        for file in &environment.auto_deploy_workflows {
            match action {
                AutoDeploy::Pause => github.disable(file).await?,
                AutoDeploy::Resume => github.enable(file).await?,
                AutoDeploy::Status => {}
            }
        }
    }
    let state = look(session).await;
    session.reporter.result(format!(
        "auto-deploy to {}: {}",
        environment.name,
        state.describe()
    ));
    if let crate::steps::require_paused::AutoDeploy::Unknown(problem) = state {
        return Err(problem.into());
    }
    Ok(0)
}
