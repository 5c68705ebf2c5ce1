//! Which process has claimed something, and when it is proved dead. Pure: `clients/process/seen.rs`
//! asks the machine.

/// One process. With all three known, no other process ever has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub id: u32,
    /// When it began, in the words of its machine; a number is given out again, this is not.
    pub started: Option<String>,
    /// The boot of the machine, and where its process numbers count.
    pub boot: Option<String>,
}

/// What this machine says of a process number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// No process has it, or only one that has ended.
    Nobody,
    /// One that began then.
    Since(String),
    /// Some process, of which no more is known.
    Somebody,
}

impl Process {
    /// Only what this very boot of this machine can tell is a proof: elsewhere, and before, the same
    /// number is another process. `here` is the process that asks.
    pub fn is_proved_dead(&self, here: &Process, seen: impl Fn(u32) -> Seen) -> bool {
        let (Some(started), Some(boot)) = (&self.started, &self.boot) else {
            return false;
        };
        here.boot.as_ref() == Some(boot)
            && match seen(self.id) {
                Seen::Nobody => true,
                Seen::Since(since) => since != *started,
                Seen::Somebody => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(started: Option<&str>, boot: Option<&str>) -> Process {
        Process {
            id: 7,
            started: started.map(str::to_owned),
            boot: boot.map(str::to_owned),
        }
    }

    #[test]
    fn a_number_alone_proves_nothing() {
        let since = |text: &str| Seen::Since(text.to_owned());
        for (started, boot, seen, expected) in [
            (Some("10"), Some("a"), Seen::Nobody, true),
            // The number was given out again.
            (Some("10"), Some("a"), since("99"), true),
            (Some("10"), Some("a"), since("10"), false),
            (Some("10"), Some("a"), Seen::Somebody, false),
            // Another machine of the same name, or this one before it was started anew.
            (Some("10"), Some("b"), Seen::Nobody, false),
            (None, Some("a"), Seen::Nobody, false),
            (Some("10"), None, Seen::Nobody, false),
        ] {
            let here = process(Some("50"), Some("a"));
            let dead = process(started, boot).is_proved_dead(&here, |_| seen.clone());
            assert_eq!(dead, expected, "{started:?} {boot:?} {seen:?}");
        }
        let unknown = process(None, None);
        assert!(!process(Some("10"), None).is_proved_dead(&unknown, |_| Seen::Nobody));
    }
}
