//! The tests of our MiniStack extension that are about a program of the machine.

use crate::harness::python::extension_passes_its_tests;

pub fn the_extension_passes_its_tests_of_docker() {
    extension_passes_its_tests("docker");
}

pub fn the_extension_passes_its_tests_of_bubblewrap() {
    extension_passes_its_tests("bubblewrap");
}
