//! New text for tasks.tf, cloudwatch.tf and s3_subscriptions.tf: what is there stays byte for byte.

use anyhow::Context as _;
use hcl_edit::Span as _;
use hcl_edit::expr::{Object, ObjectKey};
use hcl_edit::structure::Block;

use super::{OnS3, Wanted};
use crate::catalog::hcl;
use crate::catalog::terraform::Source;

/// tasks.tf with an entry more, at the end of `tasks`. `own_path` (`/app/environment/`) becomes the
/// template's variables, so that the next environment reads its own secrets.
pub fn with_definition(source: &Source, wanted: &Wanted, own_path: &str) -> anyhow::Result<String> {
    let tasks = hcl::tasks_object(&source.body).with_context(|| {
        format!(
            "{} has no plain `tasks = {{ … }}`: add the entry by hand",
            source.file.display()
        )
    })?;
    let end = tasks.span().context("the map of tasks has no place")?.end - 1;
    let before = source.text[..end].trim_end();
    let indent = entry_indent(source, tasks);
    let quoted = tasks.iter().any(|(key, _)| {
        matches!(
            key,
            ObjectKey::Expression(hcl_edit::expr::Expression::String(_))
        )
    });
    let key = if quoted {
        format!("\"{}\"", wanted.name)
    } else {
        wanted.name.clone()
    };
    let by_poetry = tasks.iter().any(|(_, value)| {
        let command = value
            .expr()
            .as_object()
            .and_then(|task| hcl::field(task, "command"));
        let command = command.and_then(hcl::strings).unwrap_or_default();
        command.starts_with(&["poetry".to_owned(), "run".to_owned()])
    });
    let entry = definition(wanted, &key, by_poetry, own_path);
    let entry: String = entry
        .lines()
        .map(|line| format!("{indent}{line}\n"))
        .collect();
    let gap = if tasks.is_empty() { "\n" } else { "\n\n" };
    // The closing brace keeps its own indentation.
    let closing = indent.strip_suffix("  ").unwrap_or_default();
    Ok(format!(
        "{before}{gap}{entry}{closing}{}",
        &source.text[end..]
    ))
}

/// The indentation of the entries that are there, or of one that would be the first.
fn entry_indent(source: &Source, tasks: &Object) -> String {
    let (at, deeper) = match tasks.iter().next().and_then(|(key, _)| hcl::key_start(key)) {
        Some(start) => (start, ""),
        None => (tasks.span().unwrap_or_default().start, "  "),
    };
    let line = source.text[..at]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let indent: String = source.text[line..]
        .chars()
        .take_while(|c| *c == ' ' || *c == '\t')
        .collect();
    indent + deeper
}

fn definition(wanted: &Wanted, key: &str, by_poetry: bool, own_path: &str) -> String {
    let command = if by_poetry {
        "\"poetry\", \"run\", "
    } else {
        ""
    };
    let mut text = format!("{key} = {{\n  command = [{command}\"{}\"]\n", wanted.name);
    if let Some(cpu) = wanted.cpu {
        text.push_str(&format!("  cpu     = {cpu}\n"));
    }
    if let Some(memory) = wanted.memory {
        text.push_str(&format!("  memory  = {memory}\n"));
    }
    if wanted.env.is_empty() && wanted.secrets.is_empty() {
        text.push_str("  env     = []\n");
    } else {
        text.push_str("  env = [\n");
        for (name, value) in &wanted.env {
            text.push_str(&format!(
                "    {{ name = \"{name}\", value = {} }},\n",
                quote(value)
            ));
        }
        for (name, path) in &wanted.secrets {
            let from = match path.strip_prefix(own_path) {
                Some(rest) => format!("\"/${{var.app}}/${{var.environment}}/{rest}\""),
                None => quote(path),
            };
            text.push_str(&format!(
                "    {{ name = \"{name}\", valueFrom = {from} }},\n"
            ));
        }
        text.push_str("  ]\n");
    }
    text + "}\n"
}

/// cloudwatch.tf with a schedule more, behind the last one.
pub fn with_schedule(source: &Source, wanted: &Wanted, expression: &str, zone: &str) -> String {
    let name = &wanted.name;
    let block = format!(
        r#"module "{module}" {{
  source = "../../modules/ecs_task_scheduler"

  name   = "${{local.prefix}}-{name}"
  task   = local.startable["{name}"]
  target = local.target

  schedule_expression          = {expression}
  schedule_expression_timezone = {zone}

  overrides = {{ environment = {{ TASK_AUTHOR = "schedule/{name}" }} }}

  dead_letter_arn      = local.dead_letter_arn
  permissions_boundary = local.permissions_boundary
  role_path            = local.iam_path
}}
"#,
        module = wanted.snake(),
        expression = quote(expression),
        zone = quote(zone),
    );
    behind_last_module(source, "ecs_task_scheduler", &block)
}

/// s3_subscriptions.tf with a trigger more, behind the last one. A bucket that the template's files
/// create is named by its resource.
pub fn with_trigger(
    source: &Source,
    wanted: &Wanted,
    on_s3: &OnS3,
    bucket_resource: Option<&str>,
) -> String {
    let name = &wanted.name;
    let bucket = match bucket_resource {
        Some(resource) => format!("aws_s3_bucket.{resource}.bucket"),
        None => quote(&on_s3.bucket),
    };
    let mut keys = String::new();
    for (key, value) in [("prefix", &on_s3.prefix), ("suffix", &on_s3.suffix)] {
        if !value.is_empty() {
            keys.push_str(&format!("  {key} = {}\n", quote(value)));
        }
    }
    let block = format!(
        r#"module "{module}" {{
  source = "../../modules/s3_ecs_trigger"

  name    = "${{local.prefix}}-{name}"
  task    = local.startable["{name}"]
  target  = local.target
  command = local.tasks["{name}"].command

  bucket = {bucket}
{keys}
  dead_letter_arn      = local.dead_letter_arn
  permissions_boundary = local.permissions_boundary
  role_path            = local.iam_path
}}
"#,
        module = wanted.snake(),
    );
    behind_last_module(source, "s3_ecs_trigger", &block)
}

/// The resource that creates a bucket: by its name in Terraform, or by its name in S3.
pub fn bucket_resource(sources: &[Source], bucket: &str) -> Option<String> {
    let blocks = sources
        .iter()
        .flat_map(|source| source.body.get_blocks("resource"))
        .filter(|block| label(block, 0) == Some("aws_s3_bucket"));
    for block in blocks {
        let name = label(block, 1)?;
        let written = block.body.get_attribute("bucket");
        let named = written.and_then(|attribute| attribute.value.as_str());
        if name == bucket || named == Some(bucket) {
            return Some(name.to_owned());
        }
    }
    None
}

fn label(block: &Block, index: usize) -> Option<&str> {
    block
        .labels
        .get(index)
        .map(hcl_edit::structure::BlockLabel::as_str)
}

fn behind_last_module(source: &Source, kind: &str, block: &str) -> String {
    let of_kind = |module: &&Block| {
        let from = module.body.get_attribute("source");
        from.is_some_and(|from| hcl::text(&from.value).contains(kind))
    };
    let last = source.body.get_blocks("module").filter(of_kind).last();
    let text = &source.text;
    match last.and_then(|module| module.span()).map(|span| span.end) {
        Some(end) => {
            let (before, after) = text.split_at(end);
            format!(
                "{}\n\n{}{after}",
                before.trim_end(),
                block.trim_end_matches('\n')
            )
        }
        None if text.trim().is_empty() => block.to_owned(),
        None => format!("{}\n\n{block}", text.trim_end()),
    }
}

/// A text as an HCL string.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    // A template's beginnings are taken literally.
    quoted.replace("${", "$${").replace("%{", "%%{") + "\""
}
