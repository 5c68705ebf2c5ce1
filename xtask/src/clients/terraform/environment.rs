//! Variables of the user's environment that Terraform obeys without a word: another workspace, further
//! arguments. One that changes what a plan means is refused, by name. Pure.

use crate::failure::Problem;

/// Arguments that change how a plan is made or shown, and nothing of what it means. All others do, or
/// nobody here knows.
const HARMLESS: [&str; 6] = [
    "compact-warnings",
    "concise",
    "lock-timeout",
    "no-color",
    "parallelism",
    "json",
];

/// What selects the workspace.
pub const WORKSPACE: &str = "TF_WORKSPACE";

/// What in the environment would make another plan than this tool asks for.
pub fn misleading<'a>(
    variables: impl Iterator<Item = (&'a str, &'a str)>,
    workspace: &str,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in variables {
        match name {
            WORKSPACE if value != workspace && !value.is_empty() => problems.push(Problem::refused(
                format!("{WORKSPACE} is `{value}`, and this environment's workspace is `{workspace}`: another state would be planned and applied"),
                format!("unset {WORKSPACE}, or name the workspace: `terraform_workspace` of the environment in Cargo.toml"),
            )),
            "TF_CLI_ARGS" | "TF_CLI_ARGS_plan" | "TF_CLI_ARGS_apply" => {
                problems.extend(telling(value).map(|argument| {
                    Problem::refused(
                        format!("{name} has `{argument}`, which changes what a plan means: only a part of it, or something else, would be applied"),
                        format!("unset {name}"),
                    )
                }));
            }
            _ => {}
        }
    }
    problems
}

/// The first argument that is not harmless.
fn telling(value: &str) -> Option<&str> {
    value.split_whitespace().find(|argument| {
        let name = argument.trim_start_matches('-');
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        !(argument.starts_with('-') && HARMLESS.contains(&name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_a_plan_is_refused_by_name() {
        for (name, value, workspace, words) in [
            ("TF_WORKSPACE", "staging", "default", Some("`staging`")),
            ("TF_WORKSPACE", "staging", "staging", None),
            ("TF_WORKSPACE", "", "default", None),
            (
                "TF_CLI_ARGS_plan",
                "-target=module.x",
                "default",
                Some("`-target=module.x`"),
            ),
            (
                "TF_CLI_ARGS_plan",
                "--target module.x",
                "default",
                Some("`--target`"),
            ),
            (
                "TF_CLI_ARGS",
                "-no-color -var=a=b",
                "default",
                Some("`-var=a=b`"),
            ),
            (
                "TF_CLI_ARGS_apply",
                "-replace=x",
                "default",
                Some("`-replace=x`"),
            ),
            (
                "TF_CLI_ARGS_plan",
                "-refresh=false",
                "default",
                Some("`-refresh=false`"),
            ),
            (
                "TF_CLI_ARGS_plan",
                "'-destroy'",
                "default",
                Some("-destroy"),
            ),
            (
                "TF_CLI_ARGS_plan",
                "-parallelism=5 -compact-warnings",
                "default",
                None,
            ),
            ("TF_CLI_ARGS_plan", "", "default", None),
            (
                "TF_CLI_ARGS_init",
                "-backend-config=bucket=b",
                "default",
                None,
            ),
            ("TF_VAR_a", "b", "default", None),
        ] {
            let found = misleading([(name, value)].into_iter(), workspace);
            let found = found.first().map(|problem| problem.message.as_str());
            match words {
                None => assert_eq!(found, None, "{name}={value}"),
                Some(words) => assert!(
                    found.is_some_and(|found| found.contains(name) && found.contains(words)),
                    "{name}={value}: {found:?}"
                ),
            }
        }
    }
}
