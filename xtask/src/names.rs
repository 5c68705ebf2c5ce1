//! Every naming rule: what is typed or answered becomes one of these once, and is right from then on.

use std::fmt::{self, Display};

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

pub mod aws;
pub mod github;

text_newtype!(
    /// A full git commit ID, 40 hexadecimal digits (64 in a SHA-256 repository).
    GitSha
);
text_newtype!(
    /// An image tag: at most 128 of `[A-Za-z0-9_.-]`, not starting with `.` or `-` (OCI distribution spec).
    ImageTag
);
text_newtype!(
    /// A content digest, `sha256:` and 64 hexadecimal digits.
    Digest
);
text_newtype!(
    /// The name of a task: an entrypoint, its Terraform key and its container's name.
    TaskName
);
text_newtype!(
    /// The name of an environment (`test`, `stage`), a part of every AWS name.
    EnvironmentName
);

impl GitSha {
    pub fn parse(text: &str) -> Result<Self, String> {
        let hexadecimal = text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hexadecimal && (text.len() == 40 || text.len() == 64) {
            Ok(GitSha(text.to_owned()))
        } else {
            Err(format!("`{text}` is not a full git commit ID"))
        }
    }

    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl ImageTag {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let first_fits = text.bytes().next().is_some_and(|b| b != b'.' && b != b'-');
        if first_fits && text.len() <= 128 && text.bytes().all(allowed) {
            Ok(ImageTag(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not an image tag: at most 128 of A-Z a-z 0-9 _ . -"
            ))
        }
    }

    /// The tag of a commit.
    pub fn of_commit(sha: &GitSha) -> Self {
        ImageTag(sha.0.clone())
    }

    /// The tag of a commit with changes on top: `changes` is a hash of them.
    pub fn of_changes(sha: &GitSha, changes: &Digest) -> Self {
        let changes = &changes.as_str()["sha256:".len()..][..16];
        ImageTag(format!("{sha}-dirty-{changes}"))
    }

    /// Does it stand for uncommitted changes?
    pub fn is_dirty(&self) -> bool {
        self.0.contains("-dirty-")
    }

    /// The commit that the tag names: all of it, or what is before `-dirty-`.
    pub fn commit(&self) -> Option<&str> {
        let sha = self
            .0
            .split_once("-dirty-")
            .map_or(self.0.as_str(), |(sha, _)| sha);
        GitSha::parse(sha).is_ok().then_some(sha)
    }

    /// A short form for people: the SHA's first seven digits, and the mark of a dirty tree.
    pub fn short(&self) -> String {
        short_tag(&self.0)
    }
}

/// The two tags of an image's content, of committed and of uncommitted work. The second one fits
/// `*-dirty-*`, which ECR's lifecycle expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentTags {
    /// Of the kind of the image's own tag.
    pub own: ImageTag,
    pub other: ImageTag,
}

impl ContentTags {
    pub fn of(hash: &Digest, dirty: bool) -> Self {
        let hash = &hash.as_str()["sha256:".len()..][..32];
        let clean = ImageTag(format!("content-{hash}"));
        let uncommitted = ImageTag(format!("content-dirty-{hash}"));
        let (own, other) = if dirty {
            (uncommitted, clean)
        } else {
            (clean, uncommitted)
        };
        ContentTags { own, other }
    }
}

/// See [`ImageTag::short`]; of a tag that AWS or a state names.
pub fn short_tag(tag: &str) -> String {
    {
        match tag.split_once("-dirty-") {
            Some((sha, tree)) => {
                format!(
                    "{}-dirty-{}",
                    &sha[..sha.len().min(7)],
                    &tree[..tree.len().min(7)]
                )
            }
            None if GitSha::parse(tag).is_ok() => tag[..7].to_owned(),
            None => tag.to_owned(),
        }
    }
}

impl Digest {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Digest(text.to_owned()))
        } else {
            Err(format!("`{text}` is not a sha256 digest"))
        }
    }

    /// The digest of a SHA-256 sum.
    pub fn of(sum: &[u8; 32]) -> Self {
        let digits: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        Digest(format!("sha256:{digits}"))
    }

    /// `sha256:` and twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..19]
    }
}

impl TaskName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The family `<app>-<environment>-<task>` must fit ECS: letters, digits, `-`, `_`, 255 at most.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !text.is_empty() && text.len() <= 128 && text.bytes().all(allowed) {
            Ok(TaskName(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a task name: 1 to 128 letters, digits, `-` or `_`"
            ))
        }
    }
}

impl EnvironmentName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !text.is_empty() && text.len() <= 32 && text.bytes().all(allowed) {
            Ok(EnvironmentName(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not an environment name: lower-case letters, digits and `-`"
            ))
        }
    }
}

/// What an image runs on: the one platform setting, in everybody's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    LinuxAmd64,
    LinuxArm64,
}

impl Platform {
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "linux/amd64" => Ok(Platform::LinuxAmd64),
            "linux/arm64" => Ok(Platform::LinuxArm64),
            _ => Err(format!(
                "`{text}` is not a platform Fargate has: linux/amd64 or linux/arm64"
            )),
        }
    }

    /// As Docker and the image manifest say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Platform::LinuxAmd64 => "linux/amd64",
            Platform::LinuxArm64 => "linux/arm64",
        }
    }

    /// As an image's config says it.
    pub fn oci_arch(self) -> &'static str {
        match self {
            Platform::LinuxAmd64 => "amd64",
            Platform::LinuxArm64 => "arm64",
        }
    }

    /// As Rust's target triples and `std::env::consts::ARCH` say it.
    pub fn rust_arch(self) -> &'static str {
        match self {
            Platform::LinuxAmd64 => "x86_64",
            Platform::LinuxArm64 => "aarch64",
        }
    }
}

impl Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes any author fit RunTask's `startedBy`: letters, digits, `-`, `/` and `_`, 128 at most.
pub fn started_by(author: &str) -> String {
    let mut text = String::new();
    for c in author.trim().chars().take(128) {
        let fits = c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '_');
        text.push(if fits { c } else { '-' });
    }
    let text = text.trim_matches('-').to_owned();
    if text.is_empty() {
        "unknown".to_owned()
    } else {
        text
    }
}

/// The known names that look most like a mistyped one, nearest first, three at most.
pub fn near_names<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| {
            let contained = name.contains(wrong) || wrong.contains(name);
            let score =
                strsim::jaro_winkler(wrong, name).max(strsim::normalized_levenshtein(wrong, name));
            (if contained { score.max(0.85) } else { score }, name)
        })
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().map(|(_, name)| name).take(3).collect()
}

/// "did you mean `a` or `b`?", or the whole list when nothing is near.
pub fn did_you_mean(wrong: &str, known: &[&str]) -> String {
    let near = near_names(wrong, known.iter().copied());
    if near.is_empty() {
        return format!("there are: {}", known.join(", "));
    }
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    format!("did you mean {}?", quoted.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        let sha = GitSha::parse("0123456789abcdef0123456789abcdef01234567").unwrap();
        assert_eq!(ImageTag::of_commit(&sha).to_string(), sha.to_string());
        assert_eq!(ImageTag::of_commit(&sha).short(), "0123456");
        let dirty = ImageTag::of_changes(&sha, &Digest::of(&[0xfe; 32]));
        assert_eq!(dirty.as_str(), format!("{sha}-dirty-fefefefefefefefe"));
        assert_eq!(dirty.short(), "0123456-dirty-fefefef");
        assert!(ImageTag::parse(dirty.as_str()).is_ok());
        assert!(dirty.is_dirty() && !ImageTag::of_commit(&sha).is_dirty());
        let ContentTags {
            own: dirty,
            other: clean,
        } = ContentTags::of(&Digest::of(&[0xab; 32]), true);
        assert_eq!(clean.as_str(), format!("content-{}", "ab".repeat(16)));
        assert_eq!(dirty.as_str(), format!("content-dirty-{}", "ab".repeat(16)));
        assert!(dirty.is_dirty() && !clean.is_dirty());
        for wrong in ["", ".a", "-a", "a b", "a/b", &"a".repeat(129)] {
            assert!(ImageTag::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shas_and_digests() {
        for wrong in ["", "abc", &"g".repeat(40), &"A".repeat(40), &"a".repeat(41)] {
            assert!(GitSha::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Digest::parse(&format!("sha256:{}", "a".repeat(64))).is_ok());
        for wrong in ["", "sha256:", "sha256:abc", &"a".repeat(64)] {
            assert!(Digest::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn authors_become_started_by() {
        for (author, expected) in [
            ("jo", "jo"),
            ("first.last", "first-last"),
            ("Zoë Ångström", "Zo---ngstr-m"),
            ("  <x@example.org> ", "x-example-org"),
            ("", "unknown"),
            ("...", "unknown"),
        ] {
            assert_eq!(started_by(author), expected, "{author}");
        }
        assert_eq!(started_by(&"a".repeat(300)).len(), 128);
    }

    #[test]
    fn near_names_are_offered_nearest_first() {
        let known = [
            "my-new-task-name",
            "import-claims",
            "nightly-report",
            "diagnose",
        ];
        assert_eq!(near_names("my-new-task", known), ["my-new-task-name"]);
        assert_eq!(near_names("import_claim", known), ["import-claims"]);
        assert_eq!(near_names("diagnoze", known), ["diagnose"]);
        assert!(near_names("xyz", known).is_empty());
        assert_eq!(did_you_mean("xyz", &["a", "b"]), "there are: a, b");
    }
}
