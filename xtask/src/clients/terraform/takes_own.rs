//! Does a root take tags of single tasks? Its files are read, so that this is known before anything is
//! built.

use std::path::Path;

use hcl_edit::structure::Body;

use super::tags::OWN;

/// What a root and the template have of the map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Takes {
    /// The root has the variable: a plan may be told of it.
    pub variable: bool,
    pub output: bool,
    /// The root's call of the template passes it on; true where the tasks are in the root itself.
    pub passed_on: bool,
    /// The variable of the template; true as above.
    pub in_template: bool,
}

impl Takes {
    pub const ALL: Takes = Takes {
        variable: true,
        output: true,
        passed_on: true,
        in_template: true,
    };

    /// `template` is the folder of the file with the tasks.
    pub fn read(root: &Path, template: &Path) -> Self {
        let found = Folder::read(root);
        let is_root = same(root, template);
        Takes {
            variable: found.variable,
            output: found.output,
            passed_on: is_root || found.argument,
            in_template: is_root || Folder::read(template).variable,
        }
    }

    /// What has to be added, in the words of a hint; None when nothing is missing.
    pub fn missing(self, root: &Path, template: &Path) -> Option<String> {
        if self == Takes::ALL {
            return None;
        }
        let variable = format!(
            "variable \"{OWN}\" {{\n  type     = map(string)\n  default  = {{}}\n  nullable = false\n}}"
        );
        let mut lines = Vec::new();
        if !(self.variable && self.output && self.passed_on) {
            lines.push(format!("add to {}:", root.display()));
        }
        if !self.variable {
            lines.push(variable.clone());
        }
        if !self.output {
            lines.push(format!("output \"{OWN}\" {{\n  value = var.{OWN}\n}}"));
        }
        if !self.passed_on {
            lines.push(format!(
                "{OWN} = var.{OWN}   # in the module, beside service_docker_tag"
            ));
        }
        if !self.in_template {
            let own = format!("lookup(var.{OWN}, name, var.service_docker_tag)");
            lines.push(format!(
                "add to {}, where a task's image and its SERVICE_DOCKER_TAG are {own}, as in task_config.tf of the template that comes with xtask:\n{variable}",
                template.display()
            ));
        }
        Some(lines.join("\n"))
    }
}

/// What the files of one folder say.
#[derive(Debug, Default)]
struct Folder {
    variable: bool,
    output: bool,
    argument: bool,
}

impl Folder {
    fn read(folder: &Path) -> Self {
        let mut found = Folder::default();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !(name.ends_with(".tf") || name.ends_with(".tf.json")) {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            match text.parse::<Body>() {
                Ok(body) => found.add(&body),
                // Terraform may understand what is not understood here.
                Err(_) if text.contains(OWN) => {
                    return Folder {
                        variable: true,
                        output: true,
                        argument: true,
                    };
                }
                Err(_) => {}
            }
        }
        found
    }

    fn add(&mut self, body: &Body) {
        let has = |kind: &str| {
            let mut blocks = body.get_blocks(kind);
            blocks.any(|block| block.labels.first().is_some_and(|it| it.as_str() == OWN))
        };
        self.variable |= has("variable");
        self.output |= has("output");
        let mut modules = body.get_blocks("module");
        self.argument |= modules.any(|module| module.body.has_attribute(OWN));
    }
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLE: &str = "variable \"task_docker_tags\" {\n  type = map(string)\n}\n";
    const OUTPUT: &str = "output \"task_docker_tags\" {\n  value = 1\n}\n";
    const CALL: &str = "module \"x\" {\n  task_docker_tags = var.task_docker_tags\n}\n";

    /// The root's file and the template's → what is missing.
    fn missing(root: &str, template: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, text: &str| {
            let folder = folder.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("main.tf"), text).unwrap();
            folder
        };
        let (root, template) = (at("root", root), at("template", template));
        Takes::read(&root, &template).missing(Path::new("root"), Path::new("template"))
    }

    #[test]
    fn what_is_missing_is_what_is_to_be_added() {
        let root = format!("{VARIABLE}{OUTPUT}{CALL}");
        assert_eq!(missing(&root, VARIABLE), None);
        for (root, template, expected, other) in [
            (
                format!("{OUTPUT}{CALL}"),
                VARIABLE,
                "add to root:\nvariable",
                "output",
            ),
            (
                format!("{VARIABLE}{CALL}"),
                VARIABLE,
                "add to root:\noutput",
                "variable",
            ),
            (
                format!("{VARIABLE}{OUTPUT}"),
                VARIABLE,
                "in the module, beside",
                "output",
            ),
            (root, "", "add to template", "add to root"),
        ] {
            let found = missing(&root, template).unwrap();
            assert!(found.contains(expected), "{found}");
            assert!(!found.contains(other), "{found}");
        }
    }

    #[test]
    fn tasks_in_the_root_itself_need_no_module() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main.tf");
        std::fs::write(file, format!("{VARIABLE}{OUTPUT}")).unwrap();
        assert_eq!(Takes::read(folder.path(), folder.path()), Takes::ALL);
        // What nobody here can read is Terraform's to judge.
        let json = folder.path().join("main.tf.json");
        std::fs::write(json, r#"{"variable": {"task_docker_tags": {}}}"#).unwrap();
        assert_eq!(Takes::read(folder.path(), folder.path()), Takes::ALL);
    }
}
