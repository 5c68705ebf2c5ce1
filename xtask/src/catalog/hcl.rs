//! Small questions to HCL that was parsed.

use hcl_edit::Span;
use hcl_edit::expr::{Expression, Object, ObjectKey, TraversalOperator};
use hcl_edit::structure::{Body, Structure};

/// The value of `key = …` in an object.
pub fn field<'a>(object: &'a Object, key: &str) -> Option<&'a Expression> {
    object
        .iter()
        .find(|(name, _)| key_text(name).as_deref() == Some(key))
        .map(|(_, value)| value.expr())
}

pub fn key_text(key: &ObjectKey) -> Option<String> {
    match key {
        ObjectKey::Ident(ident) => Some(ident.as_str().to_owned()),
        ObjectKey::Expression(Expression::String(text)) => Some(text.as_str().to_owned()),
        ObjectKey::Expression(Expression::Variable(name)) => Some(name.as_str().to_owned()),
        ObjectKey::Expression(_) => None,
    }
}

/// The byte at which a key begins in the text that was parsed.
pub fn key_start(key: &ObjectKey) -> Option<usize> {
    match key {
        ObjectKey::Ident(ident) => ident.span(),
        ObjectKey::Expression(expression) => expression.span(),
    }
    .map(|span| span.start)
}

/// A list of plain strings, or None.
pub fn strings(expression: &Expression) -> Option<Vec<String>> {
    let array = expression.as_array()?;
    array
        .iter()
        .map(|part| part.as_str().map(str::to_owned))
        .collect()
}

pub fn number(expression: &Expression) -> Option<u32> {
    match expression {
        Expression::Number(number) => number.as_u64().and_then(|value| value.try_into().ok()),
        Expression::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A string's content, or the source of any other expression.
pub fn text(expression: &Expression) -> String {
    match expression.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let source = expression.to_string();
            source.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    }
}

/// The `"name"` of the first `something["name"]` in an expression.
pub fn first_index(expression: &Expression) -> Option<String> {
    match expression {
        Expression::Traversal(traversal) => {
            traversal
                .operators
                .iter()
                .find_map(|operator| match &**operator {
                    TraversalOperator::Index(index) => index.as_str().map(str::to_owned),
                    _ => None,
                })
        }
        Expression::Parenthesis(inner) => first_index(inner.inner()),
        Expression::FuncCall(call) => call.args.iter().find_map(first_index),
        _ => None,
    }
}

/// `a.b` as ("a", "b"), when that is all the expression is.
pub fn dotted(expression: &Expression) -> Option<(&str, &str)> {
    let traversal = expression.as_traversal()?;
    let name = traversal.expr.as_variable()?;
    match traversal.operators.as_slice() {
        [operator] => match &**operator {
            TraversalOperator::GetAttr(attribute) => Some((name.as_str(), attribute.as_str())),
            _ => None,
        },
        _ => None,
    }
}

/// The object `locals { tasks = { … } }`.
pub fn tasks_object(body: &Body) -> Option<&Object> {
    body.get_blocks("locals")
        .filter_map(|locals| locals.body.get_attribute("tasks"))
        .find_map(|attribute| attribute.value.as_object())
}

/// The names of a file's `module "…"` blocks.
pub fn module_names(body: &Body) -> Vec<&str> {
    body.iter()
        .filter_map(Structure::as_block)
        .filter(|block| block.has_ident("module"))
        .filter_map(|block| block.labels.first())
        .map(hcl_edit::structure::BlockLabel::as_str)
        .collect()
}

/// The line, from 1, of a byte of the text.
pub fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    before.filter(|byte| **byte == b'\n').count() + 1
}
