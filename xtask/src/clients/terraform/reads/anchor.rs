//! Does a path of Terraform (`path.module` and its like) go into the value of an expression?

use hcl_edit::expr::Expression;
use hcl_edit::visit::{Visit, visit_expr};

use super::mentions::is_content;
use super::plain::{DEEPEST, Scope, names};

pub fn goes_into(scope: &Scope<'_>, expression: &Expression) -> bool {
    let mut search = Search {
        scope,
        depth: DEEPEST,
        found: false,
    };
    search.visit_expr(expression);
    search.found
}

struct Search<'a> {
    scope: &'a Scope<'a>,
    depth: usize,
    found: bool,
}

impl Visit for Search<'_> {
    fn visit_expr(&mut self, expression: &Expression) {
        match expression {
            _ if self.found => {}
            Expression::FuncCall(call) if is_content(call) => {}
            Expression::Traversal(traversal) => match names(traversal) {
                Some(("path", _)) => self.found = true,
                Some(("local", name)) => self.local(name),
                _ => visit_expr(self, expression),
            },
            _ => visit_expr(self, expression),
        }
    }
}

impl Search<'_> {
    fn local(&mut self, name: &str) {
        let Some(local) = self.scope.locals.get(name) else {
            return;
        };
        // So deep that nobody knows.
        let Some(deeper) = self.depth.checked_sub(1) else {
            self.found = true;
            return;
        };
        let depth = std::mem::replace(&mut self.depth, deeper);
        self.visit_expr(local);
        self.depth = depth;
    }
}
