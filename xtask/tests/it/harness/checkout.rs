//! A copy of the working tree under test, as a repository of its own.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ended::Ended;
use super::keys::{self, Keys};
use super::path::path;
use super::running::Running;

/// A repository with one commit that holds the working tree under test.
pub struct Checkout {
    pub root: PathBuf,
}

impl Checkout {
    /// At a path that is the same in each run, so that cargo's incremental builds help; outside of
    /// the repository under test, so that git does not find that one instead.
    pub fn named(name: &str) -> Checkout {
        let checkout = Checkout {
            root: base().join(name),
        };
        checkout.clear();
        checkout.copy_sources();
        checkout.git(["init", "--quiet", "--initial-branch=main"]);
        checkout.commit("the tree under test");
        checkout.stop_sandbox_when_we_end();
        checkout
    }

    /// Where xtask was built as well, as the completions look for it.
    pub fn built(name: &str) -> Checkout {
        let checkout = Checkout::named(name);
        let built = checkout.root.join("target/debug");
        std::fs::create_dir_all(&built).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_xtask"), built.join("xtask")).unwrap();
        checkout
    }

    /// A repository with one commit and nothing in it: another team's.
    pub fn empty(name: &str) -> Checkout {
        let checkout = Checkout {
            root: base().join(name),
        };
        checkout.clear();
        checkout.git(["init", "--quiet", "--initial-branch=main"]);
        checkout.commit("nothing");
        checkout.stop_sandbox_when_we_end();
        checkout
    }

    /// The place of a checkout that a test clones by itself; nothing is there yet.
    pub fn to_be_cloned(name: &str) -> Checkout {
        let checkout = Checkout {
            root: base().join(name),
        };
        checkout.clear();
        std::fs::remove_dir(&checkout.root).unwrap();
        checkout.stop_sandbox_when_we_end();
        checkout
    }

    /// For a loop without `--sandbox`: Terraform's state is in the sandbox's bucket all the same.
    pub fn with_state_in_the_sandbox(self) -> Checkout {
        let root = "infra/ecs-tasks/environments/test/main.tf";
        let text = self.read(root);
        let moved = text.replace("-state-123456789012", "-state-000000000000");
        assert_ne!(moved, text);
        self.write(root, &moved);
        self.commit("the state is in the sandbox");
        self
    }

    /// Somebody's clone of a repository, without a sandbox of its own.
    pub fn clone_of(origin: &str, name: &str) -> Checkout {
        let checkout = Checkout {
            root: base().join(name),
        };
        checkout.clear();
        checkout.git(["clone", "--quiet", origin, "."]);
        checkout
    }

    /// The binary under test with these arguments, in this checkout. Nothing of the developer's AWS,
    /// GitHub or xtask set-up gets through.
    pub fn xtask<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Invocation {
        let mut command = self.program(env!("CARGO_BIN_EXE_xtask"));
        command.args(args);
        Invocation { command }
    }

    /// Any program in this checkout, with the same clean environment.
    pub fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("PATH", path())
            .env("XDG_STATE_HOME", base().join("state"))
            .env("CARGO_TARGET_DIR", target_dir());
        for (key, _) in std::env::vars() {
            let prefixes = [
                "AWS_",
                "GITHUB_",
                "GH_",
                "XTASK_",
                "TF_VAR_",
                "RUST_BACKTRACE",
            ];
            if prefixes.iter().any(|prefix| key.starts_with(prefix)) {
                command.env_remove(key);
            }
        }
        // The whole suite in the ordinary way, once a week.
        if std::env::var_os("TESTS_WITHOUT_REATTACH").is_some() {
            command.env("XTASK_REATTACH_PROVIDER", "false");
        }
        command
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap()
    }

    pub fn git<const N: usize>(&self, args: [&str; N]) -> String {
        run_git(&self.root, &args)
    }

    /// Changes what a task prints, so that the image is another one; [`Checkout::as_committed`] takes it
    /// back.
    pub fn another_image(&self, note: &str) {
        self.as_committed();
        let file = "api/src/tasks/my_new_task_name.rs";
        let text = self.read(file);
        let greeting = "Hello from your new background task!";
        let other = text.replace(greeting, &format!("{greeting} ({note})"));
        assert_ne!(text, other);
        self.write(file, &other);
    }

    pub fn as_committed(&self) {
        self.git(["checkout", "--quiet", "--", "api"]);
    }

    /// Commits everything and returns the commit's full ID.
    pub fn commit(&self, message: &str) -> String {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Where this checkout's sandbox listens.
    pub fn endpoint(&self) -> String {
        let status = self.xtask(["sandbox", "status"]).run();
        let endpoint = status
            .stdout
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let endpoint = endpoint
            .unwrap_or_else(|| panic!("no sandbox: {}{}", status.stdout, status.stderr))
            .trim_end_matches(',')
            .to_owned();
        keys::know(&endpoint, Keys::of(&self.root));
        endpoint
    }

    fn clear(&self) {
        if self.root.join("target/xtask/sandbox").exists() {
            // Left over from a run that was killed.
            self.xtask(["sandbox", "down"]).run();
        }
        if self.root.exists() {
            std::fs::remove_dir_all(&self.root).unwrap();
        }
        std::fs::create_dir_all(&self.root).unwrap();
    }

    fn copy_sources(&self) {
        let source = repository();
        let listing = Command::new("git")
            .args([
                "ls-files",
                "--cached",
                "--others",
                "--exclude-standard",
                "-z",
            ])
            .current_dir(&source)
            .output()
            .unwrap();
        assert!(
            listing.status.success(),
            "git ls-files in {}",
            source.display()
        );
        for name in listing
            .stdout
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let name = std::str::from_utf8(name).unwrap();
            let (from, to) = (source.join(name), self.root.join(name));
            // A file that git knows and that was just deleted is not part of the tree under test.
            if from.is_file() {
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(from, to).unwrap();
            }
        }
        self.compile_quickly();
    }

    /// Most of what the tests wait for is the api being optimised, and none of them measures it. What
    /// it depends on stays as it is, so that it is compiled once.
    fn compile_quickly(&self) {
        let text = self.read("Cargo.toml");
        let settings = "[profile.image.package.api]\n";
        let quick = text.replace(settings, &format!("{settings}opt-level = 0\n"));
        assert_ne!(text, quick);
        self.write("Cargo.toml", &quick);
    }

    /// The sandbox is a daemon, and tests end in many ways: a watcher outlives us just long enough
    /// to stop it.
    #[expect(clippy::zombie_processes, reason = "it waits for us, not we for it")]
    fn stop_sandbox_when_we_end(&self) {
        let script = r#"while kill -0 "$1" 2>/dev/null; do sleep 0.3; done; cd "$3" || exit; "$2" sandbox down; rm -rf target/xtask"#;
        Command::new("sh")
            .args(["-c", script, "watcher"])
            .arg(std::process::id().to_string())
            .arg(env!("CARGO_BIN_EXE_xtask"))
            .arg(&self.root)
            .current_dir(base())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
    }
}

/// The binary under test, about to run.
pub struct Invocation {
    command: Command,
}

impl Invocation {
    /// Further arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Who starts the AWS provider: the tool once, or Terraform each time.
    pub fn reattach(self, by_us: bool) -> Invocation {
        self.env("XTASK_REATTACH_PROVIDER", by_us.to_string())
    }

    /// For a test that starts it by itself.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs to the end with an empty stdin.
    pub fn run(mut self) -> Ended {
        let output = self.command.stdin(Stdio::null()).output().unwrap();
        Ended::of(output)
    }

    /// Starts it, for a test that interferes while it runs.
    pub fn spawn(self) -> Running {
        Running::start(self.command)
    }
}

/// No `--sandbox`: the credentials, the address and the account are what differs from real life.
pub fn as_if_real(invocation: Invocation, endpoint: &str) -> Invocation {
    let keys = keys::of(endpoint);
    let or_any = |of: fn(Keys) -> String| keys.clone().map_or("any".to_owned(), of);
    invocation
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", or_any(|keys| keys.control_id))
        .env("AWS_SECRET_ACCESS_KEY", or_any(|keys| keys.control_secret))
        .env("XTASK_AWS_ACCOUNT_ID", "000000000000")
        .env("GITHUB_API_URL", format!("{endpoint}/_github"))
        .env("GH_TOKEN", or_any(|keys| keys.github_token))
}

/// A folder for executables that go before the real ones on PATH.
pub struct FakeBin {
    folder: PathBuf,
}

impl FakeBin {
    pub fn named(name: &str) -> FakeBin {
        let folder = base().join(format!("bin-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        FakeBin { folder }
    }

    pub fn script(self, name: &str, text: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o755))
            .unwrap();
        self
    }

    /// Everything that is on PATH, but for these.
    pub fn everything_but(self, hidden: &[&str]) -> Self {
        for folder in std::env::split_paths(&path()) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if !hidden.iter().any(|hidden| *hidden == name) {
                    // The first folder on PATH wins, as it does for a shell.
                    let _ = std::os::unix::fs::symlink(entry.path(), self.folder.join(name));
                }
            }
        }
        self
    }

    /// One of its programs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// PATH with this folder alone.
    pub fn only(&self) -> std::ffi::OsString {
        self.folder.clone().into()
    }

    /// PATH with this folder first.
    pub fn first(&self) -> std::ffi::OsString {
        let rest = path();
        let all = std::iter::once(self.folder.clone()).chain(std::env::split_paths(&rest));
        std::env::join_paths(all).unwrap()
    }
}

/// The repository that this test was compiled from.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Where all checkouts of this repository's tests are.
pub fn base() -> PathBuf {
    let place: String = repository()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .collect();
    std::env::temp_dir().join(format!("xtask-it{place}"))
}

/// A folder with everything in it, in another place.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// The target directory that cargo used for this test, so that the api is compiled once.
pub fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn run_git(root: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=A Tester",
            "-c",
            "user.email=tester@example.org",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(args)
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
