//! The binary is called otherwise than its package, or it is one of two.

use super::edits::{
    TASK, clone_of, in_three_ways, isolated, layout, nonce, published, replace, task_that_logs,
};
use crate::harness::{Checkout, Shared};

const MANIFEST: &str = "api/Cargo.toml";
const SETTINGS: &str = "[workspace.metadata.xtask]\n";

fn edit(checkout: &Checkout, text: &str) {
    let task = task_that_logs(&format!("{text:?}"));
    checkout.write(&format!("api/{TASK}"), &task);
}

fn with_the_binary(checkout: &Checkout, name: &str, path: &str) {
    let binary = format!("[[bin]]\nname = {name:?}\npath = {path:?}\n\n[dependencies]\n");
    replace(checkout, MANIFEST, "[dependencies]\n", &binary);
}

#[test]
fn the_only_binary_may_have_any_name() {
    let (shared, _alone) = Shared::alone();
    let checkout = layout();
    with_the_binary(&checkout, "worker", "src/main.rs");
    in_three_ways(shared, &checkout, || clone_of(&checkout), edit);
    let text = nonce();
    edit(&checkout, &text);
    checkout
        .xtask(["local", "my-new-task-name"])
        .run()
        .expect_code(0)
        .expect_stdout(&text);
}

#[test]
fn of_several_binaries_one_is_named() {
    let (shared, _alone) = Shared::alone();
    let checkout = layout();
    with_the_binary(&checkout, "worker", "src/main.rs");
    with_the_binary(&checkout, "other", "src/other.rs");
    checkout.write("api/src/other.rs", "fn main() {}\n");
    checkout.commit("two binaries");
    for ended in [
        isolated(shared, &checkout),
        published(shared, &checkout, &[]),
        checkout.xtask(["local", "my-new-task-name"]).run(),
    ] {
        ended
            .expect_code(2)
            .expect_stderr("worker")
            .expect_stderr("other")
            .expect_stderr("binary");
    }

    let text = nonce();
    edit(&checkout, &text);
    let args = ["try", "my-new-task-name", "--isolated", "--raw"];
    shared
        .from(&checkout, "jo", &args)
        .env("XTASK_BINARY", "worker")
        .run()
        .expect_code(0)
        .expect_stdout(&text);
    // A name that there is not.
    shared
        .from(&checkout, "jo", &args)
        .env("XTASK_BINARY", "work")
        .run()
        .expect_code(2)
        .expect_stderr("worker");

    let manifest = checkout.read(MANIFEST);
    replace(
        &checkout,
        MANIFEST,
        "name = \"api\"\n",
        "name = \"api\"\ndefault-run = \"worker\"\n",
    );
    let text = nonce();
    edit(&checkout, &text);
    isolated(shared, &checkout)
        .expect_code(0)
        .expect_stdout(&text);

    checkout.write(MANIFEST, &manifest);
    let named = format!("{SETTINGS}binary = \"worker\"\n");
    replace(&checkout, "Cargo.toml", SETTINGS, &named);
    in_three_ways(shared, &checkout, || clone_of(&checkout), edit);
}
