//! Which branches get an environment's role in AWS: GitHub's rule for its environment of that name.

use super::check::Check;
use crate::clients::github::environments::Protection;
use crate::failure::Problem;
use crate::session::Session;

const NAME: &str = "GitHub rules";
const FIX: &str = "let only the main branch use it: infra/foundation/README.md, \"Protect the GitHub environments\", has the two commands";

/// Where nothing on GitHub deploys, there is nothing to protect. Whoever may not ask is told so.
pub async fn look(session: &Session) -> Option<Check> {
    let environment = &session.settings.environment;
    if environment.auto_deploy_workflows.is_empty() && environment.deploy_workflows.is_empty() {
        return None;
    }
    let asked = async { session.github()?.protection(&environment.name).await };
    let asked = tokio::time::timeout(super::PATIENCE, asked).await;
    Some(match asked {
        Ok(Ok(found)) => Check::of(NAME, judge(environment.name.as_str(), &found)),
        Ok(Err(error)) => Check::not_looked_at(NAME, format!("not looked at: {error:#}")),
        Err(_) => Check::not_looked_at(NAME, "not looked at: GitHub did not answer in time"),
    })
}

fn judge(environment: &str, found: &Protection) -> Result<String, Problem> {
    let problem = |what: String| Err(Problem::refused(what, FIX));
    match found {
        Protection::NoEnvironment => problem(format!(
            "there is no environment `{environment}`: the first workflow that names it makes one that any branch may use"
        )),
        Protection::AnyBranch => problem(format!(
            "any branch may use the environment `{environment}`, and with it the role that deploys"
        )),
        Protection::Only(names) if names.iter().any(|name| name.starts_with('*')) => {
            problem(format!(
                "the environment `{environment}` admits {}: that is any branch",
                names.join(", ")
            ))
        }
        Protection::Only(names) => Ok(format!("`{environment}` admits {}", names.join(", "))),
        Protection::ProtectedBranches => {
            Ok(format!("`{environment}` admits protected branches alone"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_any_branch_may_use_is_a_failure() {
        let only = |names: &[&str]| {
            Protection::Only(names.iter().map(|name| (*name).to_owned()).collect())
        };
        for (found, expected) in [
            (Protection::NoEnvironment, false),
            (Protection::AnyBranch, false),
            (only(&["main", "*"]), false),
            (only(&["*/*"]), false),
            (only(&["main"]), true),
            (only(&["main", "release/*"]), true),
            (Protection::ProtectedBranches, true),
        ] {
            assert_eq!(judge("prod", &found).is_ok(), expected, "{found:?}");
        }
    }
}
