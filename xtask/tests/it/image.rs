//! The image without Docker: the same each time, and built once.

use crate::harness::Shared;

/// The digest comes from what is in the image, and not from when or where it was built: two trees
/// with the same sources give one image under two tags.
#[test]
fn the_same_sources_give_the_same_digest() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let file = "api/src/tasks/my_new_task_name.rs";
    let text = checkout.read(file);
    let digest = |note: &str| {
        // A comment makes the sources others, and the binary not.
        checkout.write(file, &format!("{text}// {note}\n"));
        let ended = checkout
            .xtask(["build-and-publish", "--allow-dirty", "--sandbox"])
            .run()
            .expect_code(0);
        let reference = ended.stdout.trim().to_owned();
        let (tag, digest) = reference.rsplit_once('@').unwrap();
        (tag.to_owned(), digest.to_owned(), ended.stderr)
    };
    let (first_tag, first, _) = digest("one");
    let (second_tag, second, said) = digest("two");
    checkout.as_committed();
    assert_ne!(first_tag, second_tag);
    assert_eq!(first, second);
    assert!(
        said.contains("– push      the same content is in ECR as"),
        "{said}"
    );
}

/// A commit of what was tried before needs no build. Its image is another one all the same, as ECR's
/// lifecycle expires those of uncommitted work, whatever other tags they have.
#[test]
fn a_new_commit_with_the_same_sources_is_not_built() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let publish = || {
        let ended = checkout
            .xtask(["build-and-publish", "--allow-dirty", "--sandbox"])
            .run()
            .expect_code(0);
        let (tag, digest) = ended.stdout.trim().rsplit_once('@').unwrap();
        (tag.to_owned(), digest.to_owned(), ended.stderr)
    };
    checkout.another_image("first uncommitted, then committed");
    let (dirty_tag, dirty, _) = publish();
    let before = checkout.git(["rev-parse", "HEAD"]);
    checkout.commit("what was tried");
    let (tag, committed, said) = publish();
    assert!(said.contains("the same content is in ECR as"), "{said}");
    assert!(
        dirty_tag.contains("-dirty-") && !tag.contains("-dirty-"),
        "{tag}"
    );
    assert_ne!(dirty, committed);
    checkout.commit("only docs, so to speak: the same tree");
    let (next_tag, same, said) = publish();
    assert!(said.contains("the same content is in ECR as"), "{said}");
    assert_ne!(tag, next_tag);
    assert_eq!(committed, same);
    checkout.git(["reset", "--quiet", "--hard", before.trim()]);
}
