//! CloudWatch Logs: one stream, read page by page from its first event.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::SdkError;

use super::aws::explain;

#[derive(Clone)]
pub struct Logs {
    client: Client,
}

/// Where a container writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    pub group: String,
    pub name: String,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Milliseconds since 1970, as the log driver stamped it.
    pub timestamp: i64,
    pub message: String,
}

/// What one call gave.
#[derive(Debug, Default)]
pub struct Page {
    pub events: Vec<Event>,
    /// Give it to the next call. The end of what is there so far is a token that comes back
    /// unchanged; an empty page alone is not the end.
    pub token: Option<String>,
    /// The stream is not there yet: ECS makes it with the first line.
    pub missing: bool,
}

impl Logs {
    pub fn new(client: Client) -> Self {
        Logs { client }
    }

    /// The page after `token`, or the first one; `since` is in milliseconds since 1970.
    pub async fn page(
        &self,
        stream: &Stream,
        token: Option<&str>,
        since: Option<i64>,
    ) -> anyhow::Result<Page> {
        let answer = self
            .client
            .get_log_events()
            .log_group_name(&stream.group)
            .log_stream_name(&stream.name)
            // True on every page: the default reads backwards from the end.
            .start_from_head(true)
            .set_next_token(token.map(str::to_owned))
            .set_start_time(since)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(error)) if error.err().is_resource_not_found_exception() => {
                return Ok(Page {
                    missing: true,
                    ..Page::default()
                });
            }
            Err(error) => {
                return Err(explain(
                    error,
                    &format!("reading the log stream {}", stream.name),
                ));
            }
        };
        let events = answer
            .events
            .unwrap_or_default()
            .into_iter()
            .map(|event| Event {
                timestamp: event.timestamp.unwrap_or_default(),
                message: event.message.unwrap_or_default(),
            })
            .collect();
        Ok(Page {
            events,
            token: answer.next_forward_token,
            missing: false,
        })
    }
}
