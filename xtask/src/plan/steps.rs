//! A plan as its steps: what is done, what is skipped, and what only a tool can tell.

use std::fmt::{self, Display};

use super::image::ImagePlan;
use super::in_common::InCommon;
use super::{Goal, Plan};
use crate::clients::terraform::outputs::Outputs;
use crate::clients::terraform::tags::{Tags, listed};
use crate::names::short_tag;
use crate::ui::Step;
use crate::ui::event::{Decision, PlannedStep};

impl Plan {
    /// What will be done, in order, and what each step waits for.
    pub fn steps(&self) -> Vec<PlannedStep> {
        let mut steps = vec![
            planned(Step::Build, self.build(), &[]),
            planned(Step::Push, self.push(), &[Step::Build]),
        ];
        let plan = self.terraform();
        let applies = !matches!(plan, Decision::Skip(_));
        if self.goal.deploys() {
            let waits: &[Step] = if applies {
                &[Step::Push, Step::Plan]
            } else {
                &[Step::Push]
            };
            let look = Decision::Run("look again whether auto-deploy is paused".into());
            steps.extend([
                planned(Step::Plan, plan, &[]),
                planned(Step::Pause, look, waits),
                planned(Step::Apply, self.apply(), &[Step::Pause]),
            ]);
        }
        let Some(task) = &self.task else {
            return steps;
        };
        if self.goal.deploys() && applies {
            let look = Decision::Ask("look once more, if anything was applied".into());
            steps.push(planned(Step::Pause, look, &[Step::Apply]));
        }
        let (revision, before) = match self.goal {
            Goal::Isolated => ("of its own, with this image", Step::Push),
            _ if applies => ("that is applied then", Step::Apply),
            _ => ("that is applied", Step::Pause),
        };
        let launch = Decision::Run(format!("{task} at the revision {revision}"));
        let follow = Decision::Run("stream its logs, exit with its exit code".into());
        steps.extend([
            planned(Step::Launch, launch, &[before]),
            planned(Step::Task, follow, &[Step::Launch]),
        ]);
        steps
    }

    /// Is there an image to build?
    pub fn build(&self) -> Decision {
        match &self.image {
            ImagePlan::Published { digest, tag, .. } => {
                Decision::Skip(format!("{} is in ECR as {}", tag.short(), digest.short()))
            }
            ImagePlan::SameContent(same) => Decision::Skip(match same.found() {
                Some(found) => format!("the same content is in ECR as {found}, and gets the tag"),
                None => "the same content is in ECR, and gets the tag".to_owned(),
            }),
            ImagePlan::Build(why) => Decision::Run(why.clone()),
            ImagePlan::Ask(why) => Decision::Ask(why.clone()),
        }
    }

    /// Is there anything to upload?
    fn push(&self) -> Decision {
        match self.build() {
            Decision::Skip(why) => Decision::Skip(why),
            Decision::Run(_) | Decision::Ask(_) => Decision::Ask(format!(
                "{}, unless ECR has what comes out",
                self.repository.reference(&self.tag)
            )),
        }
    }

    /// Is there anything to plan?
    pub fn terraform(&self) -> Decision {
        match (&self.in_common, &self.image) {
            (InCommon::All(outputs, _), ImagePlan::Ask(_)) => Decision::Ask(format!(
                "{}; only another image would be planned",
                self.why_applied(outputs)
            )),
            (InCommon::All(outputs, _), _) => Decision::Skip(self.why_applied(outputs)),
            (InCommon::Inputs { tags, .. } | InCommon::Image { applied: tags, .. }, _) => {
                Decision::Run(self.why_planned(tags))
            }
            (InCommon::Nothing, _) => Decision::Run(self.why_planned(&self.tags)),
        }
    }

    fn apply(&self) -> Decision {
        match self.terraform() {
            Decision::Skip(_) => Decision::Skip("nothing changes".into()),
            Decision::Run(_) | Decision::Ask(_) => Decision::Ask("what the plan finds".into()),
        }
    }

    fn why_planned(&self, tags: &Tags) -> String {
        let back = match self.taken_back.is_empty() {
            true => String::new(),
            false => format!("; takes back {}", listed(&self.taken_back)),
        };
        format!("terraform plan with {tags}{back}")
    }

    fn why_applied(&self, outputs: &Outputs) -> String {
        let task = self.task.as_deref().unwrap_or_default();
        let applied = outputs.tag_of(task);
        let tag = match outputs.task_docker_tags.contains_key(task) {
            true => format!("{} of {task} alone", short_tag(applied)),
            false => short_tag(applied),
        };
        if applied == self.tag.as_str() {
            format!("{tag} is applied, and the state is as that apply left it")
        } else {
            format!(
                "{tag} is applied, whose image has the same content; the state is as that apply left it"
            )
        }
    }
}

fn planned(step: Step, decision: Decision, after: &[Step]) -> PlannedStep {
    PlannedStep {
        step,
        decision,
        after: after.to_vec(),
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PlannedStep { step, decision, .. } in self.steps() {
            writeln!(
                f,
                "{:<7} {:<4}  {}",
                step.name(),
                decision.name(),
                decision.why()
            )?;
        }
        Ok(())
    }
}
