//! `cargo xtask report [RUN]`: one self-contained HTML page of a record.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cli::Report;
use crate::clients::own_files;
use crate::failure::Problem;
use crate::names::did_you_mean;
use crate::record::recorder::{SUMMARY, read_parts, runs};
use crate::session::Session;

const PAGE: &str = include_str!("report/page.html");
/// The last lines of a log that the page holds; a browser is slow with more.
const LOG_LINES: usize = 50_000;
/// The end of a step's output that the page holds, in bytes.
const OUTPUT: usize = 200_000;

pub fn run(args: &Report, session: &Session) -> anyhow::Result<u8> {
    let folder = session.settings.work_dir().join("runs");
    let run = find(&folder, args.run.as_deref())?;
    let page = page(&folder.join(&run))?;
    let file = folder.join(&run).join("report.html");
    own_files::write(&file, page.as_bytes())?;
    session
        .reporter
        .answer(&json!({ "run": run, "page": file }), file.display());
    if args.open {
        open(&file)?;
    }
    Ok(0)
}

/// The newest run with a summary, or the one that was named, in full or by its beginning.
fn find(folder: &Path, wanted: Option<&str>) -> anyhow::Result<String> {
    let ended: Vec<String> = runs(folder)
        .into_iter()
        .filter(|run| folder.join(run).join(SUMMARY).exists())
        .collect();
    let found = match wanted {
        None => ended.last(),
        Some(wanted) => ended.iter().rev().find(|run| run.starts_with(wanted)),
    };
    if let Some(run) = found {
        return Ok(run.clone());
    }
    let known: Vec<&str> = ended.iter().rev().map(String::as_str).collect();
    Err(match wanted {
        Some(wanted) => Problem::usage(
            format!("there is no record `{wanted}` of a run that has ended"),
            did_you_mean(wanted, &known),
        ),
        None => Problem::failed(
            format!("no run is recorded in {}", folder.display()),
            "cargo xtask try TASK --sandbox leaves the first record",
        ),
    }
    .into())
}

fn page(folder: &Path) -> anyhow::Result<String> {
    let file = folder.join(SUMMARY);
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let summary: Value =
        serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
    let log = read_parts(folder, "log", "jsonl");
    let lines: Vec<&str> = log.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LOG_LINES)..];
    let log: Vec<Value> = shown
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let mut outputs = BTreeMap::new();
    for step in summary["steps"].as_array().into_iter().flatten() {
        let Some(step) = step["step"].as_str() else {
            continue;
        };
        let output = read_parts(folder, step, "txt");
        if !output.is_empty() {
            outputs.insert(step.to_owned(), tail(&output).to_owned());
        }
    }
    let data = json!({ "summary": summary, "log": log, "outputs": outputs });
    Ok(PAGE.replace("/*DATA*/null", &script_safe(&data)))
}

/// JSON inside a script element: nothing that a task printed may end the element.
fn script_safe(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(OUTPUT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

fn open(file: &Path) -> anyhow::Result<()> {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    std::process::Command::new(opener)
        .arg(file)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(|error| {
            Problem::failed(
                format!("starting `{opener}`: {error}"),
                format!("open it yourself: file://{}", file.display()),
            )
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_printed_cannot_end_the_script() {
        let safe = script_safe(&json!("</script><img onerror=x>\u{2028}"));
        assert_eq!(safe, "\"\\u003c/script>\\u003cimg onerror=x>\\u2028\"");
    }

    #[test]
    fn the_page_asks_no_server_for_anything() {
        for word in ["src=", "href=", "@import", "url(", "fetch("] {
            assert!(!PAGE.contains(word), "{word}");
        }
        assert!(PAGE.contains("/*DATA*/null"));
    }
}
