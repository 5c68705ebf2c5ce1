//! What happens about the image, and the tag that it bears. Pure.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::in_common::InCommon;
use super::{Goal, Request};
use crate::clients::git::compare::{Difference, Kind};
use crate::failure::Problem;
use crate::names::{ContentTags, Digest, GitSha, ImageTag};
use crate::settings::Settings;
use crate::steps::sources::{Known, Sources};

/// How the image gets to be in ECR under its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImagePlan {
    /// It is there, and it is what would be built.
    Published {
        digest: Digest,
        tag: ImageTag,
        content: Option<ImageTag>,
    },
    /// ECR has what would be built under another tag.
    SameContent(SameContent),
    /// It is built, for this reason.
    Build(String),
    /// Only a tool can tell whether there is anything to build, and this is why it is asked.
    Ask(String),
}

/// The content of what the last compile made: what is compiled now would be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SameContent {
    pub tags: ContentTags,
    /// What ECR has under each of them.
    pub own: Option<Digest>,
    pub other: Option<Digest>,
}

impl SameContent {
    /// The tag under which ECR has it.
    pub fn found(&self) -> Option<&ImageTag> {
        match (&self.own, &self.other) {
            (Some(_), _) => Some(&self.tags.own),
            (None, Some(_)) => Some(&self.tags.other),
            (None, None) => None,
        }
    }
}

impl ImagePlan {
    pub fn is_skipped(&self) -> bool {
        matches!(
            self,
            ImagePlan::Published { .. } | ImagePlan::SameContent(_)
        )
    }

    /// The name of the content, where it is known before anything is built.
    pub fn content(&self) -> Option<ImageTag> {
        match self {
            ImagePlan::Published { content, .. } => content.clone(),
            ImagePlan::SameContent(same) => Some(same.tags.own.clone()),
            ImagePlan::Build(_) | ImagePlan::Ask(_) => None,
        }
    }

    /// An image that is yet to be built has nothing in common with the one that is applied.
    pub fn limit(&self, in_common: InCommon) -> InCommon {
        match (self, in_common) {
            (ImagePlan::Build(_), InCommon::All(..) | InCommon::Image { .. }) => InCommon::Nothing,
            (ImagePlan::Ask(_), InCommon::Image { .. }) => InCommon::Nothing,
            (_, in_common) => in_common,
        }
    }
}

/// The tag of a commit, or of a commit and what is not committed: the image's and, where something is
/// deployed, Terraform's.
pub fn tag_of(sha: &GitSha, image: &[Difference], terraform: &[Difference]) -> ImageTag {
    if image.is_empty() && terraform.is_empty() {
        return ImageTag::of_commit(sha);
    }
    let mut hash = Sha256::new();
    for (part, differences) in [("image", image), ("terraform", terraform)] {
        for Difference { path, kind, id } in differences {
            hash.update(format!("{part}\0{path}\0{kind:?}\0{id}\n"));
        }
    }
    ImageTag::of_changes(sha, &Digest::of(&hash.finalize().into()))
}

pub fn decide_image(
    settings: &Settings,
    goal: Goal,
    tag: &ImageTag,
    sources: &Sources,
    published: Option<&Digest>,
    (same_compiler, same_content): (bool, Option<SameContent>),
) -> ImagePlan {
    let package = &settings.package;
    let platform = settings.platform;
    let (certain, doubt) = match &sources.known {
        Known::Context => (true, None),
        // A commit's image is that commit's, whichever compiler made it.
        Known::Unchanged(_) => (!tag.is_dirty() || same_compiler, None),
        Known::Changed { doubt, .. } | Known::Nothing { doubt } => {
            // What is deployed is the commit's image, whatever git ignores here.
            let doubt = doubt.first().filter(|_| goal != Goal::Deploy);
            (!tag.is_dirty() && doubt.is_none(), doubt)
        }
    };
    if let Some(digest) = published.filter(|_| certain || goal == Goal::Deploy) {
        return ImagePlan::Published {
            digest: digest.clone(),
            tag: tag.clone(),
            // The one under the tag may have come from elsewhere.
            content: same_content
                .filter(|same| same.own.as_ref() == Some(digest))
                .map(|same| same.tags.own),
        };
    }
    if let Some(same) = same_content.filter(|same| same.found().is_some()) {
        return ImagePlan::SameContent(same);
    }
    match (&sources.known, doubt) {
        (_, Some(doubt)) => ImagePlan::Ask(format!(
            "cargo compiles {package} for {platform}: it alone knows whether {doubt} is in it"
        )),
        (Known::Nothing { .. }, None) => ImagePlan::Ask(format!(
            "cargo compiles {package} for {platform}, if it has not: nothing is known of a compile here"
        )),
        (Known::Changed { what, .. }, None) => ImagePlan::Build(format!(
            "{package} for {platform}: {}",
            changed(settings, what.iter().map(std::path::PathBuf::as_path))
        )),
        (Known::Unchanged(_), None) => {
            ImagePlan::Build(format!("{package} for {platform}: ECR does not have it"))
        }
        (Known::Context, None) => ImagePlan::Build(format!("for {platform}")),
    }
}

fn changed<'a>(settings: &Settings, what: impl Iterator<Item = &'a Path>) -> String {
    let names = what.map(|path| path.strip_prefix(&settings.root).unwrap_or(path));
    let names: Vec<String> = names.map(|path| path.display().to_string()).collect();
    match names.as_slice() {
        [one] => format!("{one} has changed"),
        [first, rest @ ..] => format!("{first} and {} more have changed", rest.len()),
        [] => "something has changed".to_owned(),
    }
}

/// What is said about uncommitted work, each kind by itself: warnings, and what refuses it.
pub fn uncommitted(
    request: &Request,
    image: &[Difference],
    terraform: &[Difference],
) -> (Vec<String>, Vec<Problem>) {
    let mut warnings = Vec::new();
    let mut problems = Vec::new();
    let applied = match request.goal.deploys() {
        true => "it is applied, and the tag says so",
        false => "the tag says so",
    };
    let consequences = [
        (
            image,
            "uncommitted changes",
            "they are in the image, and its tag says so",
        ),
        (terraform, "uncommitted Terraform", applied),
    ];
    for (differences, what, consequence) in consequences {
        if differences.is_empty() {
            continue;
        }
        let named = format!("{what}: {}", listed(differences));
        if request.allow_dirty {
            warnings.push(format!("{named}: {consequence}"));
        } else {
            problems.push(Problem::refused(
                named,
                "commit them, or add --allow-dirty to use a tag that says so",
            ));
        }
    }
    (warnings, problems)
}

/// The first files that differ, with what is not plain about them.
pub fn listed(differences: &[Difference]) -> String {
    let shown = differences.iter().take(3).map(|difference| {
        let path = &difference.path;
        match difference.kind {
            Kind::Modified | Kind::New => path.clone(),
            Kind::Deleted => format!("{path} (deleted)"),
            Kind::Ignored => format!("{path} (git ignores it)"),
            Kind::Outside => format!("{path} (outside of the repository)"),
        }
    });
    let shown: Vec<String> = shown.collect();
    match differences.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
