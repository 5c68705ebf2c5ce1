//! `cargo xtask init`: another repository's first use. It works without settings, since it writes them.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::adopt::manifest::{self, Answers, Project};
use crate::adopt::template::Names;
use crate::catalog::new_task::Edit;
use crate::cli::Init;
use crate::clients::files;
use crate::clients::git::{Git, github_repository};
use crate::failure::Problem;
use crate::session::{Invocation, env_var};
use crate::settings::{self, Overrides};

/// What the template is made of; an environment's root is the fifth.
const TERRAFORM: [&str; 4] = [
    "infra/foundation",
    "infra/modules/ecs_task_scheduler",
    "infra/modules/s3_ecs_trigger",
    "infra/ecs-tasks/template",
];
const ROOT: &str = "infra/ecs-tasks/environments/test";
const WORKFLOWS: [&str; 2] = ["auto-deploy", "deploy"];

pub fn run(args: &Init, invocation: &Invocation) -> anyhow::Result<u8> {
    let workspace = Workspace::find(&std::env::current_dir()?)?;
    let answers = if manifest::has_settings(&workspace.manifest) {
        None
    } else {
        Some(answers(args, invocation, &workspace)?)
    };
    let text = match &answers {
        Some(answers) => manifest::with_settings(&workspace.text, answers).map_err(|error| {
            Problem::failed(
                format!("{}: {error:#}", workspace.file().display()),
                "make [workspace] a table of its own, as in `[workspace]` and `members = [\"xtask\"]` below it",
            )
        })?,
        None => workspace.text.clone(),
    };
    // Mistakes in the answers come out here, before anything is written.
    let overrides = Overrides {
        env: invocation.options.env.clone(),
        ..Overrides::default()
    };
    let settings = settings::resolve(
        &workspace.root,
        Path::new("Cargo.toml"),
        &text,
        &overrides,
        &|_| None,
    )?;
    let mut plan = Plan::new(&workspace.root);
    if answers.is_some() {
        plan.change("Cargo.toml", text);
    } else {
        plan.kept.push("Cargo.toml".into());
    }
    plan.alias(&workspace.package)?;
    match manifest::with_target_ignored(&plan.read(".gitignore")?) {
        Some(text) => plan.change(".gitignore", text),
        None => plan.kept.push(".gitignore".into()),
    }
    let names = Names {
        settings: &settings,
        package: &workspace.package,
    };
    if args.terraform {
        require_whole_name(&settings.app)?;
        plan.terraform(&source(args, &workspace.root)?, &names)?;
    }
    if args.workflows {
        plan.workflows(&source(args, &workspace.root)?, &names)?;
    }
    files::write_all(&workspace.root, &plan.edits)?;
    for edit in &plan.edits {
        invocation.reporter.result(edit.file.display());
    }
    invocation.reporter.text(next_steps(&plan.kept));
    Ok(0)
}

/// The template's policies reach what is named `<app>-<environment>-…`: where an application's name has
/// a hyphen, that may be another application's. infra/foundation refuses it, and here it costs nothing.
fn require_whole_name(app: &str) -> Result<(), Problem> {
    let whole = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let begins = app.starts_with(|first: char| first.is_ascii_lowercase());
    if begins && app.len() <= 20 && app.bytes().all(whole) {
        return Ok(());
    }
    Err(Problem::usage(
        format!("`{app}` cannot be the template's --app: at most 20 lower-case letters and digits"),
        "the policies tell one application's things from another's by the first hyphen: choose a name without",
    ))
}

/// The cargo workspace that the settings go into.
struct Workspace {
    root: PathBuf,
    text: String,
    manifest: toml::Table,
    /// The package that runs now, as cargo says; the alias runs it from now on.
    package: String,
}

impl Workspace {
    fn find(start: &Path) -> anyhow::Result<Workspace> {
        for root in start.ancestors() {
            let file = root.join("Cargo.toml");
            let Ok(text) = std::fs::read_to_string(&file) else {
                continue;
            };
            let manifest: toml::Table =
                toml::from_str(&text).with_context(|| format!("parsing {}", file.display()))?;
            if manifest.contains_key("workspace") {
                return Ok(Workspace {
                    root: root.to_owned(),
                    text,
                    manifest,
                    package: env_var("CARGO_PKG_NAME").unwrap_or_else(|| "xtask".to_owned()),
                });
            }
        }
        Err(Problem::failed(
            format!(
                "no Cargo.toml with [workspace] in {} or above it",
                start.display()
            ),
            "a repository without Rust needs one beside .git: [workspace], members = [\"xtask\"], resolver = \"3\"",
        )
        .into())
    }

    fn file(&self) -> PathBuf {
        self.root.join("Cargo.toml")
    }

    /// The one member with a binary beside this tool.
    fn only_package(&self) -> Option<String> {
        let mut folders = Vec::new();
        for member in manifest::members(&self.manifest) {
            match member.strip_suffix("/*") {
                Some(parent) => folders.extend(folders_in(&self.root.join(parent))),
                None => folders.push(self.root.join(member)),
            }
        }
        let mut names: Vec<String> = folders
            .iter()
            .filter(|folder| folder.join("src/main.rs").exists())
            .filter_map(|folder| package_name(folder))
            .filter(|name| *name != self.package && name != "xtask")
            .collect();
        names.dedup();
        if names.len() == 1 { names.pop() } else { None }
    }

    /// The one pyproject.toml with scripts, in the root or a folder of it.
    fn only_pyproject(&self) -> Option<String> {
        let mut files: Vec<PathBuf> = std::iter::once(self.root.clone())
            .chain(folders_in(&self.root))
            .map(|folder| folder.join("pyproject.toml"))
            .filter(|file| {
                std::fs::read_to_string(file).is_ok_and(|text| text.contains("scripts]"))
            })
            .collect();
        let file = if files.len() == 1 {
            files.pop()?
        } else {
            return None;
        };
        let file = file.strip_prefix(&self.root).ok()?;
        Some(file.to_string_lossy().into_owned())
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

fn package_name(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    let manifest: toml::Table = toml::from_str(&text).ok()?;
    Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
}

/// Flags, then what can be found out, then questions; off a terminal all that is missing at once.
fn answers(args: &Init, invocation: &Invocation, workspace: &Workspace) -> anyhow::Result<Answers> {
    let mut questions = Questions {
        invocation,
        missing: Vec::new(),
    };
    let app = questions.answer(
        args.app.clone(),
        "--app",
        "the name that everything in AWS begins with",
    )?;
    let project = match (&args.package, &args.pyproject) {
        (Some(package), _) => Project::Package(package.clone()),
        (None, Some(file)) => Project::Pyproject(file.clone()),
        (None, None) => match (workspace.only_package(), workspace.only_pyproject()) {
            (Some(package), None) => Project::Package(package),
            (None, Some(file)) => Project::Pyproject(file),
            _ => Project::Package(questions.answer(
                None,
                "--package or --pyproject",
                "the cargo package whose binary goes into the image",
            )?),
        },
    };
    let aws_account_id = questions.answer(
        args.aws_account_id.clone(),
        "--aws-account-id",
        "the AWS account, twelve digits",
    )?;
    let region = invocation.options.region.clone();
    let region = region
        .or_else(|| env_var("AWS_REGION"))
        .or_else(|| env_var("AWS_DEFAULT_REGION"));
    let region = questions.answer(region, "--region", "the AWS region")?;
    let origin = Git::open(&workspace.root)
        .ok()
        .and_then(|git| git.origin_url());
    let repository = args
        .github_repository
        .clone()
        .or_else(|| origin.as_deref().and_then(github_repository));
    let repository = questions.answer(
        repository,
        "--github-repository",
        "the repository on GitHub, owner/name",
    )?;
    questions.all_answered()?;
    let ours = |kind: &str| format!("{app}-{kind}.yml");
    let mut auto_deploy_workflows = args.auto_deploy_workflows.clone();
    let mut deploy_workflows = Vec::new();
    if args.workflows {
        auto_deploy_workflows.push(ours("auto-deploy"));
        deploy_workflows.push(ours("deploy"));
    }
    Ok(Answers {
        app,
        project,
        environment: invocation
            .options
            .env
            .clone()
            .unwrap_or_else(|| "test".to_owned()),
        aws_account_id,
        region,
        github_repository: repository,
        auto_deploy_workflows,
        deploy_workflows,
    })
}

struct Questions<'a> {
    invocation: &'a Invocation,
    missing: Vec<&'static str>,
}

impl Questions<'_> {
    fn answer(
        &mut self,
        known: Option<String>,
        flag: &'static str,
        what: &str,
    ) -> anyhow::Result<String> {
        if let Some(known) = known {
            return Ok(known);
        }
        if !std::io::stdin().is_terminal() {
            self.missing.push(flag);
            return Ok(String::new());
        }
        let question = format!("{what} ({flag}): ");
        let answer = self.invocation.reporter.ask(&question);
        let answer = answer.context("reading the answer")?.trim().to_owned();
        if answer.is_empty() {
            self.missing.push(flag);
        }
        Ok(answer)
    }

    fn all_answered(&self) -> anyhow::Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        Err(Problem::usage(
            format!(
                "this cannot be found out, and must be said: {}",
                self.missing.join(", ")
            ),
            "cargo xtask init --help says what each is; on a terminal init asks",
        )
        .into())
    }
}

/// The repository that the template and the workflows come from.
fn source(args: &Init, root: &Path) -> anyhow::Result<PathBuf> {
    // A dependency by git is a checkout of all of it.
    let compiled_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let folder = match &args.from {
        Some(folder) => Some(folder.clone()),
        None => compiled_from
            .filter(|folder| *folder != root)
            .map(Path::to_owned),
    };
    let found = folder.filter(|folder| TERRAFORM.iter().all(|part| folder.join(part).is_dir()));
    found.ok_or_else(|| {
        let what = match &args.from {
            Some(folder) => format!("{} has no Terraform template", folder.display()),
            None => "this copy of xtask has no Terraform template beside it".to_owned(),
        };
        Problem::usage(
            what,
            "name a checkout of the repository that xtask comes from: --from FOLDER",
        )
        .into()
    })
}

/// What will be written, and what is there and stays.
struct Plan<'a> {
    root: &'a Path,
    edits: Vec<Edit>,
    kept: Vec<PathBuf>,
}

impl<'a> Plan<'a> {
    fn new(root: &'a Path) -> Self {
        Plan {
            root,
            edits: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn change(&mut self, file: impl Into<PathBuf>, text: String) {
        let file = file.into();
        self.edits.push(Edit {
            new: !self.root.join(&file).exists(),
            file,
            text,
        });
    }

    /// The file's text; empty when it is not there.
    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = self.root.join(file);
        if !path.exists() {
            return Ok(String::new());
        }
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    fn alias(&mut self, package: &str) -> anyhow::Result<()> {
        const FILE: &str = ".cargo/config.toml";
        let text = self.read(FILE)?;
        let changed = manifest::with_alias(&text, package);
        match changed.with_context(|| format!("adding the alias to {FILE}"))? {
            Some(text) => self.change(FILE, text),
            None => self.kept.push(FILE.into()),
        }
        Ok(())
    }

    /// A folder that is there is somebody's: nothing is put into it.
    fn terraform(&mut self, source: &Path, names: &Names<'_>) -> anyhow::Result<()> {
        let root = names.settings.environment.terraform_root.clone();
        let folders = TERRAFORM.map(|folder| (folder, PathBuf::from(folder)));
        for (from, to) in folders.into_iter().chain([(ROOT, root)]) {
            if self.root.join(&to).exists() {
                self.kept.push(to);
                continue;
            }
            for name in files_in(&source.join(from))? {
                let text = read(&source.join(from).join(&name))?;
                self.change(to.join(&name), names.terraform(&text));
            }
        }
        Ok(())
    }

    fn workflows(&mut self, source: &Path, names: &Names<'_>) -> anyhow::Result<()> {
        let folder = Path::new(".github/workflows");
        for kind in WORKFLOWS {
            let to = folder.join(format!("{}-{kind}.yml", names.settings.app));
            if self.root.join(&to).exists() {
                self.kept.push(to);
                continue;
            }
            let text = read(&source.join(folder).join(format!("api-{kind}.yml")))?;
            self.change(to, names.workflow(&text));
        }
        Ok(())
    }
}

/// The files of a Terraform folder, without what Terraform leaves there.
fn files_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let doing = || format!("reading {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(doing)? {
        let entry = entry.with_context(doing)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let extensions = [".tf", ".tfbackend", ".md", ".lock.hcl", ".gitignore"];
        if extensions.iter().any(|end| name.ends_with(end)) && name != "backend_override.tf" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

fn next_steps(kept: &[PathBuf]) -> String {
    let mut text = String::new();
    for file in kept {
        text.push_str(&format!("left as it is: {}\n", file.display()));
    }
    text.push_str(
        "next:\n  what there is:   cargo xtask tasks\n  what is missing: cargo xtask doctor\n  a first task:    cargo xtask new-task NAME",
    );
    text
}
