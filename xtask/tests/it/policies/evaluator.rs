//! What IAM answers to a call, as far as our policies go: Allow and Deny, actions and resources with
//! wildcards, and the conditions that we use. Anything else in a policy is a panic, not a guess.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use serde_json::Value;

/// A policy document as Terraform has rendered it.
pub struct Policy {
    statements: Vec<Value>,
}

/// One call, with what AWS knows of it beside its name and its resource.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    pub context: &'a [(&'a str, &'a str)],
}

/// With these policies together and, where there is one, within the boundary.
pub fn may(policies: &[&Policy], boundary: Option<&Policy>, call: &Call<'_>) -> bool {
    let all = || policies.iter().copied().chain(boundary);
    if all().any(|policy| policy.has("Deny", call)) {
        return false;
    }
    policies.iter().any(|policy| policy.has("Allow", call))
        && boundary.is_none_or(|boundary| boundary.has("Allow", call))
}

impl Policy {
    pub fn parse(text: &str) -> Policy {
        let document: Value = serde_json::from_str(text).unwrap();
        assert_eq!(document["Version"], "2012-10-17");
        let statements = document["Statement"].as_array().unwrap().clone();
        Policy { statements }
    }

    fn has(&self, effect: &str, call: &Call<'_>) -> bool {
        let mut statements = self.statements.iter();
        statements.any(|statement| statement["Effect"] == effect && is_about(statement, call))
    }
}

fn is_about(statement: &Value, call: &Call<'_>) -> bool {
    let action = call.action.to_lowercase();
    statement.as_object().unwrap().iter().all(|(key, value)| {
        let action_is = |pattern: &str| matches(&pattern.to_lowercase(), &action);
        let resource_is = |pattern: &str| matches(pattern, call.resource);
        match key.as_str() {
            "Sid" | "Effect" => true,
            "Action" => any(value, action_is),
            "NotAction" => !any(value, action_is),
            "Resource" => any(value, resource_is),
            "NotResource" => !any(value, resource_is),
            "Condition" => {
                let mut operators = value.as_object().unwrap().iter();
                operators.all(|(operator, keys)| holds(operator, keys, call))
            }
            other => panic!("who evaluates {other}? {statement}"),
        }
    })
}

/// All keys of one operator. One that the call does not have fits no operator of ours.
fn holds(operator: &str, keys: &Value, call: &Call<'_>) -> bool {
    keys.as_object().unwrap().iter().all(|(key, wanted)| {
        let mut context = call.context.iter();
        let found = context.find(|(name, _)| name.eq_ignore_ascii_case(key));
        let Some((_, found)) = found else {
            return false;
        };
        any(wanted, |wanted| match operator {
            "StringEquals" => wanted == *found,
            "StringLike" | "ArnEquals" | "ArnLike" => matches(wanted, found),
            "Bool" => wanted.eq_ignore_ascii_case(found),
            other => panic!("who evaluates {other}?"),
        })
    })
}

/// A text, or one of a list.
fn any(value: &Value, fits: impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => fits(text),
        Value::Array(texts) => texts.iter().any(|text| fits(text.as_str().unwrap())),
        other => panic!("neither a text nor a list: {other}"),
    }
}

/// `*` is any text, `/` included, and `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = &pattern[1..];
            let mut tails = text.char_indices().map(|(at, _)| &text[at..]);
            matches(rest, "") || tails.any(|tail| matches(rest, tail))
        }
        (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
            matches(&pattern[wanted.len_utf8()..], &text[found.len_utf8()..])
        }
        _ => false,
    }
}

#[test]
fn wildcards() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "a", true),
        ("a*", "a/b", true),
        ("*b", "a/b", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abcd", false),
        ("a?", "a", false),
        ("a?", "ab", true),
        ("*", "", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_deny_wins_and_a_boundary_limits() {
    let policy = |statements: &str| {
        Policy::parse(&format!(
            r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#
        ))
    };
    let all = r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#;
    let not_b = r#"{"Effect": "Deny", "NotAction": "s3:Get*", "Resource": ["b", "b/*"]}"#;
    let tagged = r#"{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/App": ["x", "y"]}}}"#;
    let both = policy(&format!("{all}, {not_b}"));
    let only_tagged = policy(tagged);
    let call = |action, resource, context| Call {
        action,
        resource,
        context,
    };
    let put = |resource| call("s3:PutObject", resource, &[]);
    assert!(may(&[&both], None, &put("a")));
    assert!(!may(&[&both], None, &put("b/c")));
    assert!(may(&[&both], None, &call("S3:getobject", "b/c", &[])));
    assert!(!may(&[&both], Some(&only_tagged), &put("a")));
    let tags = &[("aws:ResourceTag/App", "y")];
    let with_tag = call("s3:PutObject", "a", tags);
    assert!(may(&[&both], Some(&only_tagged), &with_tag));
    assert!(!may(&[&only_tagged], None, &put("a")));
    assert!(!may(&[], None, &put("a")));
}
