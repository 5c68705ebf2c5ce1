//! A new entrypoint in Python: a module with its decorated function, and its script line.

use std::path::PathBuf;

use super::Wanted;

/// Where a project keeps its tasks, as its scripts show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The package that most scripts are in, such as `acme.tasks`.
    pub package: String,
    /// The header of the table of scripts.
    pub table: String,
    /// The modules of all scripts, as paths below the package root.
    pub modules: Vec<PathBuf>,
}

/// Reads the scripts of a pyproject.toml. None when there is not one to learn from.
pub fn home(pyproject: &str) -> Option<Home> {
    let document: toml::Table = toml::from_str(pyproject).ok()?;
    let (path, table) = [&["tool", "poetry", "scripts"][..], &["project", "scripts"]]
        .into_iter()
        .find_map(|path| {
            let table = path
                .iter()
                .try_fold(&document, |table, key| table.get(*key)?.as_table())?;
            (!table.is_empty()).then_some((path, table))
        })?;
    let modules: Vec<&str> = table
        .values()
        .filter_map(|value| value.as_str()?.split(':').next())
        .collect();
    let parents: Vec<&str> = modules
        .iter()
        .filter_map(|module| module.rsplit_once('.').map(|(parent, _)| parent))
        .collect();
    let count = |parent: &str| parents.iter().filter(|other| **other == parent).count();
    // Of several that are as frequent the first is taken.
    let package = parents
        .iter()
        .rev()
        .max_by_key(|parent| count(parent))?
        .to_string();
    Some(Home {
        package,
        table: format!("[{}]", path.join(".")),
        modules: modules
            .iter()
            .map(|module| PathBuf::from(module.replace('.', "/")).with_extension("py"))
            .collect(),
    })
}

/// The line of a source that imports the decorator.
pub fn decorator_import(source: &str) -> Option<&str> {
    source
        .lines()
        .find(|line| line.starts_with("from ") && line.ends_with("import background_task"))
}

pub fn task_file(wanted: &Wanted, import: &str) -> String {
    let name = &wanted.name;
    let (imports, body) = if wanted.on_s3.is_some() {
        (
            "import logging\nimport sys\n",
            "    \"\"\"Says which object it was started for.\"\"\"\n    bucket, key = sys.argv[1:3]\n    logger.info(\"Hello from %s\", TASK, extra={\"bucket\": bucket, \"key\": key})\n",
        )
    } else {
        (
            "import logging\n",
            "    \"\"\"Says hello.\"\"\"\n    logger.info(\"Hello from %s\", TASK)\n",
        )
    };
    format!(
        "{imports}\n{import}\n\nTASK = \"{name}\"\nlogger = logging.getLogger(__name__)\n\n\n@background_task(TASK)\ndef main() -> None:\n{body}"
    )
}

/// The pyproject.toml with a script more, at the end of its table.
pub fn with_script(pyproject: &str, home: &Home, wanted: &Wanted) -> Option<String> {
    let mut lines: Vec<String> = pyproject.lines().map(str::to_owned).collect();
    let header = lines.iter().position(|line| line.trim() == home.table)?;
    let is_end = |line: &String| line.trim_start().starts_with('[');
    let next = lines[header + 1..].iter().position(is_end);
    let end = next.map_or(lines.len(), |next| header + 1 + next);
    let last = (header..end).rfind(|index| !lines[*index].trim().is_empty())?;
    let line = format!(
        "{} = \"{}.{}:main\"",
        wanted.name,
        home.package,
        wanted.snake()
    );
    lines.insert(last + 1, line);
    Some(lines.join("\n") + "\n")
}
