//! Edits of a workspace, as people and their tools make them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Nonce;
use super::files::{read, write};
use super::generator::{Piece, Subject, Workspace, next_version};

/// What an edit leads to.
pub struct Edit {
    /// Texts that are not in the binary any more.
    pub gone: Vec<Nonce>,
    /// The file as it was, where the edit can be taken back.
    pub before: Option<(usize, String)>,
}

/// How a file comes by its new content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Saved,
    /// With the time that it had: `cp -p`, `rsync -a`, an archive.
    KeepsItsTime,
    /// Another file takes its name, and has an old time.
    Replaced,
    /// Git was told to overlook it.
    Hidden(&'static str),
}

impl Workspace {
    /// Edits one file that is read.
    pub fn edit_what_is_read(&mut self) -> Edit {
        let pieces = 0..self.pieces.len();
        let files = pieces.filter(|index| self.pieces[*index].subject != Subject::Variable);
        let files: Vec<usize> = files.collect();
        // What a build script finds by itself is the rarest, and the hardest to see.
        let found = files.iter().copied();
        let found: Vec<usize> = found
            .filter(|index| self.pieces[*index].is_found())
            .collect();
        let prefer = self.chance(40) && !found.is_empty();
        let index = self.random.choice(if prefer { found } else { files });
        let index = index.unwrap();
        let piece = self.pieces[index].clone();
        match (piece.subject, self.random.u8(0..4)) {
            (Subject::OneOfMany, 0) => self.add_beside(&piece),
            (Subject::OneOfMany, 1) => self.delete(index),
            _ => self.change(index),
        }
    }

    /// Another text in a file.
    pub fn change(&mut self, index: usize) -> Edit {
        let piece = self.pieces[index].clone();
        let nonce = self.nonce();
        let before = read(&piece.file);
        let text = match piece.subject {
            Subject::Lock => next_version(self, &piece.file, &nonce),
            _ => before.replace(piece.nonce.as_str(), nonce.as_str()),
        };
        assert_ne!(before, text, "{piece:?}");
        let way = self.a_way(&piece);
        if let Way::Hidden(flag) = way {
            self.update_index(flag, &piece.file);
        }
        save(&piece.file, &text, way);
        self.note(&format!("edit of {} ({way:?})", piece.what), &piece.file);
        self.pieces[index].nonce = nonce;
        let before = match piece.subject {
            Subject::Lock => None,
            _ => Some((index, before)),
        };
        Edit {
            gone: vec![piece.nonce],
            before,
        }
    }

    /// As it was, with a time long ago.
    pub fn take_back(&mut self, edit: Edit) {
        let (index, text) = edit.before.unwrap();
        let file = self.pieces[index].file.clone();
        save(&file, &text, Way::KeepsItsTime);
        self.note("taken back", &file);
        self.pieces[index].nonce = edit.gone[0].clone();
    }

    pub fn edit_variable(&mut self) -> Edit {
        let nonce = self.nonce();
        let pieces = self.pieces.iter_mut();
        let mut variables = pieces.filter(|piece| piece.subject == Subject::Variable);
        let gone = std::mem::replace(&mut variables.next().unwrap().nonce, nonce.clone());
        if let Some((_, value)) = &mut self.variable {
            *value = nonce;
        }
        self.done.push("edit of the variable".to_owned());
        Edit {
            gone: vec![gone],
            before: None,
        }
    }

    /// Edits one file that nobody reads, or adds one.
    pub fn edit_what_is_not_read(&mut self) {
        let file = self.random.choice(self.unread.clone()).unwrap();
        let text = format!("// {}\n", self.nonce().as_str());
        if file.ends_with("local.ignored") || self.chance(70) {
            let way = [Way::Saved, Way::KeepsItsTime][self.random.usize(0..2)];
            // A binary that is not wanted is compiled by nobody, but cargo must find a `main` in it.
            let text = match file.ends_with("bin/other.rs") {
                true => format!("fn main() {{}}\n{text}"),
                false => text,
            };
            save(&file, &text, way);
            self.note(&format!("no reader sees {way:?}"), &file);
        } else {
            let number = self.unread.len();
            let new = file.with_file_name(format!("new {number}.txt"));
            write(&new, &text);
            self.note("no reader sees a new file", &new);
            self.unread.push(new);
        }
    }

    /// Git sees all again, so that a commit has it.
    pub fn show_all(&self) {
        for piece in self.pieces.iter().filter(|piece| piece.tracked) {
            if piece.subject != Subject::OneOfMany {
                self.update_index("--no-skip-worktree", &piece.file);
                self.update_index("--no-assume-unchanged", &piece.file);
            }
        }
    }

    fn a_way(&mut self, piece: &Piece) -> Way {
        let ways = [
            Way::Saved,
            Way::KeepsItsTime,
            Way::Replaced,
            Way::Hidden("--skip-worktree"),
            Way::Hidden("--assume-unchanged"),
        ];
        // One that git does not know cannot be hidden from it.
        let known = piece.tracked && piece.subject != Subject::OneOfMany;
        let count = if known { 5 } else { 3 };
        ways[self.random.usize(0..count)]
    }

    fn add_beside(&mut self, piece: &Piece) -> Edit {
        let nonce = self.nonce();
        let number = self.pieces.len();
        let file = piece.file.with_file_name(format!("new {number}.txt"));
        let way = [Way::Saved, Way::Replaced][self.random.usize(0..2)];
        write(&file, "");
        save(&file, nonce.as_str(), way);
        self.note(&format!("new in a folder ({way:?})"), &file);
        self.pieces.push(Piece {
            file,
            nonce,
            ..piece.clone()
        });
        Edit {
            gone: Vec::new(),
            before: None,
        }
    }

    fn delete(&mut self, index: usize) -> Edit {
        let piece = self.pieces.remove(index);
        std::fs::remove_file(&piece.file).unwrap();
        self.note("deleted", &piece.file);
        Edit {
            gone: vec![piece.nonce],
            before: None,
        }
    }

    fn update_index(&self, flag: &str, file: &Path) {
        self.checkout
            .git(["update-index", flag, file.to_str().unwrap()]);
    }

    fn note(&mut self, what: &str, file: &Path) {
        let file = file.strip_prefix(&self.top).unwrap_or(file);
        self.done.push(format!("{what}: {}", file.display()));
    }
}

fn save(file: &Path, text: &str, way: Way) {
    let about = std::fs::metadata(file).unwrap();
    let time = match way {
        Way::Saved | Way::Hidden(_) => None,
        Way::KeepsItsTime => Some(about.modified().unwrap()),
        Way::Replaced => Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)),
    };
    if way == Way::Replaced {
        let beside = file.with_extension("ignored");
        write(&beside, text);
        std::fs::rename(&beside, file).unwrap();
    } else {
        write(file, text);
    }
    if let Some(time) = time {
        let times = std::fs::FileTimes::new().set_modified(time);
        let opened = std::fs::File::options().append(true).open(file);
        opened.unwrap().set_times(times).unwrap();
    }
}
