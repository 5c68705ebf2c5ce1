//! Writes what happens in a loop to `target/xtask/runs/<run>/`, bounded in number and size.
//!
//! - `events.jsonl`: every event but the two below, as `--json=events` has them
//! - `log*.jsonl`: the task's log; `<step>*.txt`: what a step's children printed
//! - `summary.json`: the document of `--json`, when the loop has ended

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::clients::own_files;
use crate::ui::Step;

pub const SUMMARY: &str = "summary.json";
/// The newest records that are kept, and how much room they may take together, in bytes.
const KEPT: usize = 50;
const ROOM: u64 = 300 * 1024 * 1024;
/// What the beginning of one file may hold, in bytes; its end may take twice as much.
const PART: usize = 8 * 1024 * 1024;

pub struct Recorder {
    pub run: String,
    folder: PathBuf,
    events: Bounded,
    log: Bounded,
    outputs: HashMap<&'static str, Bounded>,
}

impl Recorder {
    /// Makes the folder, for its owner alone: what a task prints is nobody else's business.
    pub fn start(runs: &Path, run: &str) -> io::Result<Recorder> {
        let folder = runs.join(run);
        own_files::make_folder(&folder).map_err(|error| naming(&folder, &error))?;
        Ok(Recorder {
            run: run.to_owned(),
            events: Bounded::new(&folder, "events", "jsonl", PART),
            log: Bounded::new(&folder, "log", "jsonl", PART),
            outputs: HashMap::new(),
            folder,
        })
    }

    pub fn event(&mut self, line: &str) -> io::Result<()> {
        self.events.line(line)
    }

    pub fn log(&mut self, line: &str) -> io::Result<()> {
        self.log.line(line)
    }

    pub fn output(&mut self, step: Step, line: &str) -> io::Result<()> {
        let name = step.name();
        let folder = &self.folder;
        let file = self.outputs.entry(name);
        file.or_insert_with(|| Bounded::new(folder, name, "txt", PART))
            .line(line)
    }

    /// The file with everything that the step's children printed, if they printed anything.
    pub fn output_file(&self, step: Step) -> Option<PathBuf> {
        let file = self.outputs.get(step.name())?;
        Some(file.part(0))
    }

    /// Everything to the disk, so that a crash loses little.
    pub fn flush(&mut self) -> io::Result<()> {
        self.events.flush()?;
        self.log.flush()?;
        self.outputs.values_mut().try_for_each(Bounded::flush)
    }

    /// The loop has ended: the summary, and older records make room.
    pub fn end(mut self, summary: &str) -> io::Result<()> {
        self.flush()?;
        let file = self.folder.join(SUMMARY);
        own_files::create(&file)
            .and_then(|mut created| created.write_all(summary.as_bytes()))
            .map_err(|error| naming(&file, &error))?;
        self.folder
            .parent()
            .map_or(Ok(()), |runs| prune(runs, KEPT, ROOM))
    }

    /// Nothing was done that a record would be worth.
    pub fn discard(self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.folder).map_err(|error| naming(&self.folder, &error))
    }
}

/// The system's own words, after the file that they are about.
fn naming(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

/// A file that keeps its beginning and its end: `x.jsonl`, then `x.1.jsonl` and `x.2.jsonl` in turn.
struct Bounded {
    folder: PathBuf,
    name: &'static str,
    ending: &'static str,
    limit: usize,
    file: Option<io::BufWriter<File>>,
    part: usize,
    size: usize,
}

impl Bounded {
    fn new(folder: &Path, name: &'static str, ending: &'static str, limit: usize) -> Self {
        Bounded {
            folder: folder.to_owned(),
            name,
            ending,
            limit,
            file: None,
            part: 0,
            size: 0,
        }
    }

    fn part(&self, part: usize) -> PathBuf {
        part_path(&self.folder, self.name, self.ending, part)
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        self.write(line).map_err(|error| self.naming(&error))
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.size > 0 && self.size + line.len() > self.limit {
            self.write_out()?;
            self.file = None;
            self.size = 0;
            if self.part == 2 {
                std::fs::rename(self.part(2), self.part(1))?;
            } else {
                self.part += 1;
            }
        }
        if self.file.is_none() {
            self.file = Some(io::BufWriter::new(own_files::create(
                &self.part(self.part),
            )?));
        }
        self.size += line.len() + 1;
        match &mut self.file {
            Some(file) => writeln!(file, "{line}"),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out().map_err(|error| self.naming(&error))
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), io::Write::flush)
    }

    fn naming(&self, error: &io::Error) -> io::Error {
        naming(&self.part(self.part), error)
    }
}

fn part_path(folder: &Path, name: &str, ending: &str, part: usize) -> PathBuf {
    match part {
        0 => folder.join(format!("{name}.{ending}")),
        part => folder.join(format!("{name}.{part}.{ending}")),
    }
}

/// The text of a bounded file: its parts in order. What is missing between them is not known.
pub fn read_parts(folder: &Path, name: &str, ending: &str) -> String {
    (0..3)
        .filter_map(|part| std::fs::read(part_path(folder, name, ending, part)).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect()
}

/// All runs that have a folder, oldest first: their names sort by time.
pub fn runs(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Deletes the oldest records until at most `kept` are left and they fit into `room` bytes.
fn prune(folder: &Path, kept: usize, room: u64) -> io::Result<()> {
    let mut used = 0;
    for (index, run) in runs(folder).iter().rev().enumerate() {
        let run = folder.join(run);
        let entries = std::fs::read_dir(&run)?.flatten();
        let sizes = entries.filter_map(|entry| entry.metadata().ok());
        used += sizes.map(|file| file.len()).sum::<u64>();
        // The newest stays whatever its size.
        if index >= kept || (used > room && index > 0) {
            std::fs::remove_dir_all(run)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_beginning_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Bounded::new(folder.path(), "log", "jsonl", 20);
        for number in 0..100 {
            file.line(&format!("line {number:02}")).unwrap();
        }
        file.flush().unwrap();
        assert_eq!(
            read_parts(folder.path(), "log", "jsonl"),
            "line 00\nline 01\nline 96\nline 97\nline 98\nline 99\n"
        );
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("run");
        std::fs::write(&folder, "a file where a folder should be").unwrap();
        let started = Recorder::start(home.path(), "run").err().unwrap();
        assert!(started.to_string().contains("/run: "), "{started}");
        let mut file = Bounded::new(&folder, "log", "jsonl", 20);
        let written = file.line("a line").unwrap_err();
        assert!(
            written.to_string().contains("/run/log.jsonl: "),
            "{written}"
        );
        // The disk is full only when it is written to.
        let full = File::options().write(true).open("/dev/full");
        if let Ok(full) = full {
            file.file = Some(io::BufWriter::new(full));
            let flushed = file.line("a line").and_then(|()| file.flush()).unwrap_err();
            assert!(
                flushed.to_string().contains("/run/log.jsonl: "),
                "{flushed}"
            );
        }
    }

    #[test]
    fn old_records_make_room() {
        let folder = tempfile::tempdir().unwrap();
        for run in ["1", "2", "3", "4"] {
            std::fs::create_dir(folder.path().join(run)).unwrap();
            std::fs::write(folder.path().join(run).join("x"), "1234567890").unwrap();
        }
        prune(folder.path(), 3, 1000).unwrap();
        assert_eq!(runs(folder.path()), ["2", "3", "4"]);
        prune(folder.path(), 3, 25).unwrap();
        assert_eq!(runs(folder.path()), ["3", "4"]);
        prune(folder.path(), 3, 5).unwrap();
        assert_eq!(runs(folder.path()), ["4"]);
    }
}
