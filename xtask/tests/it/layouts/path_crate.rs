//! A crate of the workspace that the package depends on by its path.

use super::edits::{
    TASK, clone_of, in_three_ways, isolated, layout, lock, replace, task_that_logs,
};
use crate::harness::{Checkout, Shared};

const CRATE: &str = r#"[package]
name = "shared"
version = "0.1.0"
edition = "2024"
"#;

fn with_a_path_crate(checkout: &Checkout) {
    replace(
        checkout,
        "Cargo.toml",
        r#"members = ["api","#,
        r#"members = ["crates/shared", "api","#,
    );
    replace(
        checkout,
        "api/Cargo.toml",
        "[dependencies]\n",
        "[dependencies]\nshared = { path = \"../crates/shared\" }\n",
    );
    checkout.write("crates/shared/Cargo.toml", CRATE);
    edit(checkout, "nothing yet");
    let task = task_that_logs("shared::TEXT");
    checkout.write(&format!("api/{TASK}"), &task);
    lock(checkout);
}

fn edit(checkout: &Checkout, text: &str) {
    let source = format!("pub const TEXT: &str = \"{text}\";\n");
    checkout.write("crates/shared/src/lib.rs", &source);
}

#[test]
fn an_edit_of_a_path_crate_is_an_edit_of_the_image() {
    let (shared, _alone) = Shared::alone();
    let checkout = layout();
    with_a_path_crate(&checkout);
    in_three_ways(shared, &checkout, || clone_of(&checkout), edit);

    // What no package reads builds nothing.
    checkout.write("docs/of-the-test.md", "words");
    checkout.commit("only docs");
    let ended = isolated(shared, &checkout).expect_code(0);
    assert!(ended.stderr.contains("– build"), "{}", ended.stderr);
}
