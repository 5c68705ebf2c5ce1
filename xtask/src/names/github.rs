//! What GitHub calls things. Each goes into an address that a token is sent to: nothing in it may
//! lead elsewhere.

use std::fmt::{self, Display};
use std::ops::Deref;

text_newtype!(
    /// The file of a workflow, without its folder: `deploy.yml`.
    WorkflowFile
);
text_newtype!(
    /// A repository on GitHub, `owner/name`.
    GitHubRepository
);

impl WorkflowFile {
    pub fn parse(text: &str) -> Result<Self, String> {
        let stem = text
            .strip_suffix(".yml")
            .or_else(|| text.strip_suffix(".yaml"));
        if stem.is_some_and(is_one_name) {
            Ok(WorkflowFile(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a workflow's file: a name such as deploy.yml, without its folder"
            ))
        }
    }
}

impl GitHubRepository {
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((owner, name)) if is_one_name(owner) && is_one_name(name) => {
                Ok(GitHubRepository(text.to_owned()))
            }
            _ => Err(format!("`{text}` is not a GitHub repository: owner/name")),
        }
    }
}

impl Deref for WorkflowFile {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for GitHubRepository {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// One segment of a path that means itself.
fn is_one_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let only_dots = text.bytes().all(|b| b == b'.');
    !only_dots && text.len() <= 100 && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_its_place_in_an_address() {
        for good in ["a.yml", "api-auto-deploy.yml", "Deploy_2.yaml", "a.b.yml"] {
            assert_eq!(&*WorkflowFile::parse(good).unwrap(), good);
        }
        for bad in [
            "",
            ".yml",
            "..yml",
            "deploy",
            "../../collaborators/x?",
            "../../collaborators/x?.yml",
            "a/b.yml",
            "a%2fb.yml",
            "a#.yml",
            "a b.yml",
            "a\n.yml",
            "ä.yml",
        ] {
            assert!(WorkflowFile::parse(bad).is_err(), "{bad}");
        }
        for good in ["o/r", "example-org/background-tasks", "me_corp/.github"] {
            assert_eq!(&*GitHubRepository::parse(good).unwrap(), good);
        }
        for bad in [
            "", "o", "o/", "/r", "o/r/s", "../r", "o/..", "o/.", "o/r?", "o/r#", "o%2f/r", "o /r",
        ] {
            assert!(GitHubRepository::parse(bad).is_err(), "{bad}");
        }
    }
}
