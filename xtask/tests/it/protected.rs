//! A protected environment, as prod is one: named twice, from main, with an image that CI built. The
//! sandbox's own environments never are, so that this is without `--sandbox`.

use crate::harness::{Ended, Shared, request};

fn protected(shared: &Shared, args: &[&str]) -> Ended {
    shared
        .from(&shared.checkout, "jo", args)
        .env("XTASK_PROTECTED", "true")
        .run()
}

/// A build concerns no environment, so that it knows no author.
fn published(shared: &Shared, args: &[&str]) -> Ended {
    shared.really(args).env("XTASK_PROTECTED", "true").run()
}

#[test]
fn it_is_named_twice_and_nothing_is_tried_there() {
    let (shared, _together) = Shared::together();
    for args in [
        &["deploy-test", "--yes"][..],
        &["deploy", "--env", "test", "--yes"],
        &["run", "my-new-task-name"],
        &["hold"],
        &["release"],
        &["hold", "--confirm", "stage"],
    ] {
        protected(shared, args)
            .expect_code(126)
            .expect_stderr("the environment `test` is protected")
            .expect_stderr("name it twice: --env test --confirm test");
    }
    for args in [
        &["try", "my-new-task-name", "--confirm", "test"][..],
        &["try", "my-new-task-name", "--confirm", "test", "--isolated"],
    ] {
        protected(shared, args)
            .expect_code(126)
            .expect_stderr("the environment `test` is protected: nothing is tried there");
    }
}

#[test]
fn it_takes_what_is_on_main_and_what_ci_built() {
    let (shared, _alone) = Shared::alone();
    let checkout = &shared.checkout;
    let before = shared.deployed_tag();
    let deploy = ["deploy-test", "--yes", "--confirm", "test"];
    checkout.git(["switch", "--quiet", "--create", "side"]);
    let sha = shared.commit_infra();
    let built = published(shared, &["build-and-publish"]);
    let from_side = protected(shared, &deploy);
    // The same commit on main, whose image a laptop has pushed.
    checkout.git(["switch", "--quiet", "main"]);
    checkout.git(["merge", "--quiet", "--ff-only", "side"]);
    checkout.git(["branch", "--quiet", "--delete", "side"]);
    let from_laptop = protected(shared, &deploy);
    let nothing = shared.deployed_tag();
    // CI builds it as well, where nothing of AWS is known, and says so in another place.
    let file = checkout.root.join("target/image.tar");
    let file = file.to_str().unwrap();
    let handed = checkout.xtask(["build", "--output", file]).run();
    let handed = handed.expect_code(0);
    let digest = handed.stdout.trim();
    let zeros = format!("sha256:{}", "0".repeat(64));
    let another = published(shared, &["publish", file, "--digest", &zeros, "--attest"]);
    let still_from_laptop = protected(shared, &deploy);
    let attested = published(shared, &["publish", file, "--digest", digest, "--attest"]);
    let again = published(shared, &["publish", file, "--digest", digest, "--attest"]);
    let from_ci = protected(shared, &deploy);
    let after = shared.deployed_tag();
    let ran = protected(shared, &["run", "my-new-task-name", "--confirm", "test"]);
    // Another image than the one that CI built has come under the tag.
    let path = format!("/api-terraform-state-000000000000/attested/test/api/{sha}.json");
    let said = request(&shared.endpoint, "GET", &path, &[], "").body;
    let swapped = said.replace("sha256:", "sha256:0000");
    let put = request(&shared.endpoint, "PUT", &path, &[], &swapped).status;
    let from_swapped = protected(shared, &deploy);
    shared.uncommit();
    let of_another_commit = published(shared, &["publish", file, "--digest", digest]);
    shared.by_nobody(&["deploy-test", "--yes"]).expect_code(0);

    built.expect_code(0);
    from_side
        .expect_code(126)
        .expect_stderr(&format!("{sha} is not on main, and `test` is protected"));
    from_laptop
        .expect_code(126)
        .expect_stderr("`test` is protected and takes what CI built: nothing says that it built")
        .expect_stderr("cargo xtask publish FILE --digest DIGEST --attest");
    assert_eq!(nothing, before);
    another
        .expect_code(126)
        .expect_stderr(&format!("image.tar holds {digest}, and not {zeros}"));
    still_from_laptop.expect_code(126);
    again
        .expect_code(0)
        .expect_stderr("it is written down already that CI built what is in ECR");
    of_another_commit
        .expect_code(126)
        .expect_stderr(&format!("holds the image of {}, and HEAD is", &sha[..7]));
    attested
        .expect_code(0)
        .expect_stderr("it is written down that this was built here");
    from_ci.expect_code(0).expect_stdout(&sha);
    assert_eq!(after, sha);
    ran.expect_code(0);
    assert_eq!(put, 200);
    from_swapped
        .expect_code(126)
        .expect_stderr("it built another image than the one under");
}
