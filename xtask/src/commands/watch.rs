//! `cargo xtask try TASK --watch`: the loop again, whenever a file that it depends on is saved.
//!
//! A loop that still builds is given up for the next one. From the apply on it is let finish: an
//! apply is never cancelled, and a task that runs is what one wants to see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cli::Try;
use crate::failure::Problem;
use crate::record::run_id;
use crate::rounds::Bound;
use crate::session::Session;
use crate::steps::sources::{Watched, watched};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(300);
/// Saves that come closer together are one.
const BURST: Duration = Duration::from_millis(400);
const LONGEST_BURST: Duration = Duration::from_secs(10);

/// The time and size of each file; two that are equal mean that nothing was saved.
type Files = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// What is watched, and how it was when it was looked at last.
struct Seen {
    watched: Watched,
    files: Files,
}

impl Seen {
    /// What is worth watching changes with what the last loop compiled and planned.
    async fn now(session: &Session) -> anyhow::Result<Seen> {
        let watched = watched(session).await?;
        let files = look(&watched);
        Ok(Seen { watched, files })
    }

    /// Was anything saved since the last look? A file that a compile has touched was not.
    fn update(&mut self, session: &Session) -> bool {
        let mut now = look(&self.watched);
        for (file, seen) in &mut now {
            if let Some(before) = self.files.get(file)
                && session.touched.is_ours(file, seen.0)
                && before.1 == seen.1
            {
                *seen = *before;
            }
        }
        let changed = now != self.files;
        self.files = now;
        changed
    }
}

pub async fn run(args: &Try, session: &Session) -> anyhow::Result<u8> {
    let mut seen = Seen::now(session).await?;
    loop {
        let saved = one_loop(args, session, &mut seen).await?;
        // A folder that cannot be read just now is watched as before.
        if let Ok(now) = Seen::now(session).await {
            seen = now;
        }
        if !saved {
            session
                .reporter
                .text("watching: save a file to run it again, Ctrl-C to leave");
            wait_for_save(session, &mut seen).await?;
        }
        settle(session, &mut seen).await?;
        let runs = session.settings.work_dir().join("runs");
        let record = Some((runs.as_path(), run_id(SystemTime::now())));
        session.reporter.begin_again(record);
    }
}

/// Returns whether something was saved meanwhile, so that the next loop is due at once.
async fn one_loop(args: &Try, session: &Session, seen: &mut Seen) -> anyhow::Result<bool> {
    let mut saved = false;
    let mut given_up = false;
    let work = super::try_task::once(args, session);
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            () = tokio::time::sleep(LOOK), if !given_up => {
                saved |= seen.update(session);
                if saved && session.reporter.is_cancellable() && !session.interrupt.is_requested() {
                    session.reporter.text("a file was saved: starting again");
                    session.reporter.giving_up();
                    session.interrupt.ask_to_stop();
                    given_up = true;
                }
            }
        }
    };
    if given_up {
        session.interrupt.carry_on();
        let why = Problem::interrupted("given up: a file was saved");
        session.reporter.end_given_up(&why.into());
        return Ok(true);
    }
    if session.interrupt.is_requested() {
        // The user's own: it ends the watch too.
        outcome?;
        return Err(Problem::interrupted("interrupted").into());
    }
    session.reporter.end_loop(outcome);
    Ok(saved | seen.update(session))
}

async fn wait_for_save(session: &Session, seen: &mut Seen) -> anyhow::Result<()> {
    let watching = "watching for a saved file";
    let mut rounds = Bound::until_interrupted(LOOK).rounds(&session.interrupt, watching);
    while rounds.again().await? {
        if seen.update(session) {
            break;
        }
    }
    Ok(())
}

/// Until nothing was saved for a moment: editors and `git checkout` write many files at once. What is
/// written all the time is not waited for.
async fn settle(session: &Session, seen: &mut Seen) -> anyhow::Result<()> {
    let waiting = "waiting for the last file to be saved";
    let bound = Bound::every(BURST, LONGEST_BURST);
    let mut rounds = bound.rounds(&session.interrupt, waiting).after_one();
    while rounds.again().await? {
        if !seen.update(session) {
            break;
        }
    }
    Ok(())
}

fn look(watched: &Watched) -> Files {
    let mut files = Files::new();
    for path in &watched.paths {
        collect(path, &watched.products, &mut files);
    }
    files
}

/// Hidden folders hold what tools write (`.terraform`), and editors' swap files are no saves.
fn collect(path: &Path, products: &[PathBuf], files: &mut Files) {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let is_noise = name == ".terraform"
        || name == ".git"
        || products.iter().any(|folder| path == folder)
        || name == "__pycache__"
        || name.ends_with('~')
        || name.ends_with(".swp")
        || name == "4913";
    if is_noise {
        return;
    }
    let Ok(about) = std::fs::symlink_metadata(path) else {
        return;
    };
    if about.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries {
            collect(&entry.path(), products, files);
        }
    } else {
        files.insert(path.to_owned(), (about.modified().ok(), about.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_is_seen_and_an_editors_swap_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let look = || {
            let mut files = Files::new();
            collect(folder.path(), &[], &mut files);
            files
        };
        std::fs::write(folder.path().join("main.rs"), "a").unwrap();
        let first = look();
        for noise in [".main.rs.swp", "main.rs~", "4913"] {
            std::fs::write(folder.path().join(noise), "x").unwrap();
        }
        assert_eq!(look(), first);
        std::fs::write(folder.path().join("main.rs"), "ab").unwrap();
        assert_ne!(look(), first);
        std::fs::remove_file(folder.path().join("main.rs")).unwrap();
        assert!(look().is_empty());
    }
}
