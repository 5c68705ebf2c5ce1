//! Another repository takes xtask in, in both documented ways and on two layouts: a bare cargo
//! workspace, and a Python monorepo with fifty tasks.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;

use crate::harness::{
    Checkout, Ended, base, copy_folder, filtered, path, repository, target_dir, which,
};

/// A folder `xtask` that is in an adopter's repository, and where it has the template from.
struct Adopted {
    checkout: Checkout,
    flags: Vec<String>,
    /// Whether the sandbox is asked, too; once is enough.
    tries: bool,
}

#[test]
fn a_copy_of_the_folder() {
    let checkout = Checkout::empty("adopted-copy");
    copy_folder(&repository().join("xtask"), &checkout.root.join("xtask"));
    let from = repository().to_string_lossy().into_owned();
    let adopted = Adopted {
        checkout,
        flags: vec!["--from".to_owned(), from],
        tries: false,
    };
    adopted.in_a_cargo_workspace();
    adopted.in_a_python_monorepo();
}

#[test]
fn a_crate_that_depends_on_it_by_git() {
    let upstream = Checkout::named("adopted-upstream");
    let checkout = Checkout::empty("adopted-git");
    checkout.write(
        "xtask/Cargo.toml",
        &format!(
            r#"[package]
name = "acme-xtask"
edition = "2024"

[[bin]]
name = "xtask"
path = "main.rs"

[dependencies]
xtask = {{ git = "file://{}" }}
"#,
            upstream.root.display()
        ),
    );
    checkout.write(
        "xtask/main.rs",
        "fn main() -> std::process::ExitCode {\n    xtask::main()\n}\n",
    );
    let adopted = Adopted {
        checkout,
        flags: Vec::new(),
        tries: true,
    };
    adopted.in_a_cargo_workspace();
    adopted.in_a_python_monorepo();
}

impl Adopted {
    fn in_a_cargo_workspace(&self) {
        let checkout = &self.checkout;
        self.start("[\"worker\", \"xtask\"]");
        checkout.write(
            "worker/Cargo.toml",
            "[package]\nname = \"worker\"\nedition = \"2024\"\n",
        );
        checkout.write("worker/src/main.rs", "mod tasks;\n\nfn main() {}\n");
        checkout.write("worker/src/tasks.rs", "//! The background tasks.\n");
        checkout.write(
            ".cargo/config.toml",
            "[alias]\nlint = \"clippy --all-targets\"\n",
        );
        let commit = checkout.commit("a cargo workspace");

        // Off a terminal nothing is asked, and what is missing is all said at once.
        let asked = self.cargo(&["run", "--quiet", "--package", self.package(), "--", "init"]);
        asked
            .expect_code(2)
            .expect_stderr("must be said: --app, --aws-account-id, --region, --github-repository");
        assert_eq!(changed(checkout, &commit), "");

        let ended = self.init("shop", &["--workflows"]);
        written(&ended, &["Cargo.toml", ".cargo/config.toml", ".gitignore"]);
        written(
            &ended,
            &[
                "infra/foundation/backend.tf",
                "infra/ecs-tasks/template/tasks.tf",
                "infra/ecs-tasks/environments/test/main.tf",
                ".github/workflows/shop-auto-deploy.yml",
                ".github/workflows/shop-deploy.yml",
            ],
        );
        require_only_additions(checkout, &commit);
        // Nothing of ours is left in what is the adopter's now.
        let mine = ["--", "*.tf", "*.tfbackend", "*.yml"];
        for foreign in ["123456789012", "example-org", "claims", "nightly", "\"api"] {
            let found = Command::new("git")
                .args(["grep", "--cached", "--fixed-strings", foreign])
                .args(mine)
                .current_dir(&checkout.root)
                .output()
                .unwrap();
            let found = String::from_utf8_lossy(&found.stdout).into_owned();
            assert_eq!(found, "", "{foreign}");
        }
        // Only cargo and Terraform know what is read: a list of ours would be somebody else's folders.
        let workflow = checkout.read(".github/workflows/shop-auto-deploy.yml");
        let mut lines = workflow.lines().map(str::trim_start);
        assert!(!lines.any(|line| line.starts_with("paths")), "{workflow}");
        require_formatted(checkout);

        // By its alias, from any folder.
        let folder = "worker/src";
        self.xtask(folder, &["tasks"]).expect_code(0);
        self.xtask(
            folder,
            &[
                "new-task",
                "sweep",
                "--schedule",
                "rate(1 day)",
                "--timezone",
                "UTC",
            ],
        )
        .expect_code(0);
        let table = self.xtask(folder, &["tasks"]).expect_code(0);
        expect![[r#"
            TASK   ENTRYPOINT                   STARTED BY       SECRETS
            sweep  worker/src/tasks/sweep.rs:9  rate(1 day) UTC  -
        "#]]
        .assert_eq(&filtered(&table.stdout));
        self.xtask(folder, &["tasks", "--check"]).expect_code(0);
        self.twice("shop", &["--workflows"]);
        if self.tries {
            self.the_whole_loop();
        }
    }

    /// The template under the adopter's names is applied, and a binary of its own runs.
    fn the_whole_loop(&self) {
        let source = "fn main() {\n    println!(\"swept\");\n}\n";
        self.checkout.write("worker/src/main.rs", source);
        let ended = self.xtask("worker", &["try", "sweep", "--sandbox"]);
        let ended = ended
            .expect_code(0)
            .expect_stderr("sweep on shop-test\n")
            .expect_stderr("✓ sweep exited 0");
        assert_eq!(filtered(&ended.stdout), "swept\n");
        self.xtask("", &["sandbox", "down"]).expect_code(0);
    }

    fn in_a_python_monorepo(&self) {
        let checkout = &self.checkout;
        self.start("[\"xtask\"]");
        let mut scripts = "[tool.poetry.scripts]\n".to_owned();
        let mut tasks = "locals {\n  tasks = {\n".to_owned();
        for number in 1..=50 {
            let _ = writeln!(scripts, "task-{number} = \"pfml.tasks.task_{number}:main\"");
            let _ = writeln!(
                tasks,
                "    \"task-{number}\" = {{ command = [\"poetry\", \"run\", \"task-{number}\"] }},"
            );
        }
        tasks.push_str("  }\n}\n");
        checkout.write("api/pyproject.toml", &scripts);
        checkout.write("api/Dockerfile", "FROM scratch\n");
        checkout.write("infra/ecs-tasks/template/tasks.tf", &tasks);
        checkout.write(".gitignore", "*.pyc\ntarget/\n");
        let commit = checkout.commit("a Python monorepo");

        let ended = self
            .init("pfml", &["--auto-deploy-workflow", "deploy.yml"])
            .expect_stderr("left as it is: infra/ecs-tasks/template\n")
            .expect_stderr("left as it is: .gitignore\n");
        written(&ended, &["Cargo.toml", ".cargo/config.toml"]);
        assert!(!ended.stdout.contains("template"), "{}", ended.stdout);
        require_only_additions(checkout, &commit);
        let settings = checkout.read("Cargo.toml");
        for line in [
            "app = \"pfml\"\n",
            "pyproject = \"api/pyproject.toml\"\n",
            "dockerfile = \"api/Dockerfile\"\n",
            "auto_deploy_workflows = [\"deploy.yml\"]\n",
        ] {
            assert!(settings.contains(line), "no {line} in\n{settings}");
        }
        let table = self.xtask("api", &["tasks"]).expect_code(0);
        assert_eq!(table.stdout.lines().count(), 51, "{}", table.stdout);
        self.xtask("api", &["tasks", "--check"]).expect_code(0);
        self.twice("pfml", &[]);
    }

    /// The adopter's repository with nothing but the workspace and its folder `xtask`; what is built
    /// stays built, since the folder stays where it is.
    fn start(&self, members: &str) {
        let root = &self.checkout.root;
        for entry in std::fs::read_dir(root).unwrap().flatten() {
            let path = entry.path();
            match entry.file_name().to_str() {
                Some(".git" | "xtask" | "Cargo.lock" | "target") => {}
                _ if path.is_dir() => std::fs::remove_dir_all(path).unwrap(),
                _ => std::fs::remove_file(path).unwrap(),
            }
        }
        // Versions, compiler and profiles of the tree under test, whose dependencies are compiled.
        for name in ["Cargo.lock", "rust-toolchain.toml"] {
            std::fs::copy(repository().join(name), root.join(name)).unwrap();
        }
        let ours = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
        let profiles = &ours[ours.find("[profile.dev]").unwrap()..];
        let profiles = &profiles[..profiles.find("# The binary that goes into").unwrap()];
        self.checkout.write(
            "Cargo.toml",
            &format!("[workspace]\nmembers = {members}\nresolver = \"3\"\n\n{profiles}"),
        );
    }

    fn package(&self) -> &'static str {
        let manifest = self.checkout.read("xtask/Cargo.toml");
        if manifest.contains("acme-xtask") {
            "acme-xtask"
        } else {
            "xtask"
        }
    }

    fn init(&self, app: &str, flags: &[&str]) -> Ended {
        let mut args = vec!["run", "--quiet", "--package", self.package(), "--", "init"];
        args.extend(["--app", app, "--aws-account-id", "111122223333"]);
        args.extend(["--region", "eu-central-1", "--terraform"]);
        args.extend(["--github-repository", "acme/shop"]);
        args.extend(flags);
        args.extend(self.flags.iter().map(String::as_str));
        self.cargo(&args).expect_code(0)
    }

    /// A second init finds everything there and changes nothing.
    fn twice(&self, app: &str, flags: &[&str]) {
        let commit = self.checkout.commit("with xtask");
        let ended = self.init(app, flags);
        assert_eq!(ended.stdout, "");
        assert_eq!(changed(&self.checkout, &commit), "");
    }

    fn xtask(&self, folder: &str, args: &[&str]) -> Ended {
        let mut all = vec!["xtask"];
        all.extend(args);
        run(&self.checkout.root.join(folder), &all)
    }

    fn cargo(&self, args: &[&str]) -> Ended {
        run(&self.checkout.root, args)
    }
}

/// Cargo itself. It shares what is compiled with the tree under test, but not the place where the
/// binary of that tree is.
fn run(folder: &Path, args: &[&str]) -> Ended {
    let output = Command::new("cargo")
        .args(args)
        .current_dir(folder)
        .env("PATH", path())
        .env("CARGO_BUILD_BUILD_DIR", target_dir())
        .env("CARGO_TARGET_DIR", base().join("adopted-target"))
        .env_remove("AWS_REGION")
        .env_remove("AWS_DEFAULT_REGION")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ended::of(output)
}

#[track_caller]
fn written(ended: &Ended, files: &[&str]) {
    for file in files {
        assert!(
            ended.stdout.lines().any(|line| line == *file),
            "no {file} in\n{}",
            ended.stdout
        );
    }
}

fn changed(checkout: &Checkout, since: &str) -> String {
    checkout.git(["add", "--all"]);
    checkout.git(["diff", "--cached", since, "--", ".", ":!Cargo.lock"])
}

#[track_caller]
fn require_only_additions(checkout: &Checkout, since: &str) {
    let diff = changed(checkout, since);
    let mut lines = diff.lines();
    let removed = lines.find(|line| line.starts_with('-') && !line.starts_with("---"));
    assert_eq!(removed, None, "{diff}");
    assert!(diff.contains("\n+[workspace.metadata.xtask]\n"), "{diff}");
}

fn require_formatted(checkout: &Checkout) {
    let output = Command::new(which("terraform"))
        .args(["fmt", "-check", "-recursive", "-diff", "infra"])
        .current_dir(&checkout.root)
        .env_remove("TF_CLI_CONFIG_FILE")
        .output()
        .unwrap();
    Ended::of(output).expect_code(0);
}
