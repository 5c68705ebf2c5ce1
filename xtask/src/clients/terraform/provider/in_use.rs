//! The types that a run of Terraform may ask for. Pure.
//!
//! A type is named literally wherever it is used: in the configuration of the root or of a module
//! (resources, data sources, ephemeral resources, imports, moves), or in the state, which also has what
//! is about to be destroyed. So every word that looks like a type of the provider is one in use. Too
//! many cost nothing; one too few is an error of Terraform's, and the plan is made again without us.

use std::collections::BTreeSet;

const PREFIX: &[u8] = b"aws_";

/// Adds the words of a text, which may be in any syntax.
pub fn add(text: &[u8], words: &mut BTreeSet<String>) {
    let mut from = 0;
    while let Some(at) = find(&text[from..]) {
        let start = from + at;
        let is_word =
            |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
        let length = text[start..]
            .iter()
            .take_while(|byte| is_word(byte))
            .count();
        words.insert(String::from_utf8_lossy(&text[start..start + length]).into_owned());
        from = start + length;
    }
}

fn find(text: &[u8]) -> Option<usize> {
    text.windows(PREFIX.len())
        .position(|window| window == PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_in_any_syntax() {
        for (text, expected) in [
            ("resource \"aws_iam_role\" \"x\" {}", vec!["aws_iam_role"]),
            ("{\"data\":{\"aws_vpc\":{\"a\":{}}}}", vec!["aws_vpc"]),
            (
                "from = aws_s3_bucket.a\nto = module.b.aws_s3_bucket_v2.a",
                vec!["aws_s3_bucket", "aws_s3_bucket_v2"],
            ),
            ("aws_", vec!["aws_"]),
            ("an aws-region", vec![]),
            ("", vec![]),
        ] {
            let mut words = BTreeSet::new();
            add(text.as_bytes(), &mut words);
            assert_eq!(words.into_iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
