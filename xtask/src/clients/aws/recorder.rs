//! AWS's answers as files, word for word but for what is nobody's business: for fixtures from a real
//! account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

/// What every account ID becomes: the number that AWS's own documentation uses.
const ACCOUNT: &str = "111122223333";

/// Put into a client, it keeps each answer under `<service>.<operation>`; the last one wins.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    answers: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Recorder {
    /// File name (without its end) → what AWS answered, masked.
    pub fn answers(&self) -> BTreeMap<String, String> {
        self.answers
            .lock()
            .map(|answers| answers.clone())
            .unwrap_or_default()
    }
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>();
        let body = context.response().body().bytes();
        if let (Some(operation), Some(body), Ok(mut answers)) =
            (operation, body, self.answers.lock())
        {
            let name = format!("{}.{}", operation.service(), operation.name());
            let status = context.response().status().as_u16();
            let name = match status {
                200 => name,
                _ => format!("{name}.{status}"),
            };
            answers.insert(
                name.to_lowercase().replace(' ', "-"),
                mask(&String::from_utf8_lossy(body)),
            );
        }
        Ok(())
    }
}

/// Account IDs, keys, tokens, addresses, the values of variables and the text of log lines are
/// replaced; what a verdict reads (codes, reasons, digests, times) stays word for word.
pub fn mask(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            mask_value("", &mut value);
            serde_json::to_string_pretty(&value).unwrap_or_default()
        }
        // XML, of STS.
        Err(_) => mask_text(text),
    }
}

fn mask_value(key: &str, value: &mut Value) {
    match value {
        Value::String(text) => {
            *text = match key {
                "authorizationToken" | "value" | "message" | "userId" => {
                    format!("masked ({} characters)", text.chars().count())
                }
                _ => mask_text(text),
            };
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(key, item)),
        Value::Object(fields) => fields
            .iter_mut()
            .for_each(|(key, value)| mask_value(key, value)),
        _ => {}
    }
}

/// Words of twelve digits are accounts; AKIA… and ASIA… are keys, AIDA… and AROA… people and roles;
/// four numbers with dots are addresses.
fn mask_text(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_account = word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_digit());
        let is_key = word.len() >= 16
            && ["AKIA", "ASIA", "AIDA", "AROA"]
                .iter()
                .any(|prefix| word.starts_with(prefix));
        masked.push_str(match word {
            _ if is_account => ACCOUNT,
            _ if is_key => "MASKED",
            _ => word,
        });
        let separator = after.chars().next();
        masked.extend(separator);
        rest = &after[separator.map_or(0, char::len_utf8)..];
    }
    mask_addresses(&masked)
}

fn mask_addresses(text: &str) -> String {
    let words = text.split_inclusive(|c: char| !(c.is_ascii_digit() || c == '.'));
    words
        .map(|word| {
            let number = word.trim_end_matches(|c: char| !(c.is_ascii_digit() || c == '.'));
            match number.parse::<std::net::Ipv4Addr>() {
                Ok(_) => word.replace(number, "192.0.2.1"),
                Err(_) => word.to_owned(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobodys_business_is_masked_and_the_rest_stays() {
        let answer = r#"{
            "tasks": [{
                "taskArn": "arn:aws:ecs:us-east-1:987654321098:task/api-test/0f9de17a6b1b4d5c8f7d987654321098",
                "stoppedReason": "ResourceInitializationError: dial tcp 10.0.3.17:443: i/o timeout",
                "overrides": {"containerOverrides": [{"environment": [{"name": "A", "value": "s3cret"}]}]},
                "stoppedAt": 1767323045.678,
                "containers": [{"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}]
            }],
            "events": [{"message": "a line", "timestamp": 1}],
            "authorizationData": [{"authorizationToken": "QVdTOnNlY3JldA=="}]
        }"#;
        let masked = mask(answer);
        for gone in [
            "987654321098:",
            "10.0.3.17",
            "s3cret",
            "a line",
            "QVdTOnNlY3JldA",
        ] {
            assert!(!masked.contains(gone), "{gone} in {masked}");
        }
        for kept in [
            "arn:aws:ecs:us-east-1:111122223333:task/api-test/0f9de17a6b1b4d5c8f7d987654321098",
            "dial tcp 192.0.2.1:443: i/o timeout",
            "OutOfMemoryError: Container killed due to memory usage",
            "1767323045.678",
            "masked (16 characters)",
        ] {
            assert!(masked.contains(kept), "no {kept} in {masked}");
        }
        assert_eq!(
            mask("<Account>987654321098</Account><Arn>AROAEXAMPLEEXAMPLE:jo</Arn>"),
            "<Account>111122223333</Account><Arn>MASKED:jo</Arn>"
        );
    }
}
