//! The links between a time or an object and a task, and which of them evidence says is broken.
//!
//! Pure: what AWS answered goes in, a link or nothing comes out. Words that are not known here name no
//! link, since healthy wiring must never be blamed.

pub mod pattern;

use std::fmt::{self, Display};

use crate::clients::events::DeadLetter;
use crate::clients::signed::AwsError;
use crate::failure::Problem;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Bucket,
    Rule,
    Pattern,
    Role,
    PassRole,
    Target,
}

impl Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Link::Bucket => "bucket",
            Link::Rule => "rule",
            Link::Pattern => "pattern",
            Link::Role => "role",
            Link::PassRole => "PassRole",
            Link::Target => "target",
        })
    }
}

/// A broken link, with what AWS said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub link: Link,
    pub evidence: String,
    pub fix: String,
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        Problem::failed(
            format!(
                "nothing started; the broken link is the {}: {}",
                broken.link, broken.evidence
            ),
            broken.fix,
        )
    }
}

/// The family of a task definition's ARN, with or without its revision.
pub fn family_of(task_definition: &str) -> &str {
    let name = task_definition.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default()
}

/// What a dead letter says; None when its words are not known.
pub fn of_dead_letter(letter: &DeadLetter, role: &str) -> Option<Broken> {
    let words = format!("{} {}", letter.code, letter.message);
    let evidence = format!("the dead letter says: {}", letter.message);
    let has = |text: &str| words.contains(text);
    let (link, fix) = if has("iam:PassRole") {
        (
            Link::PassRole,
            format!(
                "allow {role} iam:PassRole on the task's execution role and task role: the modules' `task.role_arns` lists both"
            ),
        )
    } else if has("not authorized") && has("ecs:RunTask") {
        (
            Link::Role,
            format!("allow {role} ecs:RunTask on this family, on this cluster"),
        )
    } else if has("assume") {
        (
            Link::Role,
            format!("{role} must exist and trust the service that assumes it"),
        )
    } else if has("ClusterNotFound") || has("Cluster not found") {
        (
            Link::Target,
            "the target names a cluster that is not there".to_owned(),
        )
    } else if has("TaskDefinition") || has("task definition") {
        (
            Link::Target,
            "the target names a task definition without an active revision: deploy it".to_owned(),
        )
    } else {
        return None;
    };
    Some(Broken {
        link,
        evidence,
        fix,
    })
}

/// What CreateSchedule's refusal of a twin says about the original; None when it is about the twin.
pub fn of_refused_twin(error: &AwsError, role: &str) -> Option<Broken> {
    let about_role = error.code == "ValidationException" && error.message.contains("role");
    about_role.then(|| Broken {
        link: Link::Role,
        evidence: format!("Scheduler refuses {role}: {}", error.message),
        fix: "the role must exist, and its trust policy must let scheduler.amazonaws.com assume it"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_name_the_link() {
        for (code, message, expected) in [
            (
                "NO_PERMISSIONS",
                "User: x is not authorized to perform: ecs:RunTask on resource: y",
                Some(Link::Role),
            ),
            (
                "AccessDeniedException",
                "User: x is not authorized to perform: iam:PassRole on resource: y because no identity-based policy allows the iam:PassRole action",
                Some(Link::PassRole),
            ),
            (
                "NO_PERMISSIONS",
                "events.amazonaws.com is unable to assume role z",
                Some(Link::Role),
            ),
            (
                "ClusterNotFoundException",
                "Cluster not found.",
                Some(Link::Target),
            ),
            (
                "ClientException",
                "TaskDefinition is inactive",
                Some(Link::Target),
            ),
            (
                "InvalidParameterException",
                "No Container Instances were found",
                None,
            ),
            ("THROTTLING", "Rate exceeded", None),
        ] {
            let letter = DeadLetter {
                source: String::new(),
                code: code.to_owned(),
                message: message.to_owned(),
                body: String::new(),
            };
            let found = of_dead_letter(&letter, "role");
            assert_eq!(found.map(|broken| broken.link), expected, "{message}");
        }
    }

    #[test]
    fn only_a_refusal_of_the_role_is_about_the_role() {
        let error = |code: &str, message: &str| AwsError {
            tried: String::new(),
            status: 400,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let refused = error(
            "ValidationException",
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        );
        assert!(of_refused_twin(&refused, "r").is_some());
        // This is about the person who makes the twin, not about the schedule.
        let denied = error(
            "AccessDeniedException",
            "is not authorized to perform: iam:PassRole on role/x",
        );
        assert_eq!(of_refused_twin(&denied, "r"), None);
    }

    #[test]
    fn families() {
        assert_eq!(
            family_of("arn:aws:ecs:r:1:task-definition/api-test-a"),
            "api-test-a"
        );
        assert_eq!(
            family_of("arn:aws:ecs:r:1:task-definition/api-test-a:7"),
            "api-test-a"
        );
    }
}
