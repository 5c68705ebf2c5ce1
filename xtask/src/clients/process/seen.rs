//! What this machine says of its processes: who we are, and who has a number now.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::hold::process::{Process, Seen};

/// This process.
pub fn own() -> Process {
    let id = std::process::id();
    Process {
        id,
        started: match about(id) {
            Seen::Since(since) => Some(since),
            Seen::Nobody | Seen::Somebody => None,
        },
        boot: boot(),
    }
}

/// Who has this number now.
pub fn seen(id: u32) -> Seen {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    // Another user's process may not be signalled, and yet it runs.
    match pid.map(test_kill_process) {
        None | Some(Err(Errno::SRCH)) => Seen::Nobody,
        Some(_) => about(id),
    }
}

#[cfg(target_os = "linux")]
fn about(id: u32) -> Seen {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
    stat.map_or(Seen::Somebody, |stat| of_stat(&stat))
}

/// `ID (NAME) STATE …`, where the name may hold anything; see proc_pid_stat(5).
#[cfg(target_os = "linux")]
fn of_stat(stat: &str) -> Seen {
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    let mut fields = fields.unwrap_or_default().split_whitespace();
    match (fields.next(), fields.nth(18)) {
        // It has ended, and nobody has asked how yet.
        (Some("Z" | "X"), _) => Seen::Nobody,
        (_, Some(ticks)) => Seen::Since(ticks.to_owned()),
        _ => Seen::Somebody,
    }
}

/// A container may have the host's boot and numbers of its own: `pid:[NUMBER]` tells them apart. A tag of
/// AWS takes no brackets.
#[cfg(target_os = "linux")]
fn boot() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let space = space.to_string_lossy().into_owned();
    Some(format!("{}/{}", boot.trim(), space.replace(['[', ']'], "")))
}

#[cfg(not(target_os = "linux"))]
fn about(id: u32) -> Seen {
    match output("ps", &["-o", "lstart=", "-p", &id.to_string()]) {
        Some(since) => Seen::Since(since),
        None => Seen::Somebody,
    }
}

#[cfg(not(target_os = "linux"))]
fn boot() -> Option<String> {
    output("sysctl", &["-n", "kern.bootsessionuuid"])
}

#[cfg(not(target_os = "linux"))]
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program)
        .args(args)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_of_its_number() {
        let own = own();
        assert!(own.boot.is_some());
        assert!(!own.is_proved_dead(&own, seen));
        let earlier = Process {
            started: Some("an earlier time".into()),
            ..own.clone()
        };
        assert!(earlier.is_proved_dead(&own, seen));
    }

    #[test]
    fn one_that_has_ended_is_dead_before_and_after_it_is_waited_for() {
        let own = own();
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let process = Process {
            id: child.id(),
            started: match seen(child.id()) {
                Seen::Since(since) => Some(since),
                other => panic!("{other:?}"),
            },
            ..own.clone()
        };
        assert!(!process.is_proved_dead(&own, seen));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.is_proved_dead(&own, seen));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn stat_is_read_whatever_the_name() {
        let stat = |state: &str| {
            let zeros = "0 ".repeat(18);
            format!("7 (a) b) 1 (c) {state} {zeros}4242 0 0")
        };
        assert_eq!(of_stat(&stat("S")), Seen::Since("4242".into()));
        assert_eq!(of_stat(&stat("Z")), Seen::Nobody);
        assert_eq!(of_stat(""), Seen::Somebody);
    }
}
