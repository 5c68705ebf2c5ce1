//! The tests of our MiniStack extension, which are Python; those of Docker and of bubblewrap are in
//! `tests/with_programs`.

use crate::harness::python::extension_passes_its_tests;

#[test]
fn the_extension_passes_its_own_tests() {
    extension_passes_its_tests("nothing");
}
