//! Which texts stay in the folder that is written before them, whatever they are: no part of such a text
//! is empty, `.` or `..`, so that neither it nor two of them side by side leave the folder.

use hcl_edit::expr::{Expression, ForExpr, FuncCall};
use hcl_edit::template::{Element, Template};

use super::plain::{DEEPEST, Scope, function, names};

/// What a name that an expression has bound holds.
#[derive(Debug, Clone)]
pub struct Bound {
    pub name: String,
    pub tame: bool,
}

/// Are a block's `each.key` and `each.value` tame?
#[derive(Debug, Clone, Copy, Default)]
pub struct Each {
    pub key: bool,
    pub value: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Keys,
    Values,
}

/// Where an expression stands.
#[derive(Clone)]
pub struct Within<'a> {
    pub scope: &'a Scope<'a>,
    pub each: Each,
    pub bound: Vec<Bound>,
}

impl Within<'_> {
    /// The folder that a text begins with, if all that follows is tame.
    pub fn folder_of(&self, template: &Template) -> Option<String> {
        let mut fixed = String::new();
        let mut rest = template.iter().peekable();
        while let Some(element) = rest.peek() {
            match element {
                Element::Literal(text) => fixed.push_str(text),
                Element::Interpolation(part) => match self.scope.plain(&part.expr) {
                    Some(plain) => fixed.push_str(&plain.text),
                    None => break,
                },
                Element::Directive(_) => break,
            }
            rest.next();
        }
        let (folder, begun) = fixed.rsplit_once('/')?;
        // A part that has begun (`x-${f}`) is not `..` yet and must not become it.
        let tame = !begun.contains("..") && rest.all(|element| self.tame_element(element));
        (tame && !folder.is_empty()).then(|| folder.to_owned())
    }

    fn tame_element(&self, element: &Element) -> bool {
        match element {
            Element::Literal(text) => !text.contains("..") && !text.contains("//"),
            Element::Interpolation(part) => self.tame(&part.expr, DEEPEST),
            Element::Directive(_) => false,
        }
    }

    fn tame(&self, expression: &Expression, depth: usize) -> bool {
        let Some(deeper) = depth.checked_sub(1) else {
            return false;
        };
        if let Some(plain) = self.scope.plain(expression) {
            let mut parts = plain.text.split('/');
            return !plain.is_path && parts.all(|part| !matches!(part, "" | "." | ".."));
        }
        match expression {
            Expression::Parenthesis(inner) => self.tame(inner.inner(), deeper),
            Expression::Conditional(either) => {
                self.tame(&either.true_expr, deeper) && self.tame(&either.false_expr, deeper)
            }
            Expression::Variable(name) => {
                let mut inner_first = self.bound.iter().rev();
                inner_first
                    .find(|bound| bound.name == name.as_str())
                    .is_some_and(|bound| bound.tame)
            }
            Expression::Traversal(path) if path.operators.len() == 1 => match names(path) {
                Some(("each", "key")) => self.each.key,
                Some(("each", "value")) => self.each.value,
                Some(("count", "index")) => true,
                Some(("local", name)) => {
                    let local = self.scope.locals.get(name);
                    local.is_some_and(|local| self.outside().tame(local, deeper))
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Are all keys, or all values, of a collection tame?
    pub fn all_tame(&self, collection: &Expression, part: Part, depth: usize) -> bool {
        let Some(deeper) = depth.checked_sub(1) else {
            return false;
        };
        match collection {
            Expression::Parenthesis(inner) => self.all_tame(inner.inner(), part, deeper),
            // A list's keys are numbers.
            Expression::Array(_) if part == Part::Keys => true,
            Expression::Array(array) => array.iter().all(|item| self.tame(item, deeper)),
            Expression::Object(object) => object.iter().all(|(key, value)| match part {
                Part::Keys => match key {
                    hcl_edit::expr::ObjectKey::Ident(_) => true,
                    // An unquoted name is a text, not a variable.
                    hcl_edit::expr::ObjectKey::Expression(Expression::Variable(_)) => true,
                    hcl_edit::expr::ObjectKey::Expression(key) => self.tame(key, deeper),
                },
                Part::Values => self.tame(value.expr(), deeper),
            }),
            Expression::Conditional(either) => {
                self.all_tame(&either.true_expr, part, deeper)
                    && self.all_tame(&either.false_expr, part, deeper)
            }
            Expression::Traversal(path) if path.operators.len() == 1 => {
                let Some(("local", name)) = names(path) else {
                    return false;
                };
                let local = self.scope.locals.get(name);
                local.is_some_and(|local| self.outside().all_tame(local, part, deeper))
            }
            Expression::ForExpr(each) => self.for_is_tame(each, part, deeper),
            Expression::FuncCall(call) => self.call_is_tame(call, part, deeper),
            _ => false,
        }
    }

    fn for_is_tame(&self, each: &ForExpr, part: Part, depth: usize) -> bool {
        let inside = self.inside(each);
        match (&each.key_expr, part) {
            (None, Part::Keys) => true,
            (Some(key), Part::Keys) => inside.tame(key, depth),
            (_, Part::Values) => !each.grouping && inside.tame(&each.value_expr, depth),
        }
    }

    fn call_is_tame(&self, call: &FuncCall, part: Part, depth: usize) -> bool {
        let all = |part| {
            call.args
                .iter()
                .all(|item| self.all_tame(item, part, depth))
        };
        match function(call).filter(|_| !call.args.expand_final()) {
            // What a pattern finds is below the folder, unless the pattern leaves it.
            Some("fileset") => {
                let pattern = call.args.get(1).and_then(|it| self.scope.plain(it));
                pattern.is_some_and(|pattern| !pattern.text.contains(".."))
            }
            // A set's keys are its values.
            Some("toset") => all(Part::Values),
            Some("tolist" | "sort" | "distinct" | "concat") => part == Part::Keys || all(part),
            Some("setunion") => all(Part::Values),
            Some("merge" | "tomap") => all(part),
            Some("keys") => part == Part::Keys || all(Part::Keys),
            Some("values") => part == Part::Keys || all(Part::Values),
            _ => false,
        }
    }

    /// Within a `for`, whose names are bound.
    pub fn inside(&self, each: &ForExpr) -> Self {
        let collection = &each.intro.collection_expr;
        let mut inside = self.clone();
        if let Some(key) = &each.intro.key_var {
            inside.bound.push(Bound {
                name: key.as_str().to_owned(),
                tame: self.all_tame(collection, Part::Keys, DEEPEST),
            });
        }
        inside.bound.push(Bound {
            name: each.intro.value_var.as_str().to_owned(),
            tame: self.all_tame(collection, Part::Values, DEEPEST),
        });
        inside
    }

    /// Where a local is defined: nothing of an expression that names it is bound there.
    fn outside(&self) -> Self {
        Within {
            scope: self.scope,
            each: Each::default(),
            bound: Vec::new(),
        }
    }
}
