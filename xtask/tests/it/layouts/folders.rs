//! The workspace is in a folder of the repository, or the package in a folder of the workspace.

use super::edits::{
    TASK, Tag, clone_of, in_three_ways, isolated, layout, nonce, replace, says, task_that_logs,
};
use crate::harness::{Checkout, Shared};

/// Moves everything into a folder of the repository; the checkout is that folder.
fn in_a_subfolder(checkout: &Checkout, folder: &str) -> Checkout {
    let names = checkout.git(["ls-tree", "--name-only", "HEAD"]);
    std::fs::create_dir_all(checkout.root.join(folder)).unwrap();
    for name in names.lines() {
        let to = checkout.root.join(folder).join(name);
        std::fs::rename(checkout.root.join(name), to).unwrap();
    }
    checkout.commit("all of it is in a folder");
    below(checkout, folder)
}

fn below(checkout: &Checkout, folder: &str) -> Checkout {
    Checkout {
        root: checkout.root.join(folder),
    }
}

#[test]
fn a_workspace_in_a_subfolder_of_the_repository() {
    let (shared, _alone) = Shared::alone();
    let top = layout();
    let checkout = in_a_subfolder(&top, "backend");
    let edit = |checkout: &Checkout, text: &str| {
        let task = task_that_logs(&format!("{text:?}"));
        checkout.write(&format!("api/{TASK}"), &task);
    };
    let clone = || below(&clone_of(&top), "backend");
    in_three_ways(shared, &checkout, clone, edit);

    // What is beside the workspace is none of its inputs.
    let text = nonce();
    edit(&checkout, &text);
    let sha = checkout.commit("the last text");
    says(isolated(shared, &checkout), &text, Tag::Of(&sha));
    top.write("frontend/index.html", "not committed");
    says(isolated(shared, &checkout), &text, Tag::Of(&sha));
    top.write("api/src/main.rs", "of another workspace");
    says(isolated(shared, &checkout), &text, Tag::Of(&sha));
}

fn with_the_package_in(checkout: &Checkout, folder: &str) {
    let to = checkout.root.join(folder);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(checkout.root.join("api"), to).unwrap();
    let macros = format!("{folder}/macros");
    replace(
        checkout,
        "Cargo.toml",
        "\"api/macros\"",
        &format!("{macros:?}"),
    );
    replace(
        checkout,
        "Cargo.toml",
        "members = [\"api\"",
        &format!("members = [{folder:?}"),
    );
    replace(
        checkout,
        "Cargo.toml",
        "dockerfile = \"api/Dockerfile\"\n",
        "",
    );
    checkout.commit("the package is elsewhere");
}

#[test]
fn a_package_in_a_folder_of_another_name() {
    let (shared, _alone) = Shared::alone();
    for folder in ["services/api", "crates/backend"] {
        let checkout = layout();
        with_the_package_in(&checkout, folder);
        let task = format!("{folder}/{TASK}");
        let edit = |checkout: &Checkout, text: &str| {
            checkout.write(&task, &task_that_logs(&format!("{text:?}")));
        };
        in_three_ways(shared, &checkout, || clone_of(&checkout), edit);
    }
}

#[test]
fn tasks_are_found_made_and_run_where_the_package_is() {
    let (_shared, _alone) = Shared::alone();
    let checkout = layout();
    with_the_package_in(&checkout, "services/api");
    let text = nonce();
    checkout.write(
        &format!("services/api/{TASK}"),
        &task_that_logs(&format!("{text:?}")),
    );
    checkout
        .xtask(["tasks"])
        .run()
        .expect_code(0)
        .expect_stdout(&format!("services/api/{TASK}:"));
    checkout
        .xtask(["new-task", "send-x"])
        .run()
        .expect_code(0)
        .expect_stdout("services/api/src/tasks/send_x.rs");
    let made = checkout.read("services/api/src/tasks/send_x.rs");
    assert!(made.contains("#[background_task(\"send-x\")]"), "{made}");
    assert!(
        checkout
            .read("services/api/src/tasks.rs")
            .contains("mod send_x;")
    );
    assert!(!checkout.root.join("api").exists());
    checkout
        .xtask(["local", "my-new-task-name"])
        .run()
        .expect_code(0)
        .expect_stdout(&text);
    checkout
        .xtask(["local", "send-x"])
        .run()
        .expect_code(0)
        .expect_stdout("Hello from send-x!");
}
