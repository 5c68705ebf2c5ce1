//! infra/foundation as somebody sets it up: the commands of its README, and the names that it takes.

use std::process::Command;

use regex_lite::Regex;

use crate::harness::{Ended, FakeBin, repository};

fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join("infra/foundation").join(file)).unwrap()
}

/// The commands that move the state into the bucket, as the README has them.
fn migration() -> String {
    let readme = read("README.md");
    let start = readme.find("# 2. Into the bucket").unwrap();
    let end = start + readme[start..].find("# 3.").unwrap();
    readme[start..end].to_owned()
}

/// Terraform answers `init` and `state show` with these exit codes. What is left of the state then?
fn left(name: &str, init: u8, show: u8) -> Vec<String> {
    let script =
        format!("#!/bin/sh\ncase \"$1\" in init) exit {init};; state) exit {show};; esac\n");
    let bin = FakeBin::named(&format!("migration-{name}")).script("terraform", &script);
    let folder = bin.path("foundation");
    std::fs::create_dir_all(&folder).unwrap();
    for file in [
        "terraform.tfstate",
        "terraform.tfstate.backup",
        "backend_override.tf",
    ] {
        std::fs::write(folder.join(file), "all there is").unwrap();
    }
    let output = Command::new("sh")
        .args(["-c", &migration()])
        .current_dir(&folder)
        .env("PATH", bin.first())
        .output()
        .unwrap();
    let ended = Ended::of(output);
    assert_eq!(ended.stdout, "");
    let entries = std::fs::read_dir(&folder).unwrap().flatten();
    let mut left: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    left.sort();
    left
}

#[test]
fn the_state_on_disk_goes_only_when_the_bucket_has_it() {
    let both = ["terraform.tfstate", "terraform.tfstate.backup"];
    // The bucket refuses it.
    assert_eq!(left("refused", 1, 1), both);
    // "no" to the question whether it is to be copied: that is a success to Terraform.
    assert_eq!(left("declined", 0, 1), both);
    assert_eq!(left("moved", 0, 0), Vec::<String>::new());
}

/// `api-test-*` is what the policies of `test` of `api` reach.
#[test]
fn an_application_is_not_named_like_an_environment_of_another() {
    let variables = read("variables.tf");
    let pattern = Regex::new(r#"regex\("([^"]+)", var\.app\)"#).unwrap();
    let pattern = pattern.captures(&variables).unwrap()[1].to_owned();
    let pattern = Regex::new(&pattern).unwrap();
    for (name, expected) in [
        ("api", true),
        ("shop2", true),
        ("api-test", false),
        ("api_test", false),
        ("Api", false),
        ("*", false),
        ("", false),
    ] {
        assert_eq!(pattern.is_match(name), expected, "{name}");
    }
}
