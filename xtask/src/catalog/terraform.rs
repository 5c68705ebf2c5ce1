//! Definitions, schedules and triggers out of the template's Terraform files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, Object};
use hcl_edit::structure::{Block, Body};

use super::{Definition, EnvEntry, EnvValue, Place, Schedule, Trigger, hcl};

/// The modules of the template are known by the last part of their source.
const SCHEDULER: &str = "ecs_task_scheduler";
const S3_TRIGGER: &str = "s3_ecs_trigger";

/// One file of the template, parsed.
pub struct Source {
    /// Relative to the repository.
    pub file: PathBuf,
    pub text: String,
    pub body: Body,
}

/// What the files say together.
#[derive(Debug, Default)]
pub struct Written {
    /// None when no file has a plain map of tasks.
    pub definitions: Option<Vec<Definition>>,
    pub schedules: Vec<Schedule>,
    pub triggers: Vec<Trigger>,
}

pub fn parse(file: &Path, text: String) -> anyhow::Result<Source> {
    let body = text
        .parse()
        .with_context(|| format!("parsing {}", file.display()))?;
    Ok(Source {
        file: file.to_owned(),
        text,
        body,
    })
}

/// Reads all files of one module; a `local.x` in an `env` is looked up among all their locals.
pub fn read(sources: &[Source]) -> Written {
    let locals: HashMap<&str, &Expression> = sources
        .iter()
        .flat_map(|source| source.body.get_blocks("locals"))
        .flat_map(|block| block.body.attributes())
        .map(|attribute| (attribute.key.as_str(), &attribute.value))
        .collect();
    let mut written = Written::default();
    for source in sources {
        if written.definitions.is_none() {
            written.definitions = hcl::tasks_object(&source.body).map(|tasks| {
                tasks
                    .iter()
                    .filter_map(|(key, value)| {
                        let name = hcl::key_text(key)?;
                        let start = hcl::key_start(key).unwrap_or_default();
                        Some(definition(
                            name,
                            source.place(start),
                            value.expr().as_object(),
                            &locals,
                        ))
                    })
                    .collect()
            });
        }
        for block in source.body.get_blocks("module") {
            let Some(of) = block
                .body
                .get_attribute("source")
                .map(|a| hcl::text(&a.value))
            else {
                continue;
            };
            // A source may end in a version or in options: `?ref=v1`.
            let of = of.split('?').next().unwrap_or_default();
            match of.rsplit('/').next() {
                Some(SCHEDULER) => written.schedules.push(schedule(source, block)),
                Some(S3_TRIGGER) => written.triggers.push(trigger(source, block)),
                _ => {}
            }
        }
    }
    written
}

impl Source {
    fn place(&self, byte: usize) -> Place {
        Place {
            file: self.file.clone(),
            line: hcl::line_of(&self.text, byte),
        }
    }
}

fn definition(
    name: String,
    place: Place,
    object: Option<&Object>,
    locals: &HashMap<&str, &Expression>,
) -> Definition {
    let field = |key| object.and_then(|object| hcl::field(object, key));
    let mut env = Vec::new();
    if let Some(written) = field("env") {
        collect_env(written, locals, 0, &mut env);
    }
    Definition {
        name,
        place,
        command: field("command").and_then(hcl::strings),
        cpu: field("cpu").and_then(hcl::number),
        memory: field("memory").and_then(hcl::number),
        env,
    }
}

/// Entries are objects, lists of entries, `concat(…)` of them, or a local that holds one of these.
fn collect_env(
    expression: &Expression,
    locals: &HashMap<&str, &Expression>,
    depth: usize,
    into: &mut Vec<EnvEntry>,
) {
    // A local may name another one; a circle is Terraform's business to refuse.
    if depth > 8 {
        return;
    }
    match expression {
        Expression::Object(object) => into.extend(env_entry(object)),
        Expression::Array(array) => {
            for part in array.iter() {
                collect_env(part, locals, depth + 1, into);
            }
        }
        Expression::FuncCall(call) => {
            for part in call.args.iter() {
                collect_env(part, locals, depth + 1, into);
            }
        }
        other => {
            if let Some(("local", name)) = hcl::dotted(other)
                && let Some(found) = locals.get(name)
            {
                collect_env(found, locals, depth + 1, into);
            }
        }
    }
}

fn env_entry(object: &Object) -> Option<EnvEntry> {
    let name = hcl::text(hcl::field(object, "name")?);
    let value = match (hcl::field(object, "valueFrom"), hcl::field(object, "value")) {
        (Some(secret), _) => EnvValue::Secret(hcl::text(secret)),
        (None, Some(Expression::String(text))) => EnvValue::Plain(text.as_str().to_owned()),
        (None, Some(Expression::Number(number))) => EnvValue::Plain(number.to_string()),
        (None, Some(Expression::Bool(value))) => EnvValue::Plain(value.to_string()),
        (None, Some(other)) => EnvValue::Computed(hcl::text(other)),
        (None, None) => return None,
    };
    Some(EnvEntry { name, value })
}

fn schedule(source: &Source, block: &Block) -> Schedule {
    Schedule {
        module: label(block),
        place: source.place(block.span().unwrap_or_default().start),
        task: task_of(&block.body),
        expression: literal(&block.body, "schedule_expression"),
        timezone: literal(&block.body, "schedule_expression_timezone"),
        enabled: is_enabled(&block.body),
    }
}

fn trigger(source: &Source, block: &Block) -> Trigger {
    let value = |key| block.body.get_attribute(key).map(|a| hcl::text(&a.value));
    Trigger {
        module: label(block),
        place: source.place(block.span().unwrap_or_default().start),
        task: task_of(&block.body),
        bucket: value("bucket").unwrap_or_default(),
        prefix: value("prefix").unwrap_or_default(),
        suffix: value("suffix").unwrap_or_default(),
        enabled: is_enabled(&block.body),
    }
}

fn label(block: &Block) -> String {
    let label = block.labels.first();
    label
        .map(|label| label.as_str().to_owned())
        .unwrap_or_default()
}

/// `task = local.startable["name"]`; other repositories write other attributes with the same index.
fn task_of(body: &Body) -> Option<String> {
    let by_index = |key: &str| {
        body.get_attribute(key)
            .and_then(|a| hcl::first_index(&a.value))
    };
    by_index("task").or_else(|| {
        body.attributes()
            .filter(|attribute| attribute.key.as_str().contains("task"))
            .find_map(|attribute| {
                hcl::first_index(&attribute.value)
                    .or_else(|| attribute.value.as_str().map(str::to_owned))
            })
    })
}

fn literal(body: &Body, key: &str) -> Option<String> {
    let value = &body.get_attribute(key)?.value;
    value.as_str().map(str::to_owned)
}

/// What is computed counts as enabled.
fn is_enabled(body: &Body) -> bool {
    body.get_attribute("is_enabled")
        .and_then(|attribute| attribute.value.as_bool())
        .unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Written {
        let source = parse(Path::new("tasks.tf"), text.to_owned()).unwrap();
        read(&[source])
    }

    #[test]
    fn a_definition_with_shared_and_own_variables() {
        let found = written(
            r#"
            locals {
              level  = { name = "LEVEL", value = "info" }
              shared = [local.level, { name = "KEY", valueFrom = "/a/key" }]
              tasks = {
                "b-task" = {
                  command = ["b-task", "--all"]
                  cpu     = 256
                  memory  = "512"
                  env     = concat(local.shared, [{ name = "URL", value = "https://${var.host}" }])
                }
              }
            }
            "#,
        );
        let definitions = found.definitions.unwrap();
        let env = |name: &str, value| EnvEntry {
            name: name.to_owned(),
            value,
        };
        assert_eq!(
            definitions,
            [Definition {
                name: "b-task".into(),
                place: Place {
                    file: "tasks.tf".into(),
                    line: 6
                },
                command: Some(vec!["b-task".into(), "--all".into()]),
                cpu: Some(256),
                memory: Some(512),
                env: vec![
                    env("LEVEL", EnvValue::Plain("info".into())),
                    env("KEY", EnvValue::Secret("/a/key".into())),
                    env("URL", EnvValue::Computed("\"https://${var.host}\"".into())),
                ],
            }]
        );
    }

    #[test]
    fn a_task_is_found_however_a_module_names_it() {
        for (line, expected) in [
            (r#"task = local.startable["a"]"#, Some("a")),
            (r#"task_name = "b""#, Some("b")),
            (
                r#"ecs_task_definition_arn = aws_ecs_task_definition.this["c"].arn"#,
                Some("c"),
            ),
            ("task = local.one", None),
        ] {
            let text = format!(
                "module \"m\" {{\n  source = \"../../modules/ecs_task_scheduler?ref=v1\"\n  {line}\n}}\n"
            );
            assert_eq!(
                written(&text).schedules[0].task.as_deref(),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn a_trigger_with_an_expression_for_its_bucket() {
        let found = written(
            "module \"m\" {\n  source = \"../s3_ecs_trigger\"\n  task = local.startable[\"a\"]\n  bucket = aws_s3_bucket.claims.bucket\n  prefix = \"in/\"\n  is_enabled = false\n}\n",
        );
        let trigger = &found.triggers[0];
        assert_eq!(trigger.bucket, "aws_s3_bucket.claims.bucket");
        assert_eq!(
            (trigger.prefix.as_str(), trigger.suffix.as_str()),
            ("in/", "")
        );
        assert!(!trigger.enabled);
    }

    #[test]
    fn a_merged_map_is_terraforms_business() {
        assert_eq!(
            written("locals {\n  tasks = merge(local.a, local.b)\n}\n").definitions,
            None
        );
    }
}
