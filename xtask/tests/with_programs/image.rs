//! The image without Docker: the same as the Dockerfile's.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::keys::Keys;
use crate::harness::{Shared, base};

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// From the sandbox's registry, which takes its own password alone.
fn pull(shared: &Shared, reference: &str) {
    let folder = base().join("docker-login");
    std::fs::create_dir_all(&folder).unwrap();
    let login = Keys::of(&shared.checkout.root).login();
    let registry = reference.split('/').next().unwrap();
    let auth = login.strip_prefix("Basic ").unwrap();
    let config = json!({ "auths": { registry: { "auth": auth } } });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let folder = folder.to_str().unwrap();
    docker(&["--config", folder, "pull", "--quiet", reference]);
}

/// What decides how an image runs.
fn config(image: &str) -> Value {
    let text = docker(&["inspect", image]);
    let mut image = serde_json::from_str::<Value>(&text).unwrap()[0].take();
    let wanted = [
        "User",
        "Entrypoint",
        "Cmd",
        "Env",
        "WorkingDir",
        "ExposedPorts",
    ];
    let mut config: serde_json::Map<_, _> = wanted
        .iter()
        .map(|key| ((*key).to_owned(), image["Config"][*key].take()))
        .collect();
    config.insert("Architecture".into(), image["Architecture"].take());
    config.insert("Os".into(), image["Os"].take());
    // Docker writes no working directory as "" or as "/".
    if config["WorkingDir"] == "" {
        config.insert("WorkingDir".into(), "/".into());
    }
    config.into()
}

/// Every file of an image: mode, owner, size and name.
fn files(image: &str) -> Vec<String> {
    let container = docker(&["create", image, "x"]);
    let listed = Command::new("sh")
        .args([
            "-c",
            "docker export \"$1\" | tar --list --verbose --numeric-owner --file -",
            "sh",
        ])
        .arg(container.trim())
        .output()
        .unwrap();
    docker(&["rm", container.trim()]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    // Docker puts these into every container.
    let of_docker = [
        "dev/",
        "etc/hosts",
        "etc/hostname",
        "etc/mtab",
        "etc/resolv.conf",
        "proc/",
        "sys/",
        ".dockerenv",
    ];
    let mut files: Vec<String> = listed
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {} {}", words[0], words[1], words[2], words[5])
        })
        .filter(|line| {
            !of_docker
                .iter()
                .any(|name| line.split(' ').next_back().unwrap().starts_with(name))
        })
        .collect();
    files.sort();
    files
}

pub fn both_builders_give_an_image_that_runs_the_same() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let mut references = Vec::new();
    for builder in ["daemonless", "docker"] {
        // An immutable tag takes one image, so that each builder publishes a tree of its own.
        checkout.another_image(builder);
        let ended = checkout
            .xtask(["build-and-publish", "--allow-dirty", "--sandbox"])
            .env("XTASK_BUILDER", builder)
            .run()
            .expect_code(0);
        references.push(ended.stdout.trim().to_owned());
    }
    checkout.as_committed();
    let [daemonless, dockers] = references.try_into().unwrap();
    pull(shared, &daemonless);
    pull(shared, &dockers);
    assert_eq!(config(&daemonless), config(&dockers));
    assert_eq!(files(&daemonless), files(&dockers));
    for image in [&daemonless, &dockers] {
        let said = docker(&["run", "--rm", image, "my-new-task-name"]);
        assert!(
            said.contains("Hello from your new background task!"),
            "{image}: {said}"
        );
        docker(&["rmi", "--force", image]);
    }
}

/// Docker knows no digest before a push, and each of its versions saves an image in a form of its own.
pub fn an_image_that_docker_built_is_handed_over_as_a_file() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    checkout.another_image("handed over");
    checkout.commit("another image");
    let file = checkout.root.join("target/image.tar");
    let file = file.to_str().unwrap();
    let build = checkout.xtask(["build", "--output", file]);
    let built = build.env("XTASK_BUILDER", "docker").run();
    let digest = built.stdout.trim();
    let publish = ["publish", file, "--digest", digest, "--attest"];
    let published = shared.by_nobody(&publish);
    shared.uncommit();
    let published = published.expect_code(0);
    let reference = published.stdout.trim();
    assert!(reference.ends_with(&format!("@{digest}")), "{reference}");
    pull(shared, reference);
    let said = docker(&["run", "--rm", reference, "my-new-task-name"]);
    docker(&["rmi", "--force", reference]);
    assert!(said.contains("(handed over)"), "{said}");
}
