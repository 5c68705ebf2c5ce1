//! `local --container`: an entrypoint in its image, with what is asked for and no more.

#[path = "../it/local/asked.rs"]
mod asked;

use crate::harness::Shared;
use asked::{asking, has, ran};

pub fn in_the_image_with_the_same_variables() {
    let (shared, _lock) = Shared::alone();
    let flags = [
        "--container",
        "--secrets",
        "--sandbox",
        "-e",
        "FROM_FLAG=won",
    ];
    let ended = ran(asking(&shared.checkout, &flags));
    has(&ended, "ENVIRONMENT", Some("test"));
    has(&ended, "FROM_FLAG", Some("won"));
    has(&ended, "DIAGNOSE_SECRET", Some("an-example-and-no-secret"));
    has(&ended, "AWS_ACCESS_KEY_ID", None);

    // Its image is FROM scratch.
    shared
        .checkout
        .xtask(["local", "diagnose", "--shell", "--sandbox"])
        .run()
        .expect_code(125)
        .expect_stderr("has no shell");
}
