//! Edits of a repository that is laid out otherwise, and whether they arrive. Every edit has a nonce of
//! its own, which the task prints: only then has it arrived.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Checkout, Ended, Shared};

/// The file of the task that all rows run, in the package's folder.
pub const TASK: &str = "src/tasks/my_new_task_name.rs";

/// Text that no run before this one has had: ECR and the environment are shared.
pub fn nonce() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("nonce-{}-{count}", std::process::id())
}

/// The checkout of all layouts, one after the other: at one path, so that cargo compiles increments.
pub fn layout() -> Checkout {
    Checkout::named(&named("layout"))
}

pub fn clone_of(checkout: &Checkout) -> Checkout {
    Checkout::clone_of(checkout.root.to_str().unwrap(), &named("layout-clone"))
}

/// What the tests' other binary has left may be on its way down.
fn named(name: &str) -> String {
    format!("{name}-{}", env!("CARGO_CRATE_NAME").replace('_', "-"))
}

/// Cargo.lock as the manifests now want it, since the image is compiled with `--locked`.
pub fn lock(checkout: &Checkout) {
    let output = checkout
        .program("cargo")
        .args(["update", "--workspace", "--offline", "--quiet"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Replaces a part of a file, which must be there.
#[track_caller]
pub fn replace(checkout: &Checkout, file: &str, from: &str, to: &str) {
    let text = checkout.read(file);
    assert!(text.contains(from), "no `{from}` in {file}");
    checkout.write(file, &text.replace(from, to));
}

/// The task's file, so that it logs the value of a Rust expression.
pub fn task_that_logs(expression: &str) -> String {
    format!(
        r#"//! What a layout's test wants to hear.

use anyhow::Result;
use tracing::info;

use crate::background_task::background_task;

/// Says what it was compiled of.
#[background_task("my-new-task-name")]
async fn main() -> Result<()> {{
    info!("it says {{}}", {expression});
    Ok(())
}}
"#
    )
}

/// What the task's image is compiled of, run beside what is deployed.
pub fn isolated(shared: &Shared, checkout: &Checkout) -> Ended {
    let args = ["try", "my-new-task-name", "--isolated", "--raw"];
    shared.from(checkout, "jo", &args).run()
}

/// A build concerns no environment, so that it knows no author.
pub fn published(shared: &Shared, checkout: &Checkout, flags: &[&str]) -> Ended {
    let args = [&["build-and-publish"], flags].concat();
    shared.really_from(checkout, &args).run()
}

/// The tag and the digest that `build-and-publish` answers with.
#[track_caller]
pub fn image(ended: Ended) -> (String, String) {
    let ended = ended.expect_code(0);
    let (reference, digest) = ended.stdout.trim().rsplit_once('@').unwrap();
    let (_, tag) = reference.rsplit_once(':').unwrap();
    (tag.to_owned(), digest.to_owned())
}

/// Under which tag the edit must run.
#[derive(Clone, Copy)]
pub enum Tag<'a> {
    Dirty,
    Of(&'a str),
}

/// The task has said this, under that tag.
#[track_caller]
pub fn says(ended: Ended, nonce: &str, tag: Tag<'_>) {
    let ended = ended.expect_code(0).expect_stdout(nonce);
    let line = ended.stdout.lines().find(|line| line.contains(nonce));
    let line = line.unwrap();
    match tag {
        Tag::Dirty => {
            assert!(line.contains("-dirty-"), "{line}");
            assert!(ended.stderr.contains("-dirty-"), "{}", ended.stderr);
        }
        Tag::Of(sha) => {
            let field = format!(r#""git_sha":"{sha}""#);
            assert!(line.contains(&field), "no {field} in {line}");
        }
    }
}

/// Edited without a commit, edited and committed, and edited in a second clone: `edit` puts a text
/// where the task prints it.
#[track_caller]
pub fn in_three_ways(
    shared: &Shared,
    ours: &Checkout,
    clone: impl FnOnce() -> Checkout,
    edit: impl Fn(&Checkout, &str),
) {
    let commit = |checkout: &Checkout| {
        let nonce = nonce();
        edit(checkout, &nonce);
        (checkout.commit("another text"), nonce)
    };
    let (sha, text) = commit(ours);
    says(isolated(shared, ours), &text, Tag::Of(&sha));

    let uncommitted = nonce();
    edit(ours, &uncommitted);
    says(isolated(shared, ours), &uncommitted, Tag::Dirty);

    let (sha, text) = commit(ours);
    says(isolated(shared, ours), &text, Tag::Of(&sha));

    let theirs = clone();
    says(isolated(shared, &theirs), &text, Tag::Of(&sha));
    let (sha, text) = commit(&theirs);
    says(isolated(shared, &theirs), &text, Tag::Of(&sha));
}

/// The lines that name something.
pub fn lines_of(text: &str, name: &str) -> String {
    let lines = text.lines().filter(|line| line.contains(name));
    lines.collect::<Vec<_>>().join("\n")
}

/// Deploys what the other tests go on from, also when a test fails.
pub struct Restored(pub &'static Shared);

impl Drop for Restored {
    fn drop(&mut self) {
        let published = self.0.by_nobody(&["build-and-publish"]);
        let deployed = self.0.by_nobody(&["deploy-test", "--yes"]);
        if !std::thread::panicking() {
            published.expect_code(0);
            deployed.expect_code(0);
        }
    }
}
