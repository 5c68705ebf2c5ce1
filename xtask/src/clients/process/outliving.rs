//! A child that may not die with us: Terraform holds a lock, and writes the state when it stops.
//!
//! Two things are different from any other child. A watcher in the child's own process group holds
//! the other end of a pipe to us: when we are gone, however that came, it passes on one SIGINT, and
//! the child goes on with its graceful stop; when we have sent that SIGINT ourselves, it sends none.
//! And the child writes to files without a name instead of pipes: a write to a pipe that nobody reads
//! any more would kill it half-way.

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};

use super::{Group, Program, Source, sleep_until, spawn_error};
use crate::interrupt::Interrupt;

/// How often the files are looked at. The child's end is seen at once.
const LOOK: Duration = Duration::from_millis(40);

/// `$0` and `$@` become the child, with the process ID that the watcher knows. A line means that
/// there is nothing left to do; the end of the input without one, that we are gone.
const WATCHER: &str = r#"exec 3<&0 </dev/null
{ IFS= read -r _ <&3 || kill -INT $$; } >/dev/null 2>&1 &
exec 3<&-
exec "$0" "$@""#;

/// The command that becomes `program`, once it has its arguments.
pub fn command(program: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args([OsStr::new("-c"), OsStr::new(WATCHER), program]);
    command.stdin(Stdio::piped());
    command
}

impl Program {
    pub(super) async fn run_outliving(
        mut self,
        interrupt: &Interrupt,
        mut on_line: impl FnMut(Source, &str),
    ) -> anyhow::Result<(ExitStatus, bool)> {
        let (mut stdout, mut stderr) = (OutputFile::new()?, OutputFile::new()?);
        self.command
            .stdout(stdout.child_end()?)
            .stderr(stderr.child_end()?);
        let mut child = self
            .command
            .spawn()
            .map_err(|error| spawn_error(error, &self.shown))?;
        let mut group = Group::of(&child);
        let mut watched = Watched::new(child.stdin.take());
        let mut interrupt = interrupt.clone();
        let mut kill_at: Option<tokio::time::Instant> = None;
        let mut status = None;
        while status.is_none() {
            tokio::select! {
                ended = child.wait() => {
                    status = Some(ended.with_context(|| format!("waiting for `{}`", self.shown))?);
                }
                () = OutputFile::look_again() => {}
                () = interrupt.requested(), if kill_at.is_none() => {
                    // Before the signal, so that our own end later on cannot make it two.
                    watched.dismiss().await;
                    group.signal(Signal::INT);
                    kill_at = Some(tokio::time::Instant::now() + self.grace);
                    interrupt.set_last_words(format!(
                        "left; `{}` has been asked once to stop and goes on until it has",
                        self.shown
                    ));
                }
                () = sleep_until(kill_at), if kill_at.is_some() => {
                    group.signal(Signal::KILL);
                    kill_at = Some(tokio::time::Instant::now() + self.grace);
                }
            }
            for (source, output) in [(Source::Stdout, &mut stdout), (Source::Stderr, &mut stderr)] {
                let lines = output.lines(status.is_some());
                let lines =
                    lines.with_context(|| format!("reading the output of `{}`", self.shown))?;
                for line in lines {
                    on_line(source, &line);
                }
            }
        }
        group.has_ended();
        watched.dismiss().await;
        let status = status.context("a child without an end")?;
        // The shell's word for a program that is not there.
        if status.code() == Some(127) {
            return Err(spawn_error(ErrorKind::NotFound.into(), &self.shown));
        }
        Ok((status, kill_at.is_some()))
    }
}

/// Our end of the watcher's pipe.
struct Watched {
    pipe: Option<ChildStdin>,
}

impl Watched {
    fn new(pipe: Option<ChildStdin>) -> Self {
        Watched { pipe }
    }

    /// The watcher has nothing left to do.
    async fn dismiss(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // It fails only when the watcher is gone already.
            let _ = pipe.write_all(b"done\n").await;
        }
    }
}

/// One of the child's outputs, as a file without a name.
struct OutputFile {
    file: File,
    read: u64,
    /// What was read of a line that has not ended.
    rest: Vec<u8>,
}

impl OutputFile {
    fn new() -> anyhow::Result<Self> {
        Ok(OutputFile {
            file: tempfile::tempfile().with_context(|| {
                let folder = std::env::temp_dir();
                format!("making a file for a child's output in {}", folder.display())
            })?,
            read: 0,
            rest: Vec::new(),
        })
    }

    /// The child's end. It shares our offset, so that we read by position alone.
    fn child_end(&self) -> anyhow::Result<Stdio> {
        let file = self.file.try_clone();
        Ok(file.context("opening a file for a child's output")?.into())
    }

    async fn look_again() {
        tokio::time::sleep(LOOK).await;
    }

    /// The lines that are whole by now; at the `end`, also a last one without a line feed.
    fn lines(&mut self, end: bool) -> std::io::Result<Vec<String>> {
        let mut buffer = [0; 64 * 1024];
        loop {
            let read = self.file.read_at(&mut buffer, self.read)?;
            if read == 0 {
                break;
            }
            self.read += read as u64;
            self.rest.extend_from_slice(&buffer[..read]);
        }
        let whole = match self.rest.iter().rposition(|byte| *byte == b'\n') {
            _ if end => self.rest.len(),
            Some(last) => last + 1,
            None => 0,
        };
        let whole: Vec<u8> = self.rest.drain(..whole).collect();
        let text = String::from_utf8_lossy(&whole);
        Ok(text.lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn lines_come_once_and_whole() {
        let mut output = OutputFile::new().unwrap();
        let mut child = output.file.try_clone().unwrap();
        child.write_all(b"one\ntw").unwrap();
        assert_eq!(output.lines(false).unwrap(), ["one"]);
        assert!(output.lines(false).unwrap().is_empty());
        child.write_all(b"o\n\nend").unwrap();
        assert_eq!(output.lines(false).unwrap(), ["two", ""]);
        assert_eq!(output.lines(true).unwrap(), ["end"]);
        assert!(output.lines(true).unwrap().is_empty());
    }
}
