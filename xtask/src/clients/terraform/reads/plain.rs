//! Which text an expression is for certain, without Terraform: literals, `path.*` and locals of these.

use std::collections::HashMap;
use std::path::Path;

use hcl_edit::expr::{Expression, FuncCall, Traversal, TraversalOperator};
use hcl_edit::structure::Body;
use hcl_edit::template::{Element, Strip, Template};

use super::disk;

/// A local may name another one; a circle is Terraform's business to refuse.
pub const DEEPEST: usize = 8;

/// What the expressions of one module can name.
pub struct Scope<'a> {
    /// `path.module`, as the manifest has it: relative to the root's folder, `.` for the root itself.
    pub module: &'a str,
    /// The root's folder, in which Terraform runs.
    pub root: &'a Path,
    /// `path.cwd`: where Terraform is started, before its -chdir.
    pub started_in: &'a Path,
    pub home: Option<&'a Path>,
    pub locals: HashMap<&'a str, &'a Expression>,
}

/// A text that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    pub text: String,
    /// It is made of `path.*`, so that it is meant to be a path.
    pub is_path: bool,
    /// It is another one in another checkout.
    pub is_placed: bool,
}

impl Scope<'_> {
    pub fn plain(&self, expression: &Expression) -> Option<Plain> {
        self.plain_within(expression, DEEPEST)
    }

    fn plain_within(&self, expression: &Expression, depth: usize) -> Option<Plain> {
        match expression {
            Expression::String(text) => Some(Plain::literal(text.as_str())),
            Expression::Number(number) => Some(Plain::literal(&number.to_string())),
            Expression::Parenthesis(inner) => self.plain_within(inner.inner(), depth),
            Expression::StringTemplate(template) => self.plain_template(template, depth),
            Expression::HeredocTemplate(heredoc) => self.plain_template(&heredoc.template, depth),
            Expression::Traversal(traversal) => match names(traversal)? {
                ("path", "module") => Some(Plain::path(self.module)),
                ("path", "root") => Some(Plain::path(".")),
                ("path", "cwd") => Some(Plain::placed(self.started_in)),
                ("local", name) if traversal.operators.len() == 1 => {
                    self.plain_within(self.locals.get(name)?, depth.checked_sub(1)?)
                }
                _ => None,
            },
            Expression::FuncCall(call) => self.plain_call(call, depth),
            _ => None,
        }
    }

    fn plain_template(&self, template: &Template, depth: usize) -> Option<Plain> {
        let mut whole = Plain::literal("");
        for element in template {
            match element {
                Element::Literal(text) => whole.text.push_str(text),
                Element::Interpolation(part) if part.strip == Strip::None => {
                    let part = self.plain_within(&part.expr, depth)?;
                    whole.text.push_str(&part.text);
                    whole.is_path |= part.is_path;
                    whole.is_placed |= part.is_placed;
                }
                _ => return None,
            }
        }
        Some(whole)
    }

    fn plain_call(&self, call: &FuncCall, depth: usize) -> Option<Plain> {
        let [argument] = call.args.iter().collect::<Vec<_>>()[..] else {
            return None;
        };
        let name = function(call).filter(|_| !call.args.expand_final())?;
        if !matches!(name, "abspath" | "pathexpand" | "dirname" | "basename") {
            return None;
        }
        let given = self.plain_within(argument, depth)?;
        let text = match name {
            "abspath" => return Some(Plain::placed(&disk::clean(&self.root.join(given.text)))),
            "pathexpand" => return Some(Plain::placed(&self.expanded(&given.text)?)),
            "dirname" => match given.text.rsplit_once('/') {
                Some((folder, _)) => disk::clean(Path::new(folder)).display().to_string(),
                None => ".".to_owned(),
            },
            _ => {
                // A name alone, which is no way to anything.
                let text = given.text.trim_end_matches('/');
                let text = text.rsplit('/').next().unwrap_or_default().to_owned();
                let is_path = false;
                return Some(Plain {
                    text,
                    is_path,
                    ..given
                });
            }
        };
        Some(Plain { text, ..given })
    }

    /// `~` as the functions that read files understand it; None for the home of somebody else.
    pub fn expanded(&self, text: &str) -> Option<std::path::PathBuf> {
        match text.strip_prefix('~') {
            None => Some(text.into()),
            Some("") => self.home.map(Path::to_owned),
            Some(rest) => Some(self.home?.join(rest.strip_prefix('/')?)),
        }
    }
}

impl Plain {
    fn literal(text: &str) -> Self {
        Plain {
            text: text.to_owned(),
            is_path: false,
            is_placed: false,
        }
    }

    fn path(text: &str) -> Self {
        Plain {
            is_path: true,
            ..Plain::literal(text)
        }
    }

    fn placed(path: &Path) -> Self {
        Plain {
            is_placed: true,
            ..Plain::path(&path.display().to_string())
        }
    }
}

/// The function of Terraform itself that is called; None for one of a provider.
pub fn function(call: &FuncCall) -> Option<&str> {
    match call.name.namespace.as_slice() {
        [] => Some(call.name.name.as_str()),
        [core] if core.as_str() == "core" => Some(call.name.name.as_str()),
        _ => None,
    }
}

/// `a` and `b` of `a.b…`.
pub fn names(traversal: &Traversal) -> Option<(&str, &str)> {
    let first = traversal.expr.as_variable()?;
    match &**traversal.operators.first()? {
        TraversalOperator::GetAttr(second) => Some((first.as_str(), second.as_str())),
        _ => None,
    }
}

/// The locals of a module, whichever file has them.
pub fn locals<'a>(bodies: impl Iterator<Item = &'a Body>) -> HashMap<&'a str, &'a Expression> {
    bodies
        .flat_map(|body| body.get_blocks("locals"))
        .flat_map(|block| block.body.attributes())
        .map(|attribute| (attribute.key.as_str(), &attribute.value))
        .collect()
}
