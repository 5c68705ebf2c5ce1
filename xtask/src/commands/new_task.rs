//! `cargo xtask new-task NAME`: entrypoint, definition, schedule and trigger in one go, or nothing.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::catalog::new_task::{Edit, Wanted, python_text, rust_text, terraform_text};
use crate::catalog::terraform::{self, Source};
use crate::catalog::{Catalog, expression, hcl};
use crate::cli::NewTask;
use crate::clients::{files, tasks_file};
use crate::failure::{Problem, all_clear};
use crate::layout::project_dir;
use crate::session::Session;
use crate::settings::Settings;

pub fn run(args: &NewTask, session: &Session) -> anyhow::Result<u8> {
    let settings = &session.settings;
    let wanted = Wanted {
        name: args.name.clone(),
        schedule: args.schedule.clone().zip(args.timezone.clone()),
        on_s3: args.on_s3.clone(),
        env: args.environment.clone(),
        secrets: args.secrets.clone(),
        cpu: args.cpu,
        memory: args.memory,
    }
    .filled();
    let catalog = tasks_file::catalog(settings)?;
    all_clear(wanted.mistakes(&catalog, &settings.service()))?;
    let edits = edits(settings, &wanted)?;
    check(settings, &edits, &wanted)?;
    files::write_all(&settings.root, &edits)?;
    for edit in &edits {
        session.reporter.result(edit.file.display());
    }
    session
        .reporter
        .text(next_steps(&wanted, &edits, &session.flags()));
    Ok(0)
}

/// Every file that changes, and how. Nothing is written here.
fn edits(settings: &Settings, wanted: &Wanted) -> anyhow::Result<Vec<Edit>> {
    let mut edits = match &settings.pyproject {
        Some(pyproject) => python_edits(settings, pyproject, wanted)?,
        None => rust_edits(settings, wanted)?,
    };
    let sources = tasks_file::terraform_sources(settings)?;
    require_free_module(&sources, wanted)?;
    let own_path = format!("/{}/{}/", settings.app, settings.environment.name);
    let tasks = source(&sources, settings, "tasks.tf")?;
    edits.push(changed(
        tasks,
        terraform_text::with_definition(tasks, wanted, &own_path)?,
    ));
    if let Some((expression, zone)) = &wanted.schedule {
        let file = source(&sources, settings, "cloudwatch.tf")?;
        let text = terraform_text::with_schedule(file, wanted, expression, zone);
        edits.push(changed(file, text));
    }
    if let Some(on_s3) = &wanted.on_s3 {
        let file = source(&sources, settings, "s3_subscriptions.tf")?;
        let bucket = terraform_text::bucket_resource(&sources, &on_s3.bucket);
        let text = terraform_text::with_trigger(file, wanted, on_s3, bucket.as_deref());
        edits.push(changed(file, text));
    }
    Ok(edits)
}

fn changed(source: &Source, text: String) -> Edit {
    Edit {
        file: source.file.clone(),
        text,
        new: false,
    }
}

/// tasks.tf itself, or a file beside it.
fn source<'a>(
    sources: &'a [Source],
    settings: &Settings,
    name: &str,
) -> anyhow::Result<&'a Source> {
    let file = if name == "tasks.tf" {
        settings.tasks_file.clone()
    } else {
        settings.tasks_file.with_file_name(name)
    };
    let found = sources.iter().find(|source| source.file == file);
    found.ok_or_else(|| {
        Problem::failed(
            format!("there is no {}", file.display()),
            "copy the missing file of infra/ecs-tasks/template from the repository that xtask comes from",
        )
        .into()
    })
}

fn require_free_module(sources: &[Source], wanted: &Wanted) -> anyhow::Result<()> {
    if wanted.schedule.is_none() && wanted.on_s3.is_none() {
        return Ok(());
    }
    let module = wanted.snake();
    if wanted.schedule.is_some() && wanted.on_s3.is_some() {
        return Err(Problem::usage(
            "a new task has a schedule or an S3 trigger, not both",
            "add the other one by hand: its arguments differ",
        )
        .into());
    }
    for source in sources {
        if hcl::module_names(&source.body).contains(&module.as_str()) {
            return Err(Problem::usage(
                format!("{} has a module `{module}` already", source.file.display()),
                "take another name",
            )
            .into());
        }
    }
    Ok(())
}

fn rust_edits(settings: &Settings, wanted: &Wanted) -> anyhow::Result<Vec<Edit>> {
    let src = project_dir(settings)?.join("src");
    let lists = [src.join("tasks.rs"), src.join("tasks/mod.rs")];
    let list = lists
        .iter()
        .find(|list| settings.root.join(list).exists())
        .ok_or_else(|| {
            Problem::failed(
                format!(
                    "there is no {}, which lists the tasks' modules",
                    lists[0].display()
                ),
                "make it, and name it in main.rs: `mod tasks;`",
            )
        })?;
    let text = read(&settings.root.join(list))?;
    let file = src.join("tasks").join(format!("{}.rs", wanted.snake()));
    let listed = rust_text::with_module(&text, &wanted.snake());
    Ok(vec![
        new_file(settings, file, rust_text::task_file(wanted))?,
        Edit {
            file: list.clone(),
            text: listed.ok_or_else(|| taken(list))?,
            new: false,
        },
    ])
}

fn python_edits(
    settings: &Settings,
    pyproject: &Path,
    wanted: &Wanted,
) -> anyhow::Result<Vec<Edit>> {
    let text = read(&settings.root.join(pyproject))?;
    let home = python_text::home(&text).ok_or_else(|| {
        Problem::failed(
            format!(
                "{} has no scripts to learn from where tasks are kept",
                pyproject.display()
            ),
            "write the first entrypoint and its script line by hand",
        )
    })?;
    let project = project_dir(settings)?;
    let roots = [project.clone(), project.join("src")];
    let existing = home.modules.iter().flat_map(|module| {
        roots
            .iter()
            .map(move |root| (root.clone(), root.join(module)))
    });
    let mut found = None;
    for (root, module) in existing {
        let Ok(source) = std::fs::read_to_string(settings.root.join(&module)) else {
            continue;
        };
        if let Some(import) = python_text::decorator_import(&source) {
            found = Some((root, import.to_owned()));
            break;
        }
    }
    let (root, import) = found.ok_or_else(|| {
        Problem::failed(
            format!(
                "no script of {} has a line `from … import background_task`",
                pyproject.display()
            ),
            "write the first entrypoint with its decorator by hand; the others follow it",
        )
    })?;
    let file = root
        .join(home.package.replace('.', "/"))
        .join(format!("{}.py", wanted.snake()));
    Ok(vec![
        new_file(settings, file, python_text::task_file(wanted, &import))?,
        Edit {
            file: pyproject.to_owned(),
            text: python_text::with_script(&text, &home, wanted)
                .with_context(|| format!("adding a script to {}", pyproject.display()))?,
            new: false,
        },
    ])
}

fn new_file(settings: &Settings, file: PathBuf, text: String) -> anyhow::Result<Edit> {
    if settings.root.join(&file).exists() {
        return Err(taken(&file).into());
    }
    Ok(Edit {
        file,
        text,
        new: true,
    })
}

fn taken(file: &Path) -> Problem {
    Problem::usage(
        format!("{} has a task of this name already", file.display()),
        "take another name",
    )
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// What would be written is read again: the task must be in it, and nothing may be missing.
fn check(settings: &Settings, edits: &[Edit], wanted: &Wanted) -> anyhow::Result<()> {
    let mut sources = Vec::new();
    for source in tasks_file::terraform_sources(settings)? {
        let edit = edits.iter().find(|edit| edit.file == source.file);
        let text = edit.map_or(source.text, |edit| edit.text.clone());
        sources.push(terraform::parse(&source.file, text)?);
    }
    let written = terraform::read(&sources);
    let catalog = Catalog {
        entrypoints: Vec::new(),
        definitions: written.definitions,
        schedules: written.schedules,
        triggers: written.triggers,
    };
    let defined = catalog
        .definitions
        .iter()
        .flatten()
        .any(|task| task.name == wanted.name);
    let started = usize::from(wanted.schedule.is_some() || wanted.on_s3.is_some());
    anyhow::ensure!(
        defined && catalog.starts(&wanted.name).len() == started,
        "the edited Terraform files would not define {} as asked for; nothing was written",
        wanted.name
    );
    Ok(())
}

fn next_steps(wanted: &Wanted, edits: &[Edit], flags: &str) -> String {
    let name = &wanted.name;
    let file = edits.first().map(|edit| edit.file.display().to_string());
    let mut steps = vec![
        format!("write what it does: {}", file.unwrap_or_default()),
        format!("run it here:        cargo xtask local {name}"),
        format!("run it on ECS:      cargo xtask try {name}{flags}"),
    ];
    if let Some((text, zone)) = &wanted.schedule {
        let next = expression::next(text, zone, jiff::Timestamp::now());
        if let Some(next) = next {
            steps.push(format!("its first time:     {next}"));
        }
        steps.push(format!(
            "fire its schedule:  cargo xtask trigger schedule {name}{flags}"
        ));
    }
    if let Some(on_s3) = &wanted.on_s3 {
        steps.push(format!(
            "fire its trigger:   cargo xtask trigger s3 {name} --file example{}{flags}",
            on_s3.suffix
        ));
    }
    for (key, path) in &wanted.secrets {
        steps.push(format!(
            "make the secret:    {path} must exist before {name} starts with {key}"
        ));
    }
    format!("next:\n  {}", steps.join("\n  "))
}
