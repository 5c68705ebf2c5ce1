//! What names things in AWS: parts of hosts, paths and policies.

use std::fmt::{self, Display};
use std::ops::Deref;

text_newtype!(
    /// The application; it begins the name of everything that belongs to it.
    AppName
);
text_newtype!(
    /// An ECR repository, without the registry; it may be in folders.
    RepositoryName
);

impl AppName {
    /// Begins buckets, families and log groups alike.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if begins && text.len() <= 40 && text.bytes().all(allowed) {
            Ok(AppName(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not an application's name: at most 40 letters, digits, `-` or `_`"
            ))
        }
    }
}

impl RepositoryName {
    /// As ECR has it: words of lower-case letters and digits, joined by single `.`, `_`, `-` or `/`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_word = |word: &str| {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            !word.is_empty() && word.bytes().all(fits)
        };
        if text.len() <= 256 && text.split(['.', '_', '-', '/']).all(is_word) {
            Ok(RepositoryName(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not an ECR repository: lower-case letters and digits, joined by `-`, `_`, `.` or `/`"
            ))
        }
    }
}

impl Deref for AppName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for RepositoryName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A region is a part of every host that is asked.
pub fn parse_region(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.is_empty() && text.len() <= 30 && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is not an AWS region: a name such as eu-central-1"
        ))
    }
}

/// An account owns everything that is named after it.
pub fn parse_account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an AWS account ID: twelve digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_its_place() {
        for good in ["api", "team/api", "a.b_c-d/e2"] {
            assert_eq!(&*RepositoryName::parse(good).unwrap(), good);
        }
        for bad in [
            "", "API", "/api", "api/", "a//b", "..", "a/../b", "a..b", "api?", "a%2fb", "a b",
        ] {
            assert!(RepositoryName::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "-a", "a/b", "a.b", "a?", "a#", "a%", &"a".repeat(41)] {
            assert!(AppName::parse(bad).is_err(), "{bad}");
        }
        assert!(AppName::parse("my-app").is_ok());
        for bad in [
            "",
            "eu-central-1.evil.example/",
            "us east",
            "US-EAST-1",
            "a/b",
        ] {
            assert!(parse_region(bad).is_err(), "{bad}");
        }
        assert!(parse_region("us-gov-west-1").is_ok());
        assert!(parse_account("123456789012").is_ok());
        assert!(parse_account("12345678901a").is_err());
    }
}
