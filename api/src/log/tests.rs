//! The shape of a line, to the byte.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use anyhow::anyhow;
use chrono::{TimeZone, Utc};
use tracing::Level;
use tracing::subscriber::with_default;

use super::{Fields, Identity, KEYS, chain, render};

/// Renders what `log` logs, without the time.
fn rendered(log: impl FnOnce()) -> String {
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    with_default(Recorder(Arc::clone(&lines)), log);
    let lines = lines.lock().unwrap();
    lines.concat()
}

struct Recorder(Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Recorder {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = Utc.timestamp_millis_opt(1_767_323_045_678).unwrap();
        let identity = Identity::new("import-claims", "3f2c1ab", Some("jo"));
        let line = render(time, *event.metadata().level(), &fields, &identity);
        self.0.lock().unwrap().push(line);
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_line_has_its_keys_in_order() {
    let line = rendered(|| tracing::info!("task started"));
    let expected = concat!(
        r#"{"time":"2026-01-02T03:04:05.678Z","level":"INFO","message":"task started","#,
        r#""task":"import-claims","git_sha":"3f2c1ab","author":"jo"}"#
    );
    assert_eq!(line, expected);
}

#[test]
fn an_unknown_author_is_left_out() {
    let time = Utc.timestamp_millis_opt(0).unwrap();
    let event = Fields {
        message: "m".to_owned(),
        json: String::new(),
    };
    let line = render(
        time,
        Level::WARN,
        &event,
        &Identity::new("t", "unknown", None),
    );
    let expected = concat!(
        r#"{"time":"1970-01-01T00:00:00.000Z","level":"WARN","message":"m","#,
        r#""task":"t","git_sha":"unknown"}"#
    );
    assert_eq!(line, expected);
}

#[test]
fn fields_keep_their_types() {
    let chain = anyhow!("the cause").context("the effect");
    let chain: &(dyn std::error::Error + 'static) = chain.as_ref();
    let cases = [
        (rendered(|| tracing::info!(rows = 3, "m")), r#","rows":3}"#),
        (
            rendered(|| tracing::info!(rows = -3_i64, "m")),
            r#","rows":-3}"#,
        ),
        (
            rendered(|| tracing::info!(ratio = 0.5, "m")),
            r#","ratio":0.5}"#,
        ),
        (
            rendered(|| tracing::info!(ratio = f64::NAN, "m")),
            r#","ratio":null}"#,
        ),
        (
            rendered(|| tracing::info!(good = true, "m")),
            r#","good":true}"#,
        ),
        (
            rendered(|| tracing::info!(name = "a\"b\n\u{1b}[31m", "m")),
            r#","name":"a\"b\n\u001b[31m"}"#,
        ),
        (
            rendered(|| tracing::info!(path = ?"x", "m")),
            r#","path":"\"x\""}"#,
        ),
        (
            rendered(|| tracing::info!(day = %"x", "m")),
            r#","day":"x"}"#,
        ),
        (
            rendered(|| tracing::info!(r#type = 1, "m")),
            r#","type":1}"#,
        ),
        (
            rendered(|| tracing::info!(error = chain, "m")),
            r#","error":"the effect: the cause"}"#,
        ),
    ];
    for (line, end) in cases {
        assert!(line.ends_with(end), "{line} should end with {end}");
        serde_json::from_str::<serde_json::Value>(&line).unwrap();
    }
}

#[test]
fn a_cause_is_said_once() {
    let cases = [
        (anyhow!("c").context("b").context("a"), "a: b: c"),
        (anyhow!("c").context("b: c").context("a"), "a: b: c"),
    ];
    for (error, expected) in cases {
        assert_eq!(chain(error.as_ref()), expected);
    }
}

#[test]
fn a_field_cannot_take_the_place_of_a_fixed_key() {
    let line = rendered(|| tracing::info!(task = "other", time = 1, "m"));
    assert!(
        line.ends_with(r#""author":"jo","task_":"other","time_":1}"#),
        "{line}"
    );
    assert_eq!(
        KEYS,
        ["time", "level", "message", "task", "git_sha", "author"]
    );
}
