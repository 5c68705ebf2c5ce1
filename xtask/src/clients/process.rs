//! Long children (cargo, docker, terraform): watched, interruptible, each in its own process group.
//!
//! Short commands go through xshell. Secrets never come in argv: they are given as environment
//! variables of the one child that needs them, or in files that only it reads.

mod outliving;
pub mod seen;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::failure::{Kind, Problem};
use crate::interrupt::Interrupt;

/// How many of a failed child's last lines the error shows.
const TAIL_LINES: usize = 25;

/// A child to run: the program, its arguments, and what it sees.
#[derive(Debug)]
pub struct Program {
    command: Command,
    shown: String,
    /// How long it may go on after the one SIGINT that it gets.
    grace: Duration,
    /// It may not die with us.
    outlives_us: bool,
}

/// Which of the child's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Stdout,
    Stderr,
}

/// How a child ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    /// The last lines of both outputs, for an error.
    pub tail: Vec<String>,
    pub interrupted: bool,
}

impl Program {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program.as_ref());
        command.stdin(Stdio::null());
        Self::of(command, program.as_ref(), false)
    }

    /// A child that holds a lock: when we are killed it gets one SIGINT and stops in its own way.
    pub fn that_outlives_us(program: impl AsRef<OsStr>) -> Self {
        Self::of(outliving::command(program.as_ref()), program.as_ref(), true)
    }

    fn of(mut command: Command, program: &OsStr, outlives_us: bool) -> Self {
        command.process_group(0);
        Program {
            command,
            shown: quote(&program.to_string_lossy()),
            grace: Duration::from_secs(10),
            outlives_us,
        }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&quote(&arg.as_ref().to_string_lossy()));
        self.command.arg(arg);
        self
    }

    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Program::arg)
    }

    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    pub fn envs(self, vars: &[(String, OsString)]) -> Self {
        vars.iter()
            .fold(self, |program, (key, value)| program.env(key, value))
    }

    pub fn env_remove(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// A child with work to finish (an apply) gets longer than the usual ten seconds.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The command as one would type it; it holds no secrets.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Runs to the end, giving each line to `on_line` as it comes. When the user interrupts, the
    /// child gets one SIGINT and the time to stop in its own way, then SIGKILL.
    pub async fn run(
        self,
        interrupt: &Interrupt,
        mut on_line: impl FnMut(Source, &str),
    ) -> anyhow::Result<Finished> {
        interrupt.check(&format!("`{}`", self.shown))?;
        let mut tail: Vec<String> = Vec::new();
        let keep = |source: Source, line: &str| {
            if tail.len() == TAIL_LINES {
                tail.remove(0);
            }
            tail.push(line.to_owned());
            on_line(source, line);
        };
        let (status, interrupted) = if self.outlives_us {
            self.run_outliving(interrupt, keep).await?
        } else {
            self.run_piped(interrupt, keep).await?
        };
        Ok(Finished {
            status,
            tail,
            interrupted,
        })
    }

    async fn run_piped(
        mut self,
        interrupt: &Interrupt,
        mut on_line: impl FnMut(Source, &str),
    ) -> anyhow::Result<(ExitStatus, bool)> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self
            .command
            .spawn()
            .map_err(|error| spawn_error(error, &self.shown))?;
        let mut group = Group::of(&child);
        let mut stdout = Lines::new(child.stdout.take());
        let mut stderr = Lines::new(child.stderr.take());
        let mut interrupt = interrupt.clone();
        let mut kill_at: Option<tokio::time::Instant> = None;
        while !(stdout.ended && stderr.ended) {
            let (source, line) = tokio::select! {
                line = stdout.next(), if !stdout.ended => (Source::Stdout, line),
                line = stderr.next(), if !stderr.ended => (Source::Stderr, line),
                () = interrupt.requested(), if kill_at.is_none() => {
                    group.signal(Signal::INT);
                    kill_at = Some(tokio::time::Instant::now() + self.grace);
                    continue;
                }
                () = sleep_until(kill_at), if kill_at.is_some() => {
                    group.signal(Signal::KILL);
                    break;
                }
            };
            let line = line.with_context(|| format!("reading the output of `{}`", self.shown))?;
            if let Some(line) = line {
                on_line(source, &line);
            }
        }
        let status = wait(&mut child, &self.shown).await?;
        group.has_ended();
        Ok((status, kill_at.is_some()))
    }

    /// Runs to the end and returns stdout; anything but success is an error with the output's tail.
    pub async fn read(self, interrupt: &Interrupt) -> anyhow::Result<String> {
        let shown = self.shown.clone();
        let mut output = String::new();
        let finished = self
            .run(interrupt, |source, line| {
                if source == Source::Stdout {
                    output.push_str(line);
                    output.push('\n');
                }
            })
            .await?;
        finished.success(&shown)?;
        Ok(output)
    }
}

impl Finished {
    /// An error that names the command and shows its last lines, unless it succeeded.
    pub fn success(&self, shown: &str) -> anyhow::Result<()> {
        if self.interrupted {
            return Err(Problem::interrupted(format!("interrupted `{shown}`")).into());
        }
        if self.status.success() {
            return Ok(());
        }
        let tail = self.tail.join("\n    ");
        anyhow::bail!("`{shown}` ended with {}\n    {tail}", self.how())
    }

    /// Its exit code or the signal that ended it, in words.
    pub fn how(&self) -> String {
        describe(self.status)
    }
}

/// One of a child's outputs, line by line. A line that is no UTF-8 is shown as well as it can be.
struct Lines<R> {
    reader: Option<BufReader<R>>,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(reader: Option<R>) -> Self {
        let ended = reader.is_none();
        Lines {
            reader: reader.map(BufReader::new),
            buffer: Vec::new(),
            ended,
        }
    }

    /// Cancel-safe: what was read of a line stays in the buffer.
    async fn next(&mut self) -> std::io::Result<Option<String>> {
        let Some(reader) = &mut self.reader else {
            return Ok(None);
        };
        let read = reader.read_until(b'\n', &mut self.buffer).await?;
        if read == 0 {
            self.ended = true;
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&self.buffer)
            .trim_end_matches(['\n', '\r'])
            .to_owned();
        self.buffer.clear();
        Ok(Some(line))
    }
}

async fn sleep_until(instant: Option<tokio::time::Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

async fn wait(child: &mut Child, shown: &str) -> anyhow::Result<ExitStatus> {
    child
        .wait()
        .await
        .with_context(|| format!("waiting for `{shown}`"))
}

/// A child and its own children. When the work that waits for it is given up, they end with it.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Group(
            child
                .id()
                .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It fails only when the group has just ended, which is what was wanted.
            let _ = kill_process_group(group, signal);
        }
    }

    fn has_ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn spawn_error(error: std::io::Error, shown: &str) -> anyhow::Error {
    let program = shown.split(' ').next().unwrap_or_default();
    if error.kind() == std::io::ErrorKind::NotFound {
        return Problem {
            kind: Kind::Failed,
            message: format!("`{program}` is not installed, or not on PATH"),
            hint: Some(install_hint(program)),
        }
        .into();
    }
    anyhow::Error::new(error).context(format!("starting `{shown}`"))
}

/// Where to get a tool that the loop needs.
pub fn install_hint(program: &str) -> String {
    match program {
        "docker" => {
            "install Docker Engine or Docker Desktop: https://docs.docker.com/engine/install/"
        }
        "terraform" => {
            "run `cargo xtask tools install`, or install Terraform 1.11 or newer: https://developer.hashicorp.com/terraform/install"
        }
        "cargo-zigbuild" => "install it and zig: pip install cargo-zigbuild ziglang",
        "git" => "install git: https://git-scm.com/downloads",
        _ => "install it and run the command again",
    }
    .to_owned()
}

/// A child's exit code; 128 and the signal's number when a signal ended it, as shells say it.
pub fn status_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

/// An argument as a shell would need it.
pub fn quote(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
