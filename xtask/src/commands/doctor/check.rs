//! What the doctor found about one thing, and how it is shown. Pure.

use serde::Serialize;

use crate::failure::Problem;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    /// None: it could not be looked at, because of something else that is missing.
    pub ok: Option<bool>,
    /// What was found, or what is wrong.
    pub found: String,
    pub fix: Option<String>,
}

impl Check {
    pub fn of(name: &'static str, found: Result<String, Problem>) -> Self {
        let (ok, found, fix) = match found {
            Ok(found) => (true, found, None),
            Err(problem) => (false, problem.message, problem.hint),
        };
        Check {
            name,
            ok: Some(ok),
            found,
            fix,
        }
    }

    pub fn not_looked_at(name: &'static str, why: impl Into<String>) -> Self {
        Check {
            name,
            ok: None,
            found: why.into(),
            fix: None,
        }
    }

    pub fn is_missing(&self) -> bool {
        self.ok == Some(false)
    }
}

pub fn table(checks: &[Check]) -> String {
    let line = |check: &Check| {
        let sign = match check.ok {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "–",
        };
        let found = check.found.replace('\n', "\n                  ");
        let fix = check.fix.as_ref().map(|fix| {
            format!(
                "\n                  fix: {}",
                fix.replace('\n', "\n                       ")
            )
        });
        format!(
            "{sign} {:<14}  {found}{}",
            check.name,
            fix.unwrap_or_default()
        )
    };
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_shows_its_fix_below() {
        let checks = [
            Check::of("git", Ok("commit 3f2c1ab".into())),
            Check::of(
                "docker",
                Err(Problem::failed("no Engine\nanswers", "start it")),
            ),
            Check::not_looked_at("logs", "needs credentials"),
        ];
        assert_eq!(
            table(&checks),
            "✓ git             commit 3f2c1ab
✗ docker          no Engine
                  answers
                  fix: start it
– logs            needs credentials"
        );
    }
}
