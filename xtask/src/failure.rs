//! What the tool itself could not do: a message, a hint, and the exit code that goes with it.
//!
//! Everything else travels as `anyhow::Error`; a [`Problem`] in the chain is what `main` branches on.

use std::fmt::{self, Display};

use crate::outcome::exit;

/// Why the tool stopped; each kind has an exit code of its own, after docker's convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The loop failed before the task ran.
    Failed,
    /// A precondition refuses: nothing was changed.
    Refused,
    /// The user interrupted.
    Interrupted,
    /// The task goes on running without us, as the user chose.
    Detached,
    /// `--timeout` is over, and the task goes on running.
    TimedOut,
    /// The command line asks for something that does not exist or does not fit.
    Usage,
}

impl Kind {
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 125,
            Kind::Refused => 126,
            Kind::Interrupted => 130,
            Kind::Detached => exit::DETACHED,
            Kind::TimedOut => exit::TIMED_OUT,
            Kind::Usage => 2,
        }
    }
}

/// One thing that is wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            kind: Kind::Failed,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            kind: Kind::Refused,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            kind: Kind::Usage,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    pub fn interrupted(message: impl Into<String>) -> Self {
        Problem {
            kind: Kind::Interrupted,
            message: message.into(),
            hint: None,
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Several problems that were found together, so that the user mends them in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// A failure outranks a refusal: "refused" promises that only a precondition was in the way.
    pub fn kind(&self) -> Kind {
        let all_refused = self.0.iter().all(|problem| problem.kind == Kind::Refused);
        if all_refused {
            Kind::Refused
        } else {
            Kind::Failed
        }
    }
}

impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problems", self.0.len())
    }
}

impl std::error::Error for Problems {}

/// Turns collected problems into an error; `Ok` when there are none.
pub fn all_clear(mut problems: Vec<Problem>) -> anyhow::Result<()> {
    match problems.len() {
        0 => Ok(()),
        1 => Err(problems.remove(0).into()),
        _ => Err(Problems(problems).into()),
    }
}

/// The exit code of an error that reached `main`.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        return problems.kind().exit_code();
    }
    error
        .downcast_ref::<Problem>()
        .map_or(Kind::Failed, |problem| problem.kind)
        .exit_code()
}

/// The whole text of an error: the chain once, then the hints.
pub fn render(error: &anyhow::Error) -> String {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        let mut text = String::new();
        for problem in &problems.0 {
            text.push_str(&format!("error: {}\n", problem.message));
            if let Some(hint) = &problem.hint {
                text.push_str(&format!("  hint: {}\n", indent(hint, "        ")));
            }
        }
        return text;
    }
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!(
            "  caused by: {}\n",
            indent(&cause.to_string(), "    ")
        ));
    }
    if let Some(hint) = error
        .downcast_ref::<Problem>()
        .and_then(|problem| problem.hint.as_deref())
    {
        text.push_str(&format!("\nhint: {}\n", indent(hint, "      ")));
    }
    text
}

fn indent(text: &str, by: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{by}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_context_around_a_problem_keeps_its_code_and_hint() {
        let error = Err::<(), _>(Problem::refused("auto-deploy is active", "pause it"))
            .context("deploying to test")
            .unwrap_err();
        assert_eq!(exit_code(&error), 126);
        assert_eq!(
            render(&error),
            "error: deploying to test\n  caused by: auto-deploy is active\n\nhint: pause it\n"
        );
    }

    #[test]
    fn a_failure_among_refusals_is_a_failure() {
        let problems = vec![Problem::refused("a", "b"), Problem::failed("c", "d\ne")];
        let error = all_clear(problems).unwrap_err();
        assert_eq!(exit_code(&error), 125);
        assert_eq!(
            render(&error),
            "error: a\n  hint: b\nerror: c\n  hint: d\n        e\n"
        );
    }

    #[test]
    fn anything_else_is_a_failure_of_the_tool() {
        assert_eq!(exit_code(&anyhow::anyhow!("boom")), 125);
    }
}
