//! The task definitions as they are written: `locals { tasks = { … } }` of tasks.tf.

use std::path::Path;

use anyhow::Context as _;
use hcl_edit::expr::{Expression, Object, ObjectKey};
use hcl_edit::structure::Body;

/// The names of the tasks in the file, in its order. None when `tasks` is not a plain map (a
/// `merge(…)`), so that only Terraform can tell.
pub fn task_names(file: &Path) -> anyhow::Result<Option<Vec<String>>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading the task definitions from {}", file.display()))?;
    names_in(&text).with_context(|| format!("parsing {}", file.display()))
}

fn names_in(text: &str) -> anyhow::Result<Option<Vec<String>>> {
    let body: Body = text.parse()?;
    Ok(
        tasks_object(&body)
            .map(|tasks| tasks.iter().filter_map(|(key, _)| key_text(key)).collect()),
    )
}

fn tasks_object(body: &Body) -> Option<&Object> {
    body.get_blocks("locals")
        .filter_map(|locals| locals.body.get_attribute("tasks"))
        .find_map(|attribute| attribute.value.as_object())
}

fn key_text(key: &ObjectKey) -> Option<String> {
    match key {
        ObjectKey::Ident(ident) => Some(ident.as_str().to_owned()),
        ObjectKey::Expression(Expression::String(text)) => Some(text.as_str().to_owned()),
        ObjectKey::Expression(Expression::Variable(name)) => Some(name.as_str().to_owned()),
        ObjectKey::Expression(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::names_in;

    #[test]
    fn names_in_the_files_order() {
        let text = r#"
            locals { other = 1 }
            # A comment.
            locals {
              tasks = {
                "b-task" = { command = ["b-task"] } # why
                a_task   = { env = [{ name = "X", value = var.x }] }
              }
            }
        "#;
        assert_eq!(
            names_in(text).unwrap(),
            Some(vec!["b-task".to_owned(), "a_task".to_owned()])
        );
        assert_eq!(
            names_in("locals { tasks = merge(local.a, local.b) }").unwrap(),
            None
        );
        assert!(names_in("locals {").is_err());
    }
}
