//! How the binary ended, and its output with everything that differs from run to run taken out.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;
use std::sync::LazyLock;

use regex_lite::Regex;

#[derive(Debug)]
pub struct Ended {
    /// The exit code; 128 and the signal's number when it was killed.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Ended {
        let status = output.status;
        Ended {
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Everything a user sees, ready for a snapshot.
    pub fn snapshot(&self) -> String {
        format!(
            "exit code: {}\n--- stdout\n{}--- stderr\n{}",
            self.code,
            filtered(&self.stdout),
            filtered(&self.stderr)
        )
    }

    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "--- stdout\n{}--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }

    #[track_caller]
    pub fn expect_stderr(self, words: &str) -> Self {
        assert!(
            self.stderr.contains(words),
            "no `{words}` in\n{}",
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn expect_stdout(self, words: &str) -> Self {
        assert!(
            self.stdout.contains(words),
            "no `{words}` in\n{}{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// Replaces paths, commits, digests, task IDs, ports, times and durations.
pub fn filtered(text: &str) -> String {
    static FILTERS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let base = regex_lite::escape(&super::checkout::base().to_string_lossy());
        [
            (format!(r"{base}/[a-z0-9-]+"), "[CHECKOUT]"),
            (r"sha256:[0-9a-f]{12,64}".into(), "sha256:[DIGEST]"),
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".into(),
                "[TASK-ID]",
            ),
            (r"\b[0-9a-f]{40}\b".into(), "[SHA]"),
            (
                r"\b[0-9a-f]{7}-dirty-[0-9a-f]{7}\b".into(),
                "[SHA7]-dirty-[TREE7]",
            ),
            (r"-dirty-[0-9a-f]{16}".into(), "-dirty-[TREE]"),
            (r"\b(commit|tag|is|–|:) [0-9a-f]{7}\b".into(), "$1 [SHA7]"),
            (r"(localhost|127\.0\.0\.1):\d+".into(), "$1:[PORT]"),
            (r"\d\d:\d\d:\d\d\.\d{3}".into(), "[TIME]"),
            // The times before lines of stderr, and the space that stands for them below.
            (r"(?m)^\d\d:\d\d:\d\dZ ".into(), ""),
            (r"(?m)^ {22}".into(), "            "),
            (r"\b\d{8}-\d{6}-[0-9a-f]{6}\b".into(), "[RUN]"),
            (r"duration_ms=\d+".into(), "duration_ms=[N]"),
            (r"\d+(\.\d)? s\b".into(), "[N] s"),
            (r"\d+ min \[N\] s".into(), "[N] s"),
        ]
        .into_iter()
        .map(|(pattern, with)| (Regex::new(&pattern).unwrap(), with))
        .collect()
    });
    FILTERS
        .iter()
        .fold(text.to_owned(), |text, (pattern, with)| {
            pattern.replace_all(&text, *with).into_owned()
        })
}
