//! README's commands, word for word.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Checkout, Ended, FakeBin, base, repository, which};

/// The first block of commands below a heading.
fn commands(heading: &str) -> String {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let block = section.split("\n```sh\n").nth(1).unwrap();
    block.split("\n```").next().unwrap().to_owned()
}

/// `cargo xtask` is the binary under test, which need not be compiled again; the browser writes down
/// what it is to open.
fn programs() -> FakeBin {
    let alias = std::fs::read_to_string(repository().join(".cargo/config.toml")).unwrap();
    assert!(
        alias.contains("xtask = \"run --quiet --package xtask --\""),
        "{alias}"
    );
    let bin = FakeBin::named("newcomer");
    let opened = bin.path("opened");
    let cargo = format!(
        "#!/bin/sh\nif [ \"$1\" = xtask ]; then shift; exec '{}' \"$@\"; fi\nexec '{}' \"$@\"\n",
        env!("CARGO_BIN_EXE_xtask"),
        which("cargo").display()
    );
    let browser = format!("#!/bin/sh\necho \"$1\" > '{}'\n", opened.display());
    bin.script("cargo", &cargo)
        .script("xdg-open", &browser)
        .script("open", &browser)
}

#[test]
fn from_clone_to_report() {
    // GitHub's copy of the tree under test, under the address that README has.
    let source = Checkout::named("newcomer");
    let script = commands("From clone to report");
    let mut words = script.lines().next().unwrap().split(' ');
    let address = words.next_back().unwrap();
    let name = address.rsplit('/').next().unwrap().trim_end_matches(".git");
    let clone = Checkout::to_be_cloned(name);
    let bin = programs();
    let output = clone
        .program("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(base())
        .env("PATH", bin.first())
        .env("GIT_CONFIG_COUNT", "1")
        .env(
            "GIT_CONFIG_KEY_0",
            format!("url.file://{}.insteadOf", source.root.display()),
        )
        .env("GIT_CONFIG_VALUE_0", address)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let ended = Ended::of(output)
        .expect_code(0)
        .expect_stdout("– sandbox         does not run yet")
        .expect_stdout("Hello from your new background task!")
        .expect_stdout("try my-new-task-name (sandbox)");
    let page = ended.stdout.lines().last().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::fs::read_to_string(bin.path("opened")).unwrap_or_default() != format!("{page}\n") {
        assert!(Instant::now() < deadline, "{page} was not opened");
        std::thread::sleep(Duration::from_millis(20));
    }
    let page = std::fs::read_to_string(Path::new(page)).unwrap();
    assert!(
        page.contains("Hello from your new background task!"),
        "{page}"
    );
}
