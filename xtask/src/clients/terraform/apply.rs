//! `terraform apply` of a saved plan.

use anyhow::Context as _;

use super::outputs::Outputs;
use super::provider::Provider;
use super::{APPLY_GRACE, Said, SavedPlan, Terraform, text_of};
use crate::failure::Problem;
use crate::interrupt::Interrupt;

impl Terraform {
    /// Applies a saved plan. An interrupt reaches Terraform as one SIGINT; it then finishes what it
    /// has begun, writes the state and gives the lock back.
    pub async fn apply(
        &self,
        mut plan: SavedPlan,
        interrupt: &Interrupt,
        mut on_progress: impl FnMut(Said<'_>),
    ) -> anyhow::Result<Outputs> {
        if plan.change.is_empty() {
            return plan
                .change
                .outputs
                .context("the plan changes nothing and has no outputs");
        }
        let mut begun = false;
        let applied = self.apply_once(&plan, interrupt, &mut begun, &mut on_progress);
        let error = match applied.await {
            Err(error) if plan.provider.is_some() => error,
            applied => return applied,
        };
        // A lock, a stale plan and an interrupt are none of the provider's.
        if begun || error.downcast_ref::<Problem>().is_some() {
            return Err(explained(error, plan.provider.as_mut()));
        }
        let why = format!("Terraform starts the AWS provider itself: {error:#}");
        on_progress(Said::Line(&why));
        plan.provider = None;
        self.apply_once(&plan, interrupt, &mut begun, &mut on_progress)
            .await
    }

    /// `begun` becomes true with the first change.
    async fn apply_once(
        &self,
        plan: &SavedPlan,
        interrupt: &Interrupt,
        begun: &mut bool,
        on_progress: &mut impl FnMut(Said<'_>),
    ) -> anyhow::Result<Outputs> {
        let program = self
            .program_with("apply", plan.provider.as_ref())
            .args(["-json", "-input=false"])
            .arg(format!("-lock-timeout={}s", self.lock_timeout.as_secs()))
            .grace(APPLY_GRACE)
            .arg(plan.file()?);
        let mut outputs = None;
        self.run_json("applying", program, interrupt, |message| {
            *begun |= message["type"] == "apply_start";
            if message["type"] == "outputs" {
                outputs = Some(message["outputs"].clone());
            } else if message["type"] == "apply_complete" {
                on_progress(Said::Applied(text_of(message)));
            } else {
                on_progress(Said::Line(text_of(message)));
            }
        })
        .await?;
        Outputs::read(&outputs.context("the apply printed no outputs")?)
    }
}

/// With the last words of a provider that ended meanwhile: a panic, mostly. Terraform has them only of
/// one that it has started itself.
fn explained(error: anyhow::Error, provider: Option<&mut Provider>) -> anyhow::Error {
    let words = provider.map(Provider::last_words).unwrap_or_default();
    match words.trim() {
        "" => error,
        words => error.context(format!("the AWS provider ended: {words}")),
    }
}
