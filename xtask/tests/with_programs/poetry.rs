//! A Poetry project through the whole loop: its scripts are the entrypoints, its Dockerfile the image.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Checkout, FakeBin, copy_folder, filtered, repository};

const BASE_IMAGE: &str = "xtask-it-python:base";

pub fn from_the_idea_to_the_run_on_ecs() {
    let poetry = install_poetry();
    succeed(
        Command::new("bash")
            .arg(fixture().join("base-image.sh"))
            .arg(&poetry)
            .arg(BASE_IMAGE),
    );

    let checkout = Checkout::named("poetry");
    std::fs::remove_dir_all(checkout.root.join("api")).unwrap();
    copy_folder(&fixture(), &checkout.root.join("api"));
    let manifest = checkout.read("Cargo.toml");
    checkout.write(
        "Cargo.toml",
        &manifest.replace(
            "package = \"api\"\n",
            "package = \"api\"\npyproject = \"api/pyproject.toml\"\n",
        ),
    );
    checkout.commit("a Poetry project");
    checkout.xtask(["tasks", "--check"]).run().expect_code(0);

    let ended = checkout
        .xtask(["new-task", "say-hello"])
        .run()
        .expect_code(0);
    assert_eq!(
        ended.stdout,
        "api/acme/tasks/say_hello.py\napi/pyproject.toml\ninfra/ecs-tasks/template/tasks.tf\n"
    );
    checkout.xtask(["tasks", "--check"]).run().expect_code(0);

    // The machine's own Poetry, with the project installed as its users do it.
    let script = format!(
        "#!/bin/sh\nPYTHONPATH='{}' exec /usr/bin/python3 -m poetry \"$@\"\n",
        poetry.display()
    );
    let bin = FakeBin::named("poetry").script("poetry", &script);
    let environments = tempfile::tempdir().unwrap();
    succeed(
        Command::new("poetry")
            .args(["install", "--quiet", "--no-interaction"])
            .current_dir(checkout.root.join("api"))
            .env("PATH", bin.first())
            .env("POETRY_VIRTUALENVS_PATH", environments.path()),
    );
    let lock = checkout.root.join("api/poetry.lock");
    if lock.exists() {
        std::fs::remove_file(lock).unwrap();
    }
    let ended = checkout
        .xtask(["local", "say-hello"])
        .env("PATH", bin.first())
        .env("POETRY_VIRTUALENVS_PATH", environments.path())
        .run()
        .expect_code(0);
    let expected = "[TIME] INFO  task started\n[TIME] INFO  Hello from say-hello\n[TIME] INFO  task finished\n";
    assert_eq!(filtered(&ended.stdout), expected);

    let ended = checkout
        .xtask(["try", "say-hello", "--sandbox"])
        .run()
        .expect_code(0)
        .expect_stderr("✓ say-hello exited 0");
    assert_eq!(filtered(&ended.stdout), expected);
    let ended = checkout
        .xtask(["logs", "say-hello", "--sandbox"])
        .run()
        .expect_code(0);
    assert_eq!(filtered(&ended.stdout), expected);
    checkout.xtask(["sandbox", "down"]).run().expect_code(0);
    let removed = Command::new("docker").args(["rmi", BASE_IMAGE]).output();
    drop(removed);
}

/// Poetry itself, kept between runs.
fn install_poetry() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("poetry");
    if folder.join("poetry").exists() {
        return folder;
    }
    // Debian's own Python may be without pip; the one of an environment is not.
    let environment = tempfile::tempdir().unwrap();
    let pip = environment.path().join("bin/pip");
    succeed(
        Command::new("/usr/bin/python3")
            .args(["-m", "venv"])
            .arg(environment.path()),
    );
    succeed(
        Command::new(pip)
            .args(["install", "--quiet", "--no-compile", "--target"])
            .arg(&folder)
            .arg("poetry==2.5.1"),
    );
    folder
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn fixture() -> PathBuf {
    repository().join("xtask/tests/it/fixtures/poetry")
}
