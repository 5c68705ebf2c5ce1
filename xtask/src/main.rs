//! The binary of this repository; everything is in the library.

fn main() -> std::process::ExitCode {
    xtask::main()
}
