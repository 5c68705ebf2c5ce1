//! What exists once in an account (state bucket, ECR repository, cluster): infra/foundation,
//! applied to a fresh sandbox with its state on disk, as its README's bootstrap does.

use std::path::Path;

use anyhow::Context as _;

use super::address::{ACCOUNT, Address};
use crate::clients::aws::Aws;
use crate::clients::terraform::Terraform;
use crate::interrupt::Interrupt;
use crate::settings::Settings;
use crate::tools;

pub async fn apply(
    settings: &Settings,
    folder: &Path,
    address: &Address,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let source = settings.root.join("infra/foundation");
    let copy = folder.join("foundation");
    copy_without_backend(&source, &copy)?;
    let state = folder.join("foundation.tfstate");
    // MiniStack keeps nothing between two starts, so that an old state describes what is gone.
    if state.exists() {
        std::fs::remove_file(&state).with_context(|| format!("removing {}", state.display()))?;
    }
    let environments =
        serde_json::to_string(&settings.environments).context("the environments' names")?;
    let terraform = Terraform {
        program: tools::terraform(settings),
        root: copy,
        data_dir: folder.join("terraform-foundation"),
        backend_config: None,
        env: address.terraform_env(),
        env_remove: address.terraform_env_removed(),
        workspace: "default".to_owned(),
        vars: [
            ("aws_account_id", ACCOUNT),
            ("region", &settings.environment.region),
            ("app", &settings.app),
            ("ecr_repository", &settings.ecr_repository),
            ("environments", &environments),
            // Without the waits that only a bucket and a queue of a real AWS need.
            ("disposable", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        // Its state is a file of ours: nobody else locks it.
        lock_timeout: std::time::Duration::ZERO,
    };
    terraform.init(interrupt, |_| {}).await?;
    terraform.apply_directly(&state, interrupt).await?;
    // `disposable` leaves the queues out, because Terraform waits half a minute for each.
    let environment = Address::environment(&settings.environment);
    let events = Aws::connect(&environment, Some(address)).await.events();
    for name in &settings.environments {
        let queue = format!("{}-{name}-ecs-tasks-dead-letters", settings.app);
        events.create_queue(&queue).await?;
    }
    Ok(())
}

/// The backend block is alone in its file, which stays behind: local state is what is left.
fn copy_without_backend(source: &Path, copy: &Path) -> anyhow::Result<()> {
    if copy.exists() {
        std::fs::remove_dir_all(copy).with_context(|| format!("removing {}", copy.display()))?;
    }
    std::fs::create_dir_all(copy).with_context(|| format!("making {}", copy.display()))?;
    for entry in
        std::fs::read_dir(source).with_context(|| format!("reading {}", source.display()))?
    {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let wanted = name.ends_with(".tf") || name == ".terraform.lock.hcl";
        if wanted && name != "backend.tf" {
            std::fs::copy(&path, copy.join(name))
                .with_context(|| format!("copying {}", path.display()))?;
        }
    }
    Ok(())
}
