//! The list of records; their page, in a browser, is in `tests/with_programs`.

mod recorded;

use crate::harness::Checkout;
use recorded::record;

#[test]
fn history_lists_the_record() {
    let checkout = Checkout::named("history");
    assert_eq!(
        checkout.xtask(["history"]).run().stdout,
        "no loop has been recorded yet\n"
    );
    checkout
        .xtask(["report"])
        .run()
        .expect_code(125)
        .expect_stderr("no run is recorded in");
    record(&checkout);
    let ended = checkout.xtask(["history"]).run().expect_code(0);
    ended
        .expect_stdout("20260102-030405-1a2b3c  3            20 s  try nightly-report (sandbox)\n");
}
