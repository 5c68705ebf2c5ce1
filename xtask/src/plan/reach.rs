//! How much of an environment gets a new image, and which tags the others keep. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::in_common::Applied;
use super::{Request, keep};
use crate::clients::state::Version;
use crate::clients::terraform::tags::{Tags, listed};
use crate::failure::Problem;
use crate::hold::Standing;
use crate::settings::Settings;

/// What is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    pub tags: Tags,
    /// The state that says so; None when nobody can tell which version that is.
    pub seen: Option<Version>,
}

impl Deployed {
    /// An apply that still stands.
    pub fn of(applied: &Applied) -> Self {
        Deployed {
            tags: applied.tags.clone(),
            seen: Some(applied.version.clone()),
        }
    }
}

/// What gets the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All tasks: whatever single tasks had is taken back.
    Whole,
    /// One task; all others keep what is deployed.
    Only {
        task: String,
        /// The tasks that were tried alone under the same hold: they keep their own tags.
        tried: BTreeSet<String>,
        /// All tasks there are; None when only Terraform can tell.
        tasks: Option<Vec<String>>,
    },
}

impl Reach {
    /// The tags when this one is applied where those are deployed.
    pub fn tags(&self, tag: &str, deployed: Option<&Tags>) -> Tags {
        let (
            Reach::Only {
                task, tried, tasks, ..
            },
            Some(deployed),
        ) = (self, deployed)
        else {
            return Tags::for_all(tag);
        };
        let is_kept = |name: &String| {
            let is_gone = tasks.as_ref().is_some_and(|tasks| !tasks.contains(name));
            tried.contains(name) && !is_gone
        };
        let mut own: BTreeMap<String, String> = deployed.own.clone();
        own.retain(|name, _| is_kept(name));
        own.insert(task.clone(), tag.to_owned());
        own.retain(|_, own| *own != deployed.all);
        Tags {
            all: deployed.all.clone(),
            own,
        }
    }

    /// The one task that gets the image; None when all do.
    pub fn task(&self) -> Option<&str> {
        match self {
            Reach::Whole => None,
            Reach::Only { task, .. } => Some(task),
        }
    }

    /// What was tried alone before, and goes back to the tag of all.
    pub fn taken_back(&self, deployed: &Tags, after: &Tags) -> BTreeMap<String, String> {
        let mut gone = deployed.own.clone();
        gone.retain(|name, _| self.task() != Some(name) && !after.own.contains_key(name));
        gone
    }

    /// The same under a hold with these exceptions.
    pub fn under(&self, own: &BTreeMap<String, String>) -> Reach {
        match self {
            Reach::Whole => Reach::Whole,
            Reach::Only { task, tasks, .. } => Reach::Only {
                task: task.clone(),
                tried: own.keys().cloned().collect(),
                tasks: tasks.clone(),
            },
        }
    }
}

/// What is said about it.
pub fn said(taken_back: &BTreeMap<String, String>) -> Option<String> {
    (!taken_back.is_empty())
        .then(|| format!("takes back what was tried alone: {}", listed(taken_back)))
}

/// What decides whether a task can be tried alone.
pub struct Alone<'a> {
    pub deployed: Result<Option<Deployed>, Problem>,
    pub lacks: Option<String>,
    pub holder: Option<&'a Standing>,
    pub tasks: Option<Vec<String>>,
}

/// Who gets the image, and what is deployed as far as that matters.
pub fn reach_of(
    settings: &Settings,
    request: &Request,
    alone: Alone<'_>,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) -> (Reach, Option<Deployed>) {
    let (Some(task), true) = (&request.task, request.only) else {
        // It is only named what is taken back.
        return (Reach::Whole, alone.deployed.ok().flatten());
    };
    let environment = &settings.environment.name;
    if let Some(lines) = alone.lacks {
        problems.push(Problem::refused(
            format!(
                "the Terraform of {environment} gives no task a tag of its own, so that {task} cannot be tried alone"
            ),
            format!("try it with all others, or {lines}"),
        ));
    }
    match keep(alone.deployed, problems) {
        Some(Some(deployed)) => {
            let tried = match alone.holder {
                Some(Standing::Mine(hold)) => hold.tried.keys().cloned().collect(),
                _ => BTreeSet::new(),
            };
            let reach = Reach::Only {
                task: task.clone(),
                tried,
                tasks: alone.tasks,
            };
            (reach, Some(deployed))
        }
        Some(None) => {
            warnings.push(format!(
                "nothing is deployed to {environment} yet, so that all tasks get this image"
            ));
            (Reach::Whole, None)
        }
        None => (Reach::Whole, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(task, tag)| ((*task).to_owned(), (*tag).to_owned()))
            .collect()
    }

    fn only(tried: &[&str]) -> Reach {
        Reach::Only {
            task: "job".into(),
            tried: tried.iter().map(|name| (*name).to_owned()).collect(),
            tasks: Some(vec!["job".into(), "import".into(), "report".into()]),
        }
    }

    #[test]
    fn exceptions_of_one_hold_add_up_and_no_others() {
        for (what, reach, deployed, expected, back) in [
            (
                "the first",
                only(&[]),
                own(&[]),
                own(&[("job", "new")]),
                own(&[]),
            ),
            (
                "again, with another edit",
                only(&["job"]),
                own(&[("job", "old")]),
                own(&[("job", "new")]),
                own(&[]),
            ),
            (
                "a second task of the same hold",
                only(&["import"]),
                own(&[("import", "i")]),
                own(&[("import", "i"), ("job", "new")]),
                own(&[]),
            ),
            (
                "somebody else's, whose hold has ended",
                only(&["import"]),
                own(&[("import", "i"), ("report", "r")]),
                own(&[("import", "i"), ("job", "new")]),
                own(&[("report", "r")]),
            ),
            (
                "a task that is gone",
                only(&["gone"]),
                own(&[("gone", "g")]),
                own(&[("job", "new")]),
                own(&[("gone", "g")]),
            ),
            (
                "all tasks",
                Reach::Whole,
                own(&[("job", "old")]),
                own(&[]),
                own(&[("job", "old")]),
            ),
        ] {
            let deployed = Tags {
                all: "main".into(),
                own: deployed,
            };
            let tags = reach.tags("new", Some(&deployed));
            let all = match reach {
                Reach::Whole => "new",
                Reach::Only { .. } => "main",
            };
            assert_eq!((tags.all.as_str(), &tags.own), (all, &expected), "{what}");
            assert_eq!(reach.taken_back(&deployed, &tags), back, "{what}");
        }
    }

    #[test]
    fn what_all_run_is_no_exception_and_nothing_deployed_has_none() {
        let deployed = Tags::for_all("new");
        assert_eq!(only(&[]).tags("new", Some(&deployed)), deployed);
        assert_eq!(only(&[]).tags("new", None), deployed);
    }

    #[test]
    fn another_hold_has_other_exceptions() {
        let reach = only(&["import"]);
        assert_eq!(reach.under(&own(&[("import", "i")])), reach);
        assert_eq!(reach.under(&own(&[])), only(&[]));
        assert_eq!(Reach::Whole.under(&own(&[("a", "b")])), Reach::Whole);
    }
}
