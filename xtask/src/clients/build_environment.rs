//! What a compile and an image's build do not see: the keys, and what they could be had with.
//!
//! Build scripts and macros are other people's code, and they run with the environment of whoever
//! calls cargo. A job of GitHub Actions lets every one of its steps ask for the role that it may
//! assume, and put variables into the steps that follow.

use super::process::Program;

/// Beginnings of names: AWS's own variables, the tokens of the job, and Terraform's tokens.
const BEGINNINGS: [&str; 3] = ["AWS_", "ACTIONS_", "TF_TOKEN_"];
const NAMES: [&str; 9] = [
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    // Files that the runner reads after the step: later steps get what is written there.
    "GITHUB_ENV",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
];

/// Is it kept from whatever builds, unless the setting `build_environment` names it?
pub fn is_withheld(name: &str, passed: &[String]) -> bool {
    let is_key = BEGINNINGS.iter().any(|start| name.starts_with(start)) || NAMES.contains(&name);
    is_key && !passed.iter().any(|passed| passed == name)
}

/// The program without them.
pub fn withhold(program: Program, passed: &[String]) -> Program {
    std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| is_withheld(name, passed))
        .fold(program, |program, name| program.env_remove(&name))
}

#[cfg(test)]
mod tests {
    use super::is_withheld;

    #[test]
    fn keys_are_withheld_unless_a_setting_names_them() {
        for (name, expected) in [
            ("AWS_ACCESS_KEY_ID", true),
            ("AWS_SESSION_TOKEN", true),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", true),
            ("GH_TOKEN", true),
            ("GITHUB_TOKEN", true),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", true),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", true),
            ("ACTIONS_RUNTIME_TOKEN", true),
            ("TF_TOKEN_app_terraform_io", true),
            ("GITHUB_ENV", true),
            // They tell what is built, and open nothing.
            ("GITHUB_SHA", false),
            ("GITHUB_ACTIONS", false),
            ("PATH", false),
            ("CC", false),
            ("CARGO_REGISTRIES_OURS_TOKEN", false),
        ] {
            assert_eq!(is_withheld(name, &[]), expected, "{name}");
        }
        let passed = ["GH_TOKEN".to_owned()];
        assert!(!is_withheld("GH_TOKEN", &passed));
        assert!(is_withheld("GITHUB_TOKEN", &passed));
    }
}
