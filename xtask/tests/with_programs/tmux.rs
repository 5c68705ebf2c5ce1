//! A terminal as a person has it: a window of tmux, what is on its screen, and typed keys.

use std::process::Command;
use std::time::{Duration, Instant};

/// A tmux server of our own with one window; it ends with this value.
pub struct Tmux {
    socket: String,
}

impl Tmux {
    /// A window of so many columns and rows in which a shell command runs.
    pub fn start(name: &str, (width, height): (usize, usize), command: &str) -> Tmux {
        let tmux = Tmux {
            socket: format!("xtask-it-{}-{name}", std::process::id()),
        };
        let (width, height) = (width.to_string(), height.to_string());
        tmux.run(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            command,
        ]);
        tmux
    }

    fn run(&self, args: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-u", "-L", &self.socket])
            .args(args)
            .env_remove("TMUX")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// What is on the screen and what has scrolled out of it, a line as long as it was written.
    pub fn everything(&self) -> String {
        self.run(&["capture-pane", "-p", "-J", "-S", "-"])
    }

    /// The screen, once all of `words` are on it.
    pub fn wait_for(&self, words: &[&str]) -> String {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let screen = self.screen();
            if words.iter().all(|word| screen.contains(word)) {
                return screen;
            }
            assert!(Instant::now() < deadline, "no {words:?} in\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Text, or keys by their names (`C-c`, `Enter`, `Tab`).
    pub fn type_keys(&self, keys: &[&str]) {
        let all: Vec<&str> = ["send-keys"].iter().chain(keys).copied().collect();
        self.run(&all);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .args(["-L", &self.socket, "kill-server"])
            .output();
    }
}
