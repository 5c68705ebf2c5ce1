//! One line of a task's log, made readable: JSON of the standard logger, or text as it came.

use serde_json::{Map, Value};

use super::gate::Safe;

/// A line as it came from CloudWatch Logs.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// Whose line it is: the container when the task has several, the task when there are several.
    pub container: Option<&'a str>,
    pub message: &'a str,
}

/// Keys that say what the readable line says in another way, or what every line of a run repeats.
const COMMON: [&str; 12] = [
    "time",
    "timestamp",
    "asctime",
    "level",
    "levelname",
    "severity",
    "message",
    "msg",
    "event",
    "task",
    "git_sha",
    "author",
];

/// The line as it came, made safe for a terminal.
pub fn raw(line: &LogLine<'_>) -> Safe {
    let mut shown = prefix(line);
    shown.push(&Safe::line(line.message));
    shown
}

/// `12:00:01.250 INFO  message  key=value`; what is no JSON object is shown as it came.
pub fn readable(line: &LogLine<'_>, color: bool) -> Safe {
    let message = line.message;
    let object = match serde_json::from_str::<Value>(message) {
        Ok(Value::Object(object)) if text_of(&object, &["message", "msg", "event"]).is_some() => {
            object
        }
        _ => return raw(line),
    };
    let time = text_of(&object, &["time", "timestamp", "asctime"])
        .map(clock)
        .unwrap_or_default();
    let level = text_of(&object, &["level", "levelname", "severity"])
        .unwrap_or_default()
        .to_uppercase();
    // A stack trace in a message keeps its lines.
    let text = text_of(&object, &["message", "msg", "event"]).unwrap_or_default();
    let mut shown = prefix(line);
    if !time.is_empty() {
        shown.push(&Safe::line(&time).painted("2", color));
        shown.push_words(" ");
    }
    if !level.is_empty() {
        let style = match level.as_str() {
            "ERROR" | "CRITICAL" | "FATAL" => "31",
            "WARN" | "WARNING" => "33",
            "DEBUG" | "TRACE" => "2",
            _ => "32",
        };
        shown.push(&Safe::line(&format!("{level:<5}")).painted(style, color));
        shown.push_words(" ");
    }
    shown.push_words(&text.lines().collect::<Vec<_>>().join("\n    "));
    for (key, value) in fields(&object) {
        let value = match value {
            Value::String(text) if plain(text) => text.clone(),
            other => other.to_string(),
        };
        shown.push_words("  ");
        shown.push(&Safe::line(&format!("{key}=")).painted("2", color));
        shown.push(&Safe::line(&value));
    }
    shown
}

fn prefix(line: &LogLine<'_>) -> Safe {
    line.container
        .map(|name| Safe::line(&format!("{name} | ")))
        .unwrap_or_default()
}

fn fields(object: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    object
        .iter()
        .filter(|(key, _)| !COMMON.contains(&key.as_str()))
}

fn text_of(object: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| match object.get(*key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// The clock of an RFC 3339 time: the date is the same on every line of a run.
fn clock(time: String) -> String {
    match time.split_once(['T', ' ']) {
        Some((_, clock)) => clock.trim_end_matches('Z').to_owned(),
        None => time,
    }
}

fn plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &str) {
        let line = LogLine {
            container: None,
            message,
        };
        assert_eq!(readable(&line, false).as_str(), expected);
    }

    #[test]
    fn the_standard_loggers_lines_are_readable() {
        check(
            r#"{"time":"2026-01-02T03:04:05.678Z","level":"INFO","message":"task finished","task":"x","git_sha":"abc","author":"jo","outcome":"success","duration_ms":12}"#,
            "03:04:05.678 INFO  task finished  outcome=success  duration_ms=12",
        );
        check(
            r#"{"asctime":"2026-01-02 03:04:05,678","levelname":"ERROR","message":"no","path":"a b"}"#,
            "03:04:05,678 ERROR no  path=\"a b\"",
        );
    }

    #[test]
    fn anything_else_is_shown_as_it_came() {
        check("hello", "hello");
        check("{not json", "{not json");
        check(r#"{"a":1}"#, r#"{"a":1}"#);
        check("[1]", "[1]");
        check("\x1b[2J", "␛[2J");
    }

    #[test]
    fn controls_inside_json_never_reach_the_terminal() {
        let line = LogLine {
            container: Some("main"),
            message: r#"{"message":"a\u001b[2Jb\nc","level":"info","k":"\u001bx","\u001bk":1}"#,
        };
        assert_eq!(
            readable(&line, false).as_str(),
            "main | INFO  a␛[2Jb\n    c  k=␛x  ␛k=1"
        );
    }
}
