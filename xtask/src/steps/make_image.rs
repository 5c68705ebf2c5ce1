//! Sources → what an image is made of, and the tag of what was really read.

use crate::clients::git::compare::Difference;
use crate::failure::Problem;
use crate::names::{GitSha, ImageTag};
use crate::plan::Plan;
use crate::plan::image::{listed, tag_of};
use crate::session::Session;
use crate::settings::Recipe;
use crate::steps::compile::{Binary, compile};
use crate::steps::sources::compiled::Compiled;
use crate::steps::sources::{context, of_read};
use crate::ui::Step;

/// The image that is asked for: of this commit, under this tag as far as it can be known before.
pub struct Wanted<'a> {
    pub sha: &'a GitSha,
    pub tag: &'a ImageTag,
    /// What Terraform reads and is not in the commit.
    pub terraform_changes: &'a [Difference],
    pub allow_dirty: bool,
}

impl<'a> Wanted<'a> {
    pub fn of(plan: &'a Plan) -> Self {
        Wanted {
            sha: &plan.sha,
            tag: &plan.tag,
            terraform_changes: &plan.terraform_changes,
            allow_dirty: plan.allow_dirty,
        }
    }
}

/// What was built, with the tag that it must bear.
pub struct Made {
    pub tag: ImageTag,
    pub source: Source,
}

pub enum Source {
    /// A binary, and what is known of it.
    Compiled(Binary, Box<Compiled>),
    /// A context that was written out.
    Context(Box<context::Staged>),
}

/// Reads the sources, compiles where that is ours to do, and finds the tag of what was really read.
pub async fn make(session: &Session, wanted: &Wanted<'_>) -> anyhow::Result<Made> {
    let settings = &session.settings;
    let git = session.git()?;
    let (source, differences) = match settings.recipe() {
        Recipe::Context(folder) => {
            let staged = context::stage(settings, &git, &folder)?;
            let differences = staged.differences.clone();
            (Source::Context(Box::new(staged)), differences)
        }
        Recipe::Assembled | Recipe::Staged => {
            let what = format!("compiling {} for {}", settings.package, settings.platform);
            let timer = session.reporter.started(Step::Build, what);
            let (binary, compiled) = compile(session).await?;
            let size = binary.bytes.len() as f64 / 1e6;
            let differences = of_read(settings, &git, &compiled)?;
            let done = format!("{} with a binary of {size:.1} MB", wanted.tag.short());
            session.reporter.finished(&timer, done);
            (Source::Compiled(binary, Box::new(compiled)), differences)
        }
    };
    if git.head()?.sha != *wanted.sha {
        return Err(Problem::failed(
            "HEAD moved while the image was built, so that nobody can say which commit is in it",
            "run the command again",
        )
        .into());
    }
    let tag = tag_of(wanted.sha, &differences, wanted.terraform_changes);
    if tag.is_dirty() && !wanted.allow_dirty {
        return Err(Problem::refused(
            format!(
                "in the image and not in the commit: {}",
                listed(&differences)
            ),
            "commit them, or add --allow-dirty to use a tag that says so",
        )
        .into());
    }
    if tag != *wanted.tag {
        let why = if differences.is_empty() {
            "all that was read is committed".to_owned()
        } else {
            format!("not in the commit: {}", listed(&differences))
        };
        let what = format!("the tag is {} now that it was read: {why}", tag.short());
        session.reporter.detail(Step::Build, what);
    }
    Ok(Made { tag, source })
}
