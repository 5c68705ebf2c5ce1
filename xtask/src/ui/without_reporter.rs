//! What is printed before there is a reporter, and when the process leaves without asking one.

use std::io::Write as _;
use std::process::ExitCode;

use super::gate::Safe;
use super::screen::{Outputs, Surroundings};

/// Help, or what is wrong with the command line: it holds the words that were typed.
pub fn show_usage(error: &clap::Error) -> ExitCode {
    let surroundings = Surroundings::look(None, false);
    let mut outputs = Outputs::of_the_process();
    let (output, color) = match error.use_stderr() {
        true => (&mut outputs.stderr, surroundings.color_stderr),
        false => (&mut outputs.stdout, surroundings.color_stdout),
    };
    let text = Safe::colored(&error.render().ansi().to_string(), color);
    // There is nobody left to tell when it is closed.
    let _ = output.write_all(&text.into_bytes(surroundings.github));
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// One line on stderr.
pub fn last_words(words: &str) {
    let text = Safe::words(&format!("{words}\n"));
    let github = Surroundings::look(None, false).github;
    let bytes = text.into_bytes(github);
    let _ = Outputs::of_the_process().stderr.write_all(&bytes);
}
