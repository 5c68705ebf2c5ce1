//! What git does not tell of: files that it ignores, that it was told to overlook, or that are none of
//! its own. What was compiled of them is no commit's.

use super::edits::{
    TASK, Tag, clone_of, image, isolated, layout, nonce, published, replace, says, task_that_logs,
};
use crate::harness::{Checkout, Shared, base};

const IGNORED: &str = "api/src/motd.txt";

fn with_an_ignored_file(checkout: &Checkout) {
    let ignored = checkout.read(".gitignore") + "motd.txt\n";
    checkout.write(".gitignore", &ignored);
    let task = task_that_logs(r#"include_str!("../motd.txt")"#);
    checkout.write(&format!("api/{TASK}"), &task);
    checkout.commit("a file that git ignores is compiled in");
}

#[test]
fn an_ignored_file_that_is_compiled_in_is_an_edit() {
    let (shared, _alone) = Shared::alone();
    let checkout = layout();
    with_an_ignored_file(&checkout);
    let edit = |checkout: &Checkout| {
        let text = nonce();
        checkout.write(IGNORED, &text);
        assert_eq!(checkout.git(["status", "--porcelain"]), "");
        text
    };
    let refused = |checkout: &Checkout| {
        published(shared, checkout, &[])
            .expect_code(126)
            .expect_stderr(IGNORED)
    };
    edit(&checkout);
    refused(&checkout);
    for _ in 0..2 {
        let text = edit(&checkout);
        says(isolated(shared, &checkout), &text, Tag::Dirty);
    }
    refused(&checkout);

    // A commit of something else does not commit it.
    replace(
        &checkout,
        &format!("api/{TASK}"),
        "it says",
        "it goes on to say",
    );
    checkout.commit("another source");
    let text = edit(&checkout);
    says(isolated(shared, &checkout), &text, Tag::Dirty);
    refused(&checkout);

    let theirs = clone_of(&checkout);
    for _ in 0..2 {
        let text = edit(&theirs);
        says(isolated(shared, &theirs), &text, Tag::Dirty);
    }
    refused(&theirs);

    // It does no harm where nobody reads it any more.
    let text = nonce();
    let task = task_that_logs(&format!("{text:?}"));
    checkout.write(&format!("api/{TASK}"), &task);
    let sha = checkout.commit("nothing ignored is compiled in");
    says(isolated(shared, &checkout), &text, Tag::Of(&sha));
    assert_eq!(image(published(shared, &checkout, &[])).0, sha);
}

#[test]
fn a_file_outside_of_the_repository_is_an_edit() {
    let (shared, _alone) = Shared::alone();
    let outside = base().join("layout-outside");
    let _ = std::fs::remove_dir_all(&outside);
    std::fs::create_dir_all(&outside).unwrap();
    let absolute = outside.join("absolute.txt");
    for (file, path) in [
        (
            "relative.txt",
            "../../../../layout-outside/relative.txt".to_owned(),
        ),
        ("absolute.txt", absolute.to_str().unwrap().to_owned()),
    ] {
        let checkout = layout();
        let task = task_that_logs(&format!("include_str!({path:?})"));
        checkout.write(&format!("api/{TASK}"), &task);
        checkout.commit("a file of nobody's is compiled in");
        let edit = || {
            let text = nonce();
            std::fs::write(outside.join(file), &text).unwrap();
            text
        };
        edit();
        published(shared, &checkout, &[])
            .expect_code(126)
            .expect_stderr(file);
        for _ in 0..2 {
            let text = edit();
            says(isolated(shared, &checkout), &text, Tag::Dirty);
        }
        let theirs = clone_of(&checkout);
        let text = edit();
        says(isolated(shared, &theirs), &text, Tag::Dirty);
        published(shared, &theirs, &[])
            .expect_code(126)
            .expect_stderr(file);
    }
}

/// `--skip-worktree` and `--assume-unchanged` make `git status` silent about a file.
#[test]
fn a_file_that_git_was_told_to_overlook_is_an_edit() {
    let (shared, _alone) = Shared::alone();
    let task = format!("api/{TASK}");
    let edit = |checkout: &Checkout| {
        let text = nonce();
        checkout.write(&task, &task_that_logs(&format!("{text:?}")));
        text
    };
    for hide in ["--skip-worktree", "--assume-unchanged"] {
        let checkout = layout();
        let text = edit(&checkout);
        let sha = checkout.commit("what is compiled");
        says(isolated(shared, &checkout), &text, Tag::Of(&sha));
        let is_dirty = |checkout: &Checkout| {
            checkout.git(["update-index", hide, &task]);
            let text = edit(checkout);
            assert_eq!(checkout.git(["status", "--porcelain"]), "");
            says(isolated(shared, checkout), &text, Tag::Dirty);
            published(shared, checkout, &[])
                .expect_code(126)
                .expect_stderr(&task);
            let (tag, _) = image(published(shared, checkout, &["--allow-dirty"]));
            assert!(tag.contains("-dirty-"), "{hide}: {tag}");
        };
        // On a commit whose image is in ECR, on one that nobody has built, and in a clone of that.
        is_dirty(&checkout);
        checkout.commit("nobody has built this");
        published(shared, &checkout, &[])
            .expect_code(126)
            .expect_stderr(&task);
        is_dirty(&checkout);
        is_dirty(&clone_of(&checkout));
        // Shown and committed it is the commit's.
        let show = hide.replacen("--", "--no-", 1);
        checkout.git(["update-index", &show, &task]);
        let text = edit(&checkout);
        let sha = checkout.commit("shown again");
        says(isolated(shared, &checkout), &text, Tag::Of(&sha));
    }
}
