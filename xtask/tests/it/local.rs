//! `local`: an entrypoint without ECS, with what is asked for and no more.

mod asked;

use crate::harness::Shared;
use asked::{asking, has, ran};

#[test]
fn natively_with_the_definitions_variables_and_nobodys_credentials() {
    let (shared, _lock) = Shared::together();
    let checkout = &shared.checkout;
    let file = checkout.root.join("target/variables.env");
    std::fs::write(
        &file,
        "# mine\nexport FROM_FILE=\"of a file\"\nFROM_FLAG=lost\n",
    )
    .unwrap();
    let file = file.to_string_lossy().into_owned();
    let ended = ran(asking(
        checkout,
        &["--env-file", &file, "-e", "FROM_FLAG=won"],
    ));
    has(&ended, "ENVIRONMENT", Some("test"));
    has(&ended, "FROM_FILE", Some("\"of a file\""));
    has(&ended, "FROM_FLAG", Some("won"));
    for name in ["DIAGNOSE_SECRET", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"] {
        has(&ended, name, None);
    }
    ended.expect_stderr("DIAGNOSE_SECRET is not set: add --secrets, -e DIAGNOSE_SECRET=…");

    // What is asked for: the secret, and credentials.
    let ended = ran(asking(checkout, &["--secrets", "--aws", "--sandbox"]));
    has(&ended, "DIAGNOSE_SECRET", Some("an-example-and-no-secret"));
    has(&ended, "AWS_ENDPOINT_URL", Some(&shared.endpoint));
    assert!(!ended.stdout.contains("AKIDMINE"), "{}", ended.stdout);
    let ended = ran(asking(checkout, &["--aws"]));
    has(&ended, "AWS_ACCESS_KEY_ID", Some("AKIDMINE"));
    has(&ended, "AWS_PROFILE", Some("mine"));
}
