//! Lines added to Cargo.toml, to cargo's configuration and to .gitignore. Whatever was there before
//! stays, byte for byte.

use std::fmt::Write as _;

use anyhow::Context as _;

/// What the settings begin with; everything else has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    pub app: String,
    pub project: Project,
    pub environment: String,
    pub aws_account_id: String,
    pub region: String,
    pub github_repository: String,
    pub auto_deploy_workflows: Vec<String>,
    pub deploy_workflows: Vec<String>,
}

/// Where the entrypoints are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Project {
    /// A package of the cargo workspace.
    Package(String),
    /// The scripts of this pyproject.toml.
    Pyproject(String),
}

/// Unoptimised, these would need seconds for an image's layers.
const OPTIMISED: [&str; 7] = [
    "block-buffer",
    "crc32fast",
    "digest",
    "flate2",
    "sha2",
    "tar",
    "zlib-rs",
];

/// Whether a Cargo.toml has settings already.
pub fn has_settings(manifest: &toml::Table) -> bool {
    table(manifest, &["workspace", "metadata", "xtask"]).is_some()
}

/// A workspace's Cargo.toml with the settings at its end.
///
/// # Errors
///
/// When the text is no TOML, or when the settings cannot be added at its end.
pub fn with_settings(text: &str, answers: &Answers) -> anyhow::Result<String> {
    let before: toml::Table = toml::from_str(text).context("it is not TOML")?;
    let mut all = ended(text);
    all.push_str(&settings(answers));
    if table(&before, &["profile", "dev", "package"]).is_none() {
        all.push_str(
            "\n# xtask runs as a debug build, and unoptimised these would need seconds for an image's layers.\n[profile.dev.package]\n",
        );
        for name in OPTIMISED {
            let _ = writeln!(all, "{name}.opt-level = 3");
        }
    }
    if let Project::Package(package) = &answers.project
        && table(&before, &["profile", "image"]).is_none()
    {
        all.push_str(&image_profile(package));
    }
    let after: Result<toml::Table, _> = toml::from_str(&all);
    after.context("the settings cannot be added at its end")?;
    Ok(all)
}

fn settings(answers: &Answers) -> String {
    let Answers {
        app, environment, ..
    } = answers;
    let mut text = "\n# What a team edits. Every key has an environment variable, `XTASK_<KEY>`, that overrides it.\n[workspace.metadata.xtask]\n".to_owned();
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{key} = {value}");
    };
    line("app", string(app));
    line("ecr_repository", string(app));
    match &answers.project {
        Project::Package(name) => line("package", string(name)),
        Project::Pyproject(file) => {
            line("pyproject", string(file));
            line("dockerfile", string(&beside(file, "Dockerfile")));
        }
    }
    line("platform", string("linux/amd64"));
    line("default_environment", string(environment));
    line("github_repository", string(&answers.github_repository));
    let root = format!("infra/ecs-tasks/environments/{environment}");
    let _ = write!(
        text,
        r#"
[workspace.metadata.xtask.environments.{environment}]
aws_account_id = {}
region = {}
terraform_root = {}
auto_deploy_workflows = {}
deploy_workflows = {}
"#,
        string(&answers.aws_account_id),
        string(&answers.region),
        string(&root),
        list(&answers.auto_deploy_workflows),
        list(&answers.deploy_workflows),
    );
    text
}

/// What the binary in the image is built with.
fn image_profile(package: &str) -> String {
    format!(
        r#"
# The binary that goes into the image: an edit is rebuilt ten times an hour.
[profile.image]
inherits = "release"
incremental = true
strip = "symbols"

# The more units, the less of the crate is compiled again for one line. Cargo forgets the profile's
# `strip` where a package has settings of its own.
[profile.image.package.{}]
codegen-units = 64
strip = "symbols"
"#,
        string(package),
    )
}

/// A TOML string; JSON's escapes are among TOML's.
fn string(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| string(value)).collect();
    format!("[{}]", values.join(", "))
}

/// Cargo's configuration with the alias; None when it has one of this name.
///
/// # Errors
///
/// When the text is no TOML, or has its aliases in a form that a line cannot be added to.
pub fn with_alias(text: &str, package: &str) -> anyhow::Result<Option<String>> {
    let before: toml::Table = toml::from_str(text).context("it is not TOML")?;
    if table(&before, &["alias"]).is_some_and(|aliases| aliases.contains_key("xtask")) {
        return Ok(None);
    }
    let line = format!("xtask = \"run --quiet --package {package} --\"\n");
    let all = match text.find("[alias]\n") {
        Some(at) => {
            let (head, rest) = text.split_at(at + "[alias]\n".len());
            format!("{head}{line}{rest}")
        }
        None if text.is_empty() => format!("[alias]\n{line}"),
        None => format!("{}\n[alias]\n{line}", ended(text)),
    };
    let after: Result<toml::Table, _> = toml::from_str(&all);
    after.with_context(|| format!("add this to its aliases by hand: {}", line.trim_end()))?;
    Ok(Some(all))
}

/// A .gitignore that ignores cargo's target folder; None when it does.
pub fn with_target_ignored(text: &str) -> Option<String> {
    let names_it = |line: &str| line.trim().trim_matches('/') == "target";
    if text.lines().any(names_it) {
        return None;
    }
    Some(format!("{}/target\n", ended(text)))
}

/// The packages that a workspace names as members, as they are written: paths and patterns.
pub fn members(manifest: &toml::Table) -> Vec<String> {
    let members = table(manifest, &["workspace"]).and_then(|workspace| workspace.get("members"));
    let members = members
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    members
        .filter_map(|member| member.as_str().map(str::to_owned))
        .collect()
}

fn table<'a>(document: &'a toml::Table, path: &[&str]) -> Option<&'a toml::Table> {
    path.iter()
        .try_fold(document, |table, key| table.get(*key)?.as_table())
}

/// With a newline at its end, so that a line can follow.
fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}

/// A file in the same folder, with `/` between folders.
fn beside(file: &str, name: &str) -> String {
    match file.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alias_joins_those_that_are_there() {
        let line = "xtask = \"run --quiet --package xtask --\"\n";
        for (before, after) in [
            ("", Some(format!("[alias]\n{line}"))),
            (
                "[build]\njobs = 2",
                Some(format!("[build]\njobs = 2\n\n[alias]\n{line}")),
            ),
            (
                "[alias]\nb = \"build\"\n[net]\noffline = true\n",
                Some(format!(
                    "[alias]\n{line}b = \"build\"\n[net]\noffline = true\n"
                )),
            ),
            ("[alias]\nxtask = \"run --package mine --\"\n", None),
            ("alias.xtask = \"run\"\n", None),
        ] {
            assert_eq!(with_alias(before, "xtask").unwrap(), after, "{before}");
        }
        let error = with_alias("alias = { b = \"build\" }\n", "xtask").unwrap_err();
        assert!(error.to_string().contains("by hand: xtask = "), "{error}");
    }

    #[test]
    fn target_is_ignored_once() {
        for there in ["/target\n", "a\ntarget/\n", "target", " /target/ \n"] {
            assert_eq!(with_target_ignored(there), None, "{there}");
        }
        assert_eq!(
            with_target_ignored("*.pyc").as_deref(),
            Some("*.pyc\n/target\n")
        );
        assert_eq!(with_target_ignored("").as_deref(), Some("/target\n"));
    }

    #[test]
    fn settings_go_behind_what_is_there() {
        let answers = Answers {
            app: "pfml".into(),
            project: Project::Pyproject("api/pyproject.toml".into()),
            environment: "test".into(),
            aws_account_id: "111122223333".into(),
            region: "eu-central-1".into(),
            github_repository: "acme/pfml".into(),
            auto_deploy_workflows: vec!["deploy.yml".into()],
            deploy_workflows: Vec::new(),
        };
        let before = "[workspace]\nmembers = [\"xtask\"] # ours";
        let after = with_settings(before, &answers).unwrap();
        expect_test::expect![[r#"
            [workspace]
            members = ["xtask"] # ours

            # What a team edits. Every key has an environment variable, `XTASK_<KEY>`, that overrides it.
            [workspace.metadata.xtask]
            app = "pfml"
            ecr_repository = "pfml"
            pyproject = "api/pyproject.toml"
            dockerfile = "api/Dockerfile"
            platform = "linux/amd64"
            default_environment = "test"
            github_repository = "acme/pfml"

            [workspace.metadata.xtask.environments.test]
            aws_account_id = "111122223333"
            region = "eu-central-1"
            terraform_root = "infra/ecs-tasks/environments/test"
            auto_deploy_workflows = ["deploy.yml"]
            deploy_workflows = []

            # xtask runs as a debug build, and unoptimised these would need seconds for an image's layers.
            [profile.dev.package]
            block-buffer.opt-level = 3
            crc32fast.opt-level = 3
            digest.opt-level = 3
            flate2.opt-level = 3
            sha2.opt-level = 3
            tar.opt-level = 3
            zlib-rs.opt-level = 3
        "#]]
        .assert_eq(&after);
        let rust = Answers {
            project: Project::Package("worker".into()),
            ..answers.clone()
        };
        for (text, expected) in [(before, true), ("[workspace]\n[profile.image]\n", false)] {
            let after = with_settings(text, &rust).unwrap();
            let profile = "[profile.image.package.\"worker\"]\ncodegen-units = 64\n";
            assert_eq!(after.contains(profile), expected, "{text}");
        }
        let profile = "[workspace]\n[profile.dev.package]\nsha2.opt-level = 2\n";
        assert!(!with_settings(profile, &answers).unwrap().contains("flate2"));
        let inline = "workspace = { members = [] }\n";
        let error = with_settings(inline, &answers).unwrap_err();
        assert_eq!(error.to_string(), "the settings cannot be added at its end");
        let crossed = toml::from_str(&after).unwrap();
        assert!(has_settings(&crossed));
        assert_eq!(members(&crossed), ["xtask"]);
    }
}
