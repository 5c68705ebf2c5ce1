use std::process::Command;

use super::*;

/// A repository with one commit, in a folder that goes away.
struct Repository {
    _folder: tempfile::TempDir,
    top: PathBuf,
}

impl Repository {
    fn with(files: &[(&str, &str)]) -> Repository {
        let folder = tempfile::tempdir().unwrap();
        let top = std::fs::canonicalize(folder.path()).unwrap().join("top");
        std::fs::create_dir(&top).unwrap();
        let repository = Repository {
            _folder: folder,
            top,
        };
        repository.git(&["init", "--quiet"]);
        for (name, text) in files {
            repository.write(name, text);
        }
        repository.commit();
        repository
    }

    fn git(&self, args: &[&str]) {
        let own = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let done = Command::new("git")
            .args(own)
            .args(["-c", "protocol.file.allow=always"])
            .args(args)
            .current_dir(&self.top)
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "all"]);
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.top.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn differences(&self, names: &[&str]) -> Vec<String> {
        let files: Vec<PathBuf> = names.iter().map(|name| self.top.join(name)).collect();
        let git = Git::open(&self.top).unwrap();
        git.differences(&files).unwrap().iter().map(shown).collect()
    }

    fn deleted(&self, folder: &str) -> Vec<String> {
        let git = Git::open(&self.top).unwrap();
        let found = git.deleted(&[normal(&self.top.join(folder))]).unwrap();
        found.iter().map(shown).collect()
    }
}

fn shown(difference: &Difference) -> String {
    format!("{:?} {}", difference.kind, difference.path)
}

#[test]
fn bytes_are_compared_and_no_index_is_believed() {
    let repository = Repository::with(&[("a.rs", "1"), ("b.rs", "1"), ("c.rs", "1")]);
    let all = ["a.rs", "b.rs", "c.rs"];
    assert_eq!(repository.differences(&all), [""; 0]);
    repository.git(&["update-index", "--skip-worktree", "a.rs"]);
    repository.git(&["update-index", "--assume-unchanged", "b.rs"]);
    repository.write("a.rs", "2");
    repository.write("b.rs", "2");
    assert_eq!(
        repository.differences(&all),
        ["Modified a.rs", "Modified b.rs"]
    );
    // Staged and taken back: what counts is what is there.
    repository.write("c.rs", "2");
    repository.git(&["add", "c.rs"]);
    repository.write("c.rs", "1");
    assert_eq!(repository.differences(&["c.rs"]), [""; 0]);
}

#[test]
fn what_is_not_committed_wherever_it_is() {
    let files = ["a b.rs", "b.rs", "c.rs", "d.rs", "sub/e.rs", ".gitignore"];
    let repository = Repository::with(&files.map(|name| (name, "*.txt\n")));
    let uncommitted = || {
        let git = Git::open(&repository.top).unwrap();
        let mut found = git.uncommitted().unwrap();
        found.sort();
        let inside = |path: &PathBuf| path.strip_prefix(&repository.top).unwrap().to_owned();
        let found: Vec<_> = found.iter().map(inside).collect();
        found
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(uncommitted(), "");
    repository.git(&["update-index", "--skip-worktree", "b.rs", "d.rs"]);
    repository.git(&["update-index", "--assume-unchanged", "c.rs"]);
    assert_eq!(uncommitted(), "");
    for name in ["a b.rs", "b.rs", "c.rs", "sub/new.rs", "ignored.txt"] {
        repository.write(name, "2");
    }
    std::fs::remove_file(repository.top.join("sub/e.rs")).unwrap();
    assert_eq!(uncommitted(), "a b.rs|b.rs|c.rs|sub/e.rs|sub/new.rs");
}

#[test]
fn where_a_file_may_come_from() {
    let repository = Repository::with(&[("a.rs", "1"), (".gitignore", "*.txt\n")]);
    repository.write("new.rs", "1");
    repository.write("staged.rs", "1");
    repository.git(&["add", "staged.rs"]);
    repository.write("ignored.txt", "1");
    repository.write("../outside.rs", "1");
    std::fs::remove_file(repository.top.join("a.rs")).unwrap();
    let found = repository.differences(&[
        "a.rs",
        "new.rs",
        "staged.rs",
        "ignored.txt",
        "sub/../../outside.rs",
        "nowhere.rs",
    ]);
    let outside = repository.top.parent().unwrap().join("outside.rs");
    assert_eq!(
        found,
        [
            format!("Outside {}", outside.display()),
            "Deleted a.rs".into(),
            "Ignored ignored.txt".into(),
            "New new.rs".into(),
            "New staged.rs".into(),
        ]
    );
}

#[test]
fn filters_of_git_are_applied() {
    let repository =
        Repository::with(&[("a.txt", "one\ntwo\n"), (".gitattributes", "*.txt text\n")]);
    repository.write("a.txt", "one\r\ntwo\r\n");
    assert_eq!(repository.differences(&["a.txt"]), [""; 0]);
    repository.write("a.txt", "one\r\nthree\r\n");
    assert_eq!(repository.differences(&["a.txt"]), ["Modified a.txt"]);
}

#[test]
fn links_count_as_files_of_their_own() {
    let repository = Repository::with(&[("real/a.rs", "1"), ("other/a.rs", "1")]);
    let link = repository.top.join("link");
    std::os::unix::fs::symlink("real", &link).unwrap();
    assert_eq!(repository.differences(&["link/a.rs"]), ["New link"]);
    repository.commit();
    assert_eq!(repository.differences(&["link/a.rs"]), [""; 0]);
    repository.write("real/a.rs", "2");
    assert_eq!(
        repository.differences(&["link/a.rs"]),
        ["Modified real/a.rs"]
    );
    repository.write("real/a.rs", "1");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("other", &link).unwrap();
    assert_eq!(repository.differences(&["link/a.rs"]), ["Modified link"]);
    // A file that is a link, and what it leads to.
    std::os::unix::fs::symlink("real/a.rs", repository.top.join("b.rs")).unwrap();
    repository.commit();
    repository.write("real/a.rs", "2");
    assert_eq!(repository.differences(&["b.rs"]), ["Modified real/a.rs"]);
}

#[test]
fn a_submodule_is_as_the_commit_names_it() {
    let library = Repository::with(&[("lib.rs", "1")]);
    let repository = Repository::with(&[("a.rs", "1")]);
    let path = library.top.to_string_lossy().into_owned();
    repository.git(&["submodule", "--quiet", "add", &path, "vendor"]);
    repository.commit();
    assert_eq!(repository.differences(&["vendor/lib.rs"]), [""; 0]);
    repository.write("vendor/lib.rs", "2");
    assert_eq!(
        repository.differences(&["vendor/lib.rs"]),
        ["Modified vendor/lib.rs"]
    );
    // Committed there, and the commit here names the one before.
    let module = Repository {
        _folder: tempfile::tempdir().unwrap(),
        top: repository.top.join("vendor"),
    };
    module.commit();
    assert_eq!(
        repository.differences(&["vendor/lib.rs"]),
        ["Modified vendor/lib.rs"]
    );
    repository.commit();
    assert_eq!(repository.differences(&["vendor/lib.rs"]), [""; 0]);
}

#[test]
fn what_is_gone_is_seen_and_what_a_sparse_checkout_leaves_out_is_not() {
    let repository = Repository::with(&[
        ("api/build.rs", "1"),
        ("api/src/main.rs", "1"),
        ("web/index.html", "1"),
    ]);
    assert_eq!(repository.deleted("api"), [""; 0]);
    std::fs::remove_file(repository.top.join("api/build.rs")).unwrap();
    repository.git(&["rm", "--quiet", "--cached", "api/build.rs"]);
    assert_eq!(repository.deleted("api"), ["Deleted api/build.rs"]);
    assert_eq!(repository.deleted("web"), [""; 0]);
    repository.git(&["reset", "--quiet", "--hard"]);
    repository.git(&["sparse-checkout", "set", "api"]);
    assert!(!repository.top.join("web").exists());
    assert_eq!(repository.deleted("."), [""; 0]);
    std::fs::remove_file(repository.top.join("api/build.rs")).unwrap();
    assert_eq!(repository.deleted("."), ["Deleted api/build.rs"]);
}
