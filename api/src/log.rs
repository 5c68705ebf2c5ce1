//! The log line: one JSON object a line on stdout, with the same keys in the same order from every
//! task. It takes the events of `tracing`, so a task writes `info!(rows = 3, "claims imported")`.
//!
//! A subscriber of our own instead of tracing-subscriber: it is this one file, and no span, filter
//! or layer machinery is compiled into the image.

use std::borrow::Cow;
use std::env;
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::io::{self, BufWriter, Stdout, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};

/// The keys of every line; an event's own field of that name gets a `_` behind it.
const KEYS: [&str; 6] = ["time", "level", "message", "task", "git_sha", "author"];

/// Starts logging for the process, which is one run of one task.
pub fn init(task: &str) {
    let identity = Identity::from_env(task);
    let level = env::var("LOG_LEVEL")
        .ok()
        .and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::INFO);
    let identity = IDENTITY.get_or_init(|| identity);
    // Only a second call can fail, and the first one's subscriber does the same.
    let _ = tracing::subscriber::set_global_default(Logger { identity, level });
}

static IDENTITY: OnceLock<Identity> = OnceLock::new();

/// The length of a line with this message and one more field, which is empty.
pub fn line_bytes(message: &str, field: &str) -> usize {
    let mut event = Fields {
        message: message.to_owned(),
        json: String::new(),
    };
    push_member(&mut event.json, field, "\"\"");
    let identity = IDENTITY.get_or_init(|| Identity::from_env(""));
    render(Utc::now(), Level::INFO, &event, identity).len()
}

/// Who writes: the same in all lines of a run, and so rendered once.
struct Identity {
    json: String,
}

impl Identity {
    fn from_env(task: &str) -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        // The variable, and not the build, knows the SHA: the same sources give the same image.
        let git_sha = variable("SERVICE_DOCKER_TAG");
        Self::new(
            task,
            git_sha.as_deref().unwrap_or("unknown"),
            variable("TASK_AUTHOR").as_deref(),
        )
    }

    fn new(task: &str, git_sha: &str, author: Option<&str>) -> Self {
        let mut json = String::new();
        push_member(&mut json, "task", &string(task));
        push_member(&mut json, "git_sha", &string(git_sha));
        if let Some(author) = author {
            push_member(&mut json, "author", &string(author));
        }
        Self { json }
    }
}

/// One line without its newline.
fn render(time: DateTime<Utc>, level: Level, event: &Fields, identity: &Identity) -> String {
    let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let message = string(&event.message);
    let Identity { json: identity } = identity;
    let fields = &event.json;
    format!(r#"{{"time":"{time}","level":"{level}","message":{message}{identity}{fields}}}"#)
}

struct Logger {
    identity: &'static Identity,
    level: LevelFilter,
}

impl Subscriber for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Below INFO the libraries have much to say that helps nobody with a task.
        let ours = metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"));
        let most = if ours {
            self.level
        } else {
            self.level.min(LevelFilter::INFO)
        };
        metadata.is_event() && *metadata.level() <= most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = render(
            Utc::now(),
            *event.metadata().level(),
            &fields,
            self.identity,
        );
        write(&[line.as_bytes(), b"\n"]);
    }

    // Spans are not recorded: the whole process is one task.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The message of an event, and its other fields as rendered JSON members.
#[derive(Default)]
struct Fields {
    message: String,
    json: String,
}

impl Fields {
    fn push(&mut self, field: &Field, value: &str) {
        let name = field.name();
        // `r#type` is how a field has to be written whose name is a keyword.
        let name = name.strip_prefix("r#").unwrap_or(name);
        let name = match KEYS.contains(&name) {
            true => Cow::Owned(format!("{name}_")),
            false => Cow::Borrowed(name),
        };
        push_member(&mut self.json, &name, value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            _ => self.push(field, &string(value)),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &chain(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, &value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, &value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, &value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, &serde_json::Value::from(value).to_string());
    }
}

/// An error with all its causes, each once: some libraries repeat the cause in their own text.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !chain.ends_with(&text) {
            // Writing to a string cannot fail.
            let _ = write!(chain, ": {text}");
        }
        source = cause.source();
    }
    chain
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn push_member(json: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = write!(json, r#","{name}":{value}"#);
}

/// Where the lines go. Each is flushed at once, unless somebody holds `buffered`.
struct Sink {
    out: BufWriter<Stdout>,
    buffered: bool,
}

fn sink() -> MutexGuard<'static, Sink> {
    static SINK: OnceLock<Mutex<Sink>> = OnceLock::new();
    let new = || {
        let out = BufWriter::with_capacity(64 * 1024, io::stdout());
        Mutex::new(Sink {
            out,
            buffered: false,
        })
    };
    SINK.get_or_init(new)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Writes to stdout as it is, in order with the log lines.
pub fn write(parts: &[&[u8]]) {
    let mut sink = sink();
    for part in parts {
        // With stdout closed there is nowhere left to report that.
        let _ = sink.out.write_all(part);
    }
    if !sink.buffered {
        let _ = sink.out.flush();
    }
}

/// Until it is dropped, lines are written in large blocks: for a task that writes very many.
#[must_use]
pub struct Buffered(());

pub fn buffered() -> Buffered {
    sink().buffered = true;
    Buffered(())
}

impl Drop for Buffered {
    fn drop(&mut self) {
        let mut sink = sink();
        sink.buffered = false;
        let _ = sink.out.flush();
    }
}

#[cfg(test)]
mod tests;
