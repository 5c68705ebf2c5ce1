//! Event patterns of rules for S3: which bucket they are about, and a key that they take.

use serde_json::{Value, json};

/// What a pattern says about objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objects {
    /// The first bucket that it names.
    pub bucket: String,
    pub key: KeyPattern,
}

/// A key is `prefix`, anything, `suffix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern {
    pub prefix: String,
    pub suffix: String,
    /// False: the prefix is the whole key.
    pub open: bool,
}

/// Reads a pattern. None when it is not about the objects of a named bucket.
pub fn read(pattern: &str) -> Option<Objects> {
    let pattern: Value = serde_json::from_str(pattern).ok()?;
    let bucket = pattern["detail"]["bucket"]["name"].get(0)?.as_str()?;
    let keys = &pattern["detail"]["object"]["key"];
    let key = match keys.get(0) {
        None => KeyPattern {
            prefix: String::new(),
            suffix: String::new(),
            open: true,
        },
        Some(matcher) => read_key(matcher)?,
    };
    Some(Objects {
        bucket: bucket.to_owned(),
        key,
    })
}

fn read_key(matcher: &Value) -> Option<KeyPattern> {
    if let Some(exact) = matcher.as_str() {
        return Some(KeyPattern {
            prefix: exact.to_owned(),
            suffix: String::new(),
            open: false,
        });
    }
    let text = |key: &str| matcher[key].as_str();
    let open = |prefix: &str, suffix: &str| KeyPattern {
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
        open: true,
    };
    match (text("wildcard"), text("prefix"), text("suffix")) {
        (Some(wildcard), _, _) => {
            let (prefix, suffix) = split_at_star(wildcard)?;
            Some(open(&prefix, &suffix))
        }
        (None, Some(prefix), _) => Some(open(prefix, "")),
        (None, None, Some(suffix)) => Some(open("", suffix)),
        (None, None, None) => None,
    }
}

/// What is before and behind the first star; every further one may stand for nothing. A backslash
/// takes the meaning from the character behind it.
fn split_at_star(wildcard: &str) -> Option<(String, String)> {
    let mut parts = vec![String::new()];
    let mut chars = wildcard.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => parts.push(String::new()),
            '\\' => parts.last_mut()?.push(chars.next()?),
            c => parts.last_mut()?.push(c),
        }
    }
    let prefix = parts.remove(0);
    Some((prefix, parts.concat()))
}

impl KeyPattern {
    /// A key that it takes, with the token and the file's name in it.
    pub fn key(&self, token: &str, file_name: &str) -> String {
        if !self.open {
            return self.prefix.clone();
        }
        let name = file_name
            .strip_suffix(self.suffix.as_str())
            .unwrap_or(file_name);
        format!("{}{token}-{name}{}", self.prefix, self.suffix)
    }
}

/// The event that S3 sends for a new object, as far as patterns look at it.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
pub fn object_created(account: &str, region: &str, bucket: &str, key: &str, size: usize) -> Value {
    json!({
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account,
        "time": "2026-01-02T03:04:05Z",
        "region": region,
        "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "version": "0",
            "bucket": { "name": bucket },
            "object": { "key": key, "size": size },
            "requester": account,
            "reason": "PutObject",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_for_each_kind_of_matcher() {
        for (keys, expected) in [
            (r#"[{"wildcard":"in/*.csv"}]"#, Some("in/T-a.csv")),
            (r#"[{"wildcard":"in\\*/*"}]"#, Some("in*/T-a.csv")),
            (r#"[{"wildcard":"*/x/*.csv"}]"#, Some("T-a.csv/x/.csv")),
            (r#"[{"prefix":"in/"}]"#, Some("in/T-a.csv")),
            (r#"[{"suffix":".csv"}]"#, Some("T-a.csv")),
            (r#"["exactly"]"#, Some("exactly")),
            (r#"[{"anything-but":"x"}]"#, None),
        ] {
            let pattern =
                format!(r#"{{"detail":{{"bucket":{{"name":["b"]}},"object":{{"key":{keys}}}}}}}"#);
            let found = read(&pattern).map(|objects| objects.key.key("T", "a.csv"));
            assert_eq!(found.as_deref(), expected, "{keys}");
        }
        let all = read(r#"{"detail":{"bucket":{"name":["b"]}}}"#).unwrap();
        assert_eq!(
            (all.bucket.as_str(), all.key.key("T", "a").as_str()),
            ("b", "T-a")
        );
        assert_eq!(read(r#"{"source":["aws.ecs"]}"#), None);
        assert_eq!(read("no JSON"), None);
    }
}
