//! A new entrypoint in Rust: a file of its own, and its line in `tasks.rs`.

use super::Wanted;

/// The task's file. A task that objects start takes their bucket and key.
pub fn task_file(wanted: &Wanted) -> String {
    let name = &wanted.name;
    let what = match (&wanted.on_s3, &wanted.schedule) {
        (Some(_), _) => ": started for each new object in a bucket",
        (None, Some(_)) => ": started by a schedule",
        (None, None) => "",
    };
    if wanted.on_s3.is_some() {
        return format!(
            r#"//! `{name}`{what}.

use anyhow::Result;
use clap::Args;
use tracing::info;

use crate::background_task::{{Context, background_task}};

#[derive(Args)]
struct Arguments {{
    /// The bucket that the object is in
    bucket: String,

    /// The object's key
    key: String,
}}

/// Says which object it was started for.
#[background_task("{name}")]
async fn main(arguments: Arguments, _context: Context) -> Result<()> {{
    let Arguments {{ bucket, key }} = arguments;
    info!(bucket, key, "Hello from {name}!");
    Ok(())
}}
"#
        );
    }
    format!(
        r#"//! `{name}`{what}.

use anyhow::Result;
use tracing::info;

use crate::background_task::background_task;

/// Says hello.
#[background_task("{name}")]
async fn main() -> Result<()> {{
    info!("Hello from {name}!");
    Ok(())
}}
"#
    )
}

/// The list of modules with one more, in alphabetical order; None when it is there already.
pub fn with_module(text: &str, module: &str) -> Option<String> {
    let line = format!("mod {module};");
    let lines: Vec<&str> = text.lines().collect();
    let is_mod = |line: &&str| line.starts_with("mod ") && line.ends_with(';');
    if lines.contains(&line.as_str()) {
        return None;
    }
    let at = lines
        .iter()
        .position(|other| is_mod(other) && *other > line.as_str())
        .or_else(|| lines.iter().rposition(is_mod).map(|last| last + 1))
        .unwrap_or(lines.len());
    let mut lines = lines;
    lines.insert(at, &line);
    Some(lines.join("\n") + "\n")
}
