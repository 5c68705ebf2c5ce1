//! What one file of a configuration says about the disk. No file is touched here.

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ForExpr, FuncCall};
use hcl_edit::structure::{Attribute, Block, Structure};
use hcl_edit::template::{Element, Template};
use hcl_edit::visit::{Visit, visit_block, visit_directive, visit_expr, visit_for_expr};

use serde::{Deserialize, Serialize};

use super::anchor::goes_into;
use super::plain::{DEEPEST, Plain, Scope, function};
use super::rules::{self, Kind};
use super::tame::{Each, Part, Within};
use crate::catalog::hcl::line_of;

/// One thing that is said about the disk. Paths are as Terraform sees them: relative to the root's folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mention {
    /// It counts whether or not it is there.
    Named(String),
    /// A text that may be a path: it is one if something is there.
    Maybe(String),
    /// A template, or a folder of them: what they say counts as well.
    Template(String),
    /// A value is another one in another checkout.
    Placed,
    /// Nobody can tell what else is read.
    Unknown(String),
}

/// Walks one file.
pub struct Walk<'a> {
    /// How the file is called where somebody reads of it.
    file: &'a str,
    text: &'a str,
    within: Within<'a>,
    pub mentions: Vec<Mention>,
}

impl<'a> Walk<'a> {
    pub fn new(scope: &'a Scope<'a>, file: &'a str, text: &'a str) -> Self {
        Walk {
            file,
            text,
            within: Within {
                scope,
                each: Each::default(),
                bound: Vec::new(),
            },
            mentions: Vec::new(),
        }
    }

    fn unknown(&mut self, expression: &Expression, why: &str) {
        let line = expression
            .span()
            .map_or(1, |span| line_of(self.text, span.start));
        let shown = expression.to_string();
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let file = self.file;
        self.mentions
            .push(Mention::Unknown(format!("{file}:{line}: `{shown}`: {why}")));
    }

    fn found(&mut self, plain: &Plain, mention: fn(String) -> Mention) {
        if plain.is_placed {
            self.mentions.push(Mention::Placed);
        }
        if rules::can_be_a_path(&plain.text) {
            self.mentions.push(mention(plain.text.clone()));
        }
    }

    /// An expression that is a path; `mention` says what for.
    fn path(&mut self, expression: &Expression, mention: fn(String) -> Mention) {
        if let Some(mut plain) = self.within.scope.plain(expression) {
            match self.within.scope.expanded(&plain.text) {
                Some(path) => plain.text = path.display().to_string(),
                None => return self.unknown(expression, "nobody can tell which file that is"),
            }
            return self.found(&plain, mention);
        }
        match expression {
            Expression::Null(_) => {}
            Expression::Parenthesis(inner) => self.path(inner.inner(), mention),
            Expression::Conditional(either) => {
                self.visit_expr(&either.cond_expr);
                self.path(&either.true_expr, mention);
                self.path(&either.false_expr, mention);
            }
            Expression::StringTemplate(template) => match self.within.folder_of(template) {
                Some(folder) => self.mentions.push(mention(folder)),
                None => self.unknown(expression, "nobody can tell which file that is"),
            },
            _ => self.unknown(expression, "nobody can tell which file that is"),
        }
    }

    /// A template whose text is not known.
    fn template(&mut self, whole: &Expression, template: &Template) {
        let parts = || template.iter();
        let literals = || parts().filter_map(Element::as_literal);
        let names_a_path = parts()
            .filter_map(Element::as_interpolation)
            .any(|part| goes_into(self.within.scope, &part.expr));
        let leaves = literals().any(|text| rules::leads_up(text));
        let is_text = literals().any(|text| text.contains('\n'));
        if (names_a_path || leaves) && !is_text {
            self.path(whole, Mention::Named);
        }
        for part in parts() {
            match part {
                Element::Literal(_) => {}
                Element::Directive(directive) => visit_directive(self, directive),
                Element::Interpolation(part) => match self.within.scope.plain(&part.expr) {
                    Some(plain) if plain.is_placed => self.mentions.push(Mention::Placed),
                    Some(_) => {}
                    None => self.visit_expr(&part.expr),
                },
            }
        }
    }

    /// A template in a file of its own.
    pub fn template_file(&mut self, template: &Template) {
        for part in template {
            match part {
                Element::Literal(_) => {}
                Element::Directive(directive) => visit_directive(self, directive),
                Element::Interpolation(part) => self.visit_expr(&part.expr),
            }
        }
    }

    fn call(&mut self, whole: &Expression, call: &FuncCall) {
        let mut arguments = call.args.iter();
        match rules::kind(call) {
            Kind::New => self.unknown(whole, "its value is new at each plan"),
            Kind::Opaque => self.unknown(whole, "nobody can tell what it reads"),
            Kind::Reads | Kind::Renders => {
                let mention = match rules::kind(call) {
                    Kind::Renders => Mention::Template,
                    _ => Mention::Named,
                };
                if let Some(path) = arguments.next() {
                    self.path(path, mention);
                }
            }
            Kind::Lists => {
                if let (Some(folder), Some(pattern)) = (arguments.next(), arguments.next()) {
                    self.list(whole, folder, pattern);
                }
            }
            Kind::Text if call.args.iter().any(|it| goes_into(self.within.scope, it)) => {
                self.unknown(whole, "nobody can tell which path comes out of it");
            }
            Kind::Text | Kind::Keeps => {}
        }
        for argument in arguments {
            self.visit_expr(argument);
        }
    }

    /// `fileset`: what is below the part of the pattern that is fixed.
    fn list(&mut self, whole: &Expression, folder: &Expression, pattern: &Expression) {
        let scope = self.within.scope;
        let plain = scope.plain(folder).zip(scope.plain(pattern));
        let known = plain.and_then(|(folder, pattern)| {
            let path = scope.expanded(&folder.text)?;
            let fixed = rules::fixed_part(&pattern.text)?;
            let text = path.join(fixed).display().to_string();
            Some(Plain { text, ..folder })
        });
        match known {
            Some(folder) => self.found(&folder, Mention::Named),
            None => self.unknown(whole, "nobody can tell which files that are"),
        }
    }

    /// A block of a provider: what it reads from disk is in few attributes.
    fn provided(&mut self, block: &Block, kind: &str) {
        if let Some(why) = rules::unknown_block(block) {
            let line = block
                .span()
                .map_or(1, |span| line_of(self.text, span.start));
            let file = self.file;
            self.mentions
                .push(Mention::Unknown(format!("{file}:{line}: {why}")));
        }
        let each = block.body.get_attribute("for_each");
        let tame = |part| each.is_some_and(|it| self.within.all_tame(&it.value, part, DEEPEST));
        let each = Each {
            key: tame(Part::Keys),
            value: tame(Part::Values),
        };
        let before = std::mem::replace(&mut self.within.each, each);
        for structure in &block.body {
            match structure {
                Structure::Attribute(attribute) if rules::is_file(kind, attribute.key.as_str()) => {
                    self.path(&attribute.value, Mention::Named);
                }
                other => self.visit_structure(other),
            }
        }
        self.within.each = before;
    }
}

impl Visit for Walk<'_> {
    fn visit_block(&mut self, block: &Block) {
        let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
        match (block.ident.as_str(), labels.as_slice()) {
            // No functions there, and a backend's key is no file.
            ("terraform", []) => {}
            ("module", [_]) => {
                let attributes = block.body.iter().filter(|part| {
                    let key = part.as_attribute().map(|part| part.key.as_str());
                    !matches!(key, Some("source" | "version"))
                });
                attributes.for_each(|part| self.visit_structure(part));
            }
            ("data" | "resource" | "ephemeral", [kind, _]) => self.provided(block, kind),
            _ => visit_block(self, block),
        }
    }

    fn visit_attr(&mut self, attribute: &Attribute) {
        self.visit_expr(&attribute.value);
    }

    fn visit_expr(&mut self, expression: &Expression) {
        if let Some(plain) = self.within.scope.plain(expression) {
            match expression {
                // Its definition is walked where it stands.
                Expression::Traversal(_) if !plain.is_path => {}
                Expression::Number(_) => {}
                _ if plain.is_path => self.found(&plain, Mention::Named),
                _ => self.found(&plain, Mention::Maybe),
            }
            return;
        }
        match expression {
            Expression::StringTemplate(template) => self.template(expression, template),
            Expression::HeredocTemplate(heredoc) => self.template(expression, &heredoc.template),
            Expression::FuncCall(call) => self.call(expression, call),
            _ => visit_expr(self, expression),
        }
    }

    fn visit_for_expr(&mut self, each: &ForExpr) {
        let inside = self.within.inside(each);
        let before = std::mem::replace(&mut self.within, inside);
        visit_for_expr(self, each);
        self.within = before;
    }
}

/// Is this the call of a function whose value is no path, but what is in a file?
pub fn is_content(call: &FuncCall) -> bool {
    matches!(rules::kind(call), Kind::Reads | Kind::Renders | Kind::Lists)
        || function(call) == Some("basename")
}
