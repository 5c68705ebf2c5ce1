//! A rule of the sources: what waits for something outside waits in `rounds.rs`, where each wait has a
//! bound, a pause and an interrupt. A loop of another kind is named here, with what ends it.

use std::path::{Path, PathBuf};

use crate::harness::repository;

/// The file, how the loop begins, and what ends it. An empty beginning is the whole file.
const OTHERS: [(&str, &str, &str); 11] = [
    ("interrupt.rs", "loop", "it is what hears the interrupts"),
    (
        "steps/claim.rs",
        "loop",
        "it renews a claim, which ends it when it is given back",
    ),
    (
        "commands/watch.rs",
        "loop",
        "each turn waits for a saved file, in rounds",
    ),
    (
        "commands/watch.rs",
        "let outcome = loop",
        "it ends with the work that it watches, which hears the interrupts",
    ),
    (
        "ui/mod.rs",
        "while let Some(shared) = weak.upgrade()",
        "it is a thread that redraws, and ends with the last reporter",
    ),
    (
        "steps/follow_task/many.rs",
        "for call in 0..wanted.div_ceil(AT_ONCE)",
        "it counts the calls of one run",
    ),
    (
        "steps/follow_task/many.rs",
        "for index in 0..all.len()",
        "it goes once over the tasks",
    ),
    (
        "clients/terraform/provider/serve.rs",
        "",
        "it is a process of its own, which ends with the tool and with Terraform",
    ),
    (
        "clients/terraform/provider/forward.rs",
        "",
        "it passes on what two others say, and ends with either",
    ),
    // Without a runtime: each has a deadline of its own.
    (
        "clients/terraform/provider.rs",
        "while matches!(self.process.try_wait(), Ok(None))",
        "it ends a process by a signal",
    ),
    ("sandbox/server.rs", "", "it starts and stops a daemon"),
];

/// What gives the time to somebody else.
const WAITS: [&str; 6] = [
    ".await",
    "sleep(",
    ".try_wait(",
    "wait_timeout(",
    ".recv(",
    ".wait()",
];

#[derive(Debug, PartialEq, Eq)]
struct Loop {
    file: String,
    line: usize,
    head: String,
    body: String,
}

impl Loop {
    fn waits(&self) -> bool {
        WAITS
            .iter()
            .any(|word| self.head.contains(word) || self.body.contains(word))
    }

    /// Over values that are there, or attempts without an end of their own?
    fn repeats(&self) -> bool {
        let head = self.head.trim_start();
        match head.strip_prefix("for ") {
            // Over a range, as attempts are counted.
            Some(rest) => {
                let over = rest.split_once(" in ").map_or(rest, |(_, over)| over);
                over.starts_with(|c: char| c.is_ascii_digit()) || rest.starts_with("_ ")
            }
            None => true,
        }
    }

    fn is_bounded(&self) -> bool {
        let in_rounds =
            self.head.contains(".again().await") || self.body.contains("= rounds.again().await");
        // The SDK's pages, which refuses a token that comes twice.
        let pages = self.head.contains(".next().await");
        // A select that hears the interrupt; what else ends it is its own business.
        let selects = self.body.contains("select!") && self.body.contains(".requested()");
        in_rounds || pages || selects
    }

    fn is_named(&self) -> bool {
        OTHERS.iter().any(|(file, head, _)| {
            self.file == *file && (head.is_empty() || self.head.trim() == *head)
        })
    }
}

/// The loops of a source, without its tests.
fn loops(file: &str, text: &str) -> Vec<Loop> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut found = Vec::new();
    let mut begin = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let start = begin;
        begin += line.len();
        let code = line.trim();
        let words: Vec<&str> = code.split([' ', ':', '{']).collect();
        let is_loop = ["loop", "while", "for"].iter().any(|word| {
            words.first() == Some(word) || (words.contains(word) && code.contains("= loop"))
        });
        if !is_loop || code.starts_with("//") {
            continue;
        }
        // The head may be of several lines; the body begins at the brace that ends one.
        let Some(open) = text[start..].find("{\n").map(|at| start + at) else {
            continue;
        };
        let mut depth = 0;
        let end = text[open..].char_indices().find(|(_, character)| {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let end = end.map_or(text.len(), |(at, _)| open + at);
        found.push(Loop {
            file: file.to_owned(),
            line: number + 1,
            head: text[start..open].trim().to_owned(),
            body: text[open..end].to_owned(),
        });
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if path.is_dir() && !is_test {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test {
            found.push(path);
        }
    }
}

#[test]
fn whatever_waits_waits_in_rounds() {
    let root = repository().join("xtask/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut all = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        if !["rounds.rs", "clients/answering.rs"].contains(&name) {
            all.extend(loops(name, &std::fs::read_to_string(&file).unwrap()));
        }
    }
    let waiting = all.iter().filter(|found| found.repeats() && found.waits());
    let (named, others): (Vec<&Loop>, Vec<&Loop>) = waiting
        .filter(|found| !found.is_bounded())
        .partition(|found| found.is_named());
    let bare: Vec<String> = others
        .iter()
        .map(|found| format!("{}:{}: {}", found.file, found.line, found.head))
        .collect();
    assert!(
        bare.is_empty(),
        "these wait without rounds.rs:\n{}",
        bare.join("\n")
    );
    for (file, head, _) in OTHERS.iter().filter(|(_, head, _)| !head.is_empty()) {
        assert!(
            named
                .iter()
                .any(|found| found.file == *file && found.head == *head),
            "{file} has no `{head}` any more"
        );
    }
}

/// The rule itself, on what it must see.
#[test]
fn a_bare_loop_is_found() {
    for (text, bare) in [
        ("loop {\n    look().await?;\n}\n", true),
        ("let x = loop {\n    look().await?;\n};\n", true),
        (
            "while !done()\n    && !over()\n{\n    std::thread::sleep(PAUSE);\n}\n",
            true,
        ),
        ("for attempt in 0..5 {\n    look().await;\n}\n", true),
        ("for _ in rounds {\n    look().await;\n}\n", true),
        ("for task in tasks {\n    look(task).await;\n}\n", false),
        ("loop {\n    text.next();\n}\n", false),
        (
            "while rounds.again().await? {\n    look().await?;\n}\n",
            false,
        ),
        (
            "loop {\n    select! {\n        () = interrupt.requested() => {}\n    }\n    look().await\n}\n",
            false,
        ),
        (
            "#[cfg(test)]\nmod tests {\n    loop {\n    x.await\n}\n}\n",
            false,
        ),
    ] {
        let found = loops("a.rs", text);
        let is_bare = found
            .iter()
            .any(|found| found.repeats() && found.waits() && !found.is_bounded());
        assert_eq!(is_bare, bare, "{text}");
    }
}
