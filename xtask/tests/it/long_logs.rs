//! A task that writes more than anybody reads, and ends at once: every line is there, in order, once,
//! and the tool's memory does not grow with the log.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Running, Shared};

/// What following may take at its highest, whatever the task writes.
const MEMORY_KB: u64 = 80 * 1024;

/// How many lines; a million with `XTASK_LOG_LINES=1000000`.
fn wanted() -> usize {
    let lines = std::env::var("XTASK_LOG_LINES").ok();
    lines.map_or(100_000, |lines| lines.parse().unwrap())
}

#[test]
fn all_lines_of_a_task_that_ends_at_once_come_in_order_and_once() {
    let (shared, _lock) = Shared::together();
    let count = wanted();
    let lines = count.to_string();
    let args = ["run", "diagnose", "--sandbox", "--raw", "--author", "long"];
    let mut command = shared.checkout.xtask(args).into_command();
    command.args(["--", "--lines", &lines]);
    // To a file, as a long log is kept: our own memory is not what is measured.
    let path = shared.checkout.root.join("target/long.log");
    let running = Running::start_into(command, Stdio::from(fs::File::create(&path).unwrap()));
    let peak = peak_memory_kb(running.id());
    running.end().expect_code(0);
    let text = fs::read_to_string(&path).unwrap();
    let of = format!(" of {count}\"");
    let numbers: Vec<usize> = text
        .lines()
        .filter(|line| line.contains(&of))
        .map(|line| number(line).unwrap_or_else(|| panic!("no number in {line}")))
        .collect();
    assert!(numbers.into_iter().eq(1..=count), "lines are missing");
    // The wrapper's first and last word are around them, and nothing else.
    assert_eq!(text.lines().count(), count + 2);
    eprintln!("following {count} lines took {peak} KB at the highest");
    assert!(peak < MEMORY_KB, "{peak} KB");
    fs::remove_file(path).unwrap();
}

fn number(line: &str) -> Option<usize> {
    let rest = line.split("\"line ").nth(1)?;
    rest.split(' ').next()?.parse().ok()
}

/// The most memory that a process has had resident, once it has ended.
fn peak_memory_kb(process: u32) -> u64 {
    let mut peak = 0;
    while let Some(now) = fs::read_to_string(format!("/proc/{process}/status"))
        .ok()
        .and_then(|status| field(&status, "VmHWM:"))
    {
        peak = now;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(peak > 0, "the memory was never seen");
    peak
}

/// One that has ended and was not waited for has no memory any more.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
