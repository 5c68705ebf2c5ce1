//! The binary while it runs: what it has printed so far, and signals to it alone.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::ended::Ended;

/// A test that waits longer than this for something has found a mistake.
const DEADLINE: Duration = Duration::from_secs(120);

pub struct Running {
    child: Child,
    output: Arc<(Mutex<Output>, Condvar)>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

#[derive(Default, Clone)]
struct Output {
    stdout: String,
    stderr: String,
    ended: usize,
}

impl Running {
    pub fn start(command: Command) -> Running {
        Running::start_into(command, Stdio::piped())
    }

    /// With its stdout elsewhere; then only stderr can be waited for.
    pub fn start_into(mut command: Command, stdout: Stdio) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::new((Mutex::new(Output::default()), Condvar::new()));
        let mut readers = vec![read(
            child.stderr.take().unwrap(),
            output.clone(),
            |output| &mut output.stderr,
        )];
        if let Some(stdout) = child.stdout.take() {
            readers.push(read(stdout, output.clone(), |output| &mut output.stdout));
        }
        Running {
            child,
            output,
            readers,
        }
    }

    /// Waits until it has printed these words, on either output.
    #[track_caller]
    pub fn wait_for(&self, words: &str) -> &Self {
        self.wait_for_times(words, 1)
    }

    /// Waits until it has printed these words so many times, on both outputs together.
    #[track_caller]
    pub fn wait_for_times(&self, words: &str, times: usize) -> &Self {
        let (output, changed) = &*self.output;
        let deadline = Instant::now() + DEADLINE;
        let mut output = output.lock().unwrap();
        let count = |output: &Output| {
            output.stdout.matches(words).count() + output.stderr.matches(words).count()
        };
        while count(&output) < times {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                output.ended < self.readers.len() && !left.is_zero(),
                "no `{words}` in\n{}{}",
                output.stdout,
                output.stderr
            );
            output = changed.wait_timeout(output, left).unwrap().0;
        }
        self
    }

    pub fn signal(&self, signal: Signal) -> &Self {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stderr(&self) -> String {
        self.output.0.lock().unwrap().stderr.clone()
    }

    /// Waits for its end; children of its own may outlive it.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    self.child.kill().unwrap();
                    panic!("it does not end:\n{}", self.stderr());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        // A child that outlives it may hold its outputs: what it has printed itself is there by now.
        let patience = Instant::now() + Duration::from_secs(2);
        while Instant::now() < patience && !self.readers.iter().all(|reader| reader.is_finished()) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = self.output.0.lock().unwrap().clone();
        Ended {
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }
}

fn read(
    from: impl Read + Send + 'static,
    output: Arc<(Mutex<Output>, Condvar)>,
    of: fn(&mut Output) -> &mut String,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let (output, changed) = &*output;
            of(&mut output.lock().unwrap()).push_str(&String::from_utf8_lossy(&line));
            changed.notify_all();
            line.clear();
        }
        let (output, changed) = &*output;
        output.lock().unwrap().ended += 1;
        changed.notify_all();
    })
}
