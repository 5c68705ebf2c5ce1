//! CloudWatch Logs: one stream, read page by page from its first event.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::SdkError;
use aws_sdk_cloudwatchlogs::operation::get_log_events::{GetLogEventsError, GetLogEventsOutput};

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

/// What one call gave: only what was not given before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub events: Vec<Event>,
    /// There is nothing more for now. An empty page in the middle is not the end: only a token that
    /// comes back unchanged is. A stream that does not exist yet is at its end, too.
    pub at_end: bool,
}

/// How far a stream was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    token: Option<String>,
    /// Milliseconds since 1970; earlier events are left out.
    since: Option<i64>,
    /// The newest timestamp that was given out, and how many events had it.
    last: Option<(i64, usize)>,
    /// Events to leave out after a token was lost: they were given out before.
    skip: Option<(i64, usize)>,
}

impl Cursor {
    pub fn starting_at(since: Option<i64>) -> Self {
        Cursor {
            since,
            ..Cursor::default()
        }
    }

    /// Takes a page in.
    fn accept(&mut self, events: Vec<Event>, token: Option<String>) -> Page {
        let at_end = token.is_none() || token == self.token;
        if token.is_some() {
            self.token = token;
        }
        let events: Vec<Event> = events
            .into_iter()
            .filter(|event| !self.was_given(event))
            .collect();
        for event in &events {
            self.last = match self.last {
                Some((newest, count)) if newest == event.timestamp => Some((newest, count + 1)),
                Some((newest, count)) if newest > event.timestamp => Some((newest, count)),
                _ => Some((event.timestamp, 1)),
            };
        }
        Page { events, at_end }
    }

    /// A token lives for 24 hours. Without one, the stream is read from the newest timestamp on, and
    /// the events of that millisecond that were given out are left out.
    fn lose_token(&mut self) {
        self.token = None;
        self.skip = self.last;
        if let Some((newest, _)) = self.last {
            self.since = Some(newest);
        }
    }

    fn was_given(&mut self, event: &Event) -> bool {
        match &mut self.skip {
            Some((newest, count)) if event.timestamp == *newest && *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }
}

impl Logs {
    pub fn new(client: Client) -> Self {
        Logs { client }
    }

    /// The next page. The cursor moves only when there is an answer, so that this may be given up at
    /// any time and called again.
    pub async fn next(&self, stream: &Stream, cursor: &mut Cursor) -> anyhow::Result<Page> {
        let mut answer = self.ask(stream, cursor).await;
        if cursor.token.is_some()
            && let Err(SdkError::ServiceError(error)) = &answer
            && error.err().is_invalid_parameter_exception()
        {
            cursor.lose_token();
            answer = self.ask(stream, cursor).await;
        }
        let answer = match answer {
            Ok(answer) => answer,
            // ECS makes the stream with the first line.
            Err(SdkError::ServiceError(error)) if error.err().is_resource_not_found_exception() => {
                return Ok(Page {
                    events: Vec::new(),
                    at_end: true,
                });
            }
            Err(error) => {
                return Err(explain(
                    error,
                    &format!("reading the log stream {}", stream.name),
                ));
            }
        };
        let events = answer.events.unwrap_or_default().into_iter();
        let events = events.map(|event| Event {
            timestamp: event.timestamp.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
        });
        Ok(cursor.accept(events.collect(), answer.next_forward_token))
    }

    async fn ask(
        &self,
        stream: &Stream,
        cursor: &Cursor,
    ) -> Result<GetLogEventsOutput, SdkError<GetLogEventsError>> {
        let call = self
            .client
            .get_log_events()
            .log_group_name(&stream.group)
            .log_stream_name(&stream.name)
            // True on every page: the default reads backwards from the end.
            .start_from_head(true)
            .set_next_token(cursor.token.clone())
            .set_start_time(cursor.since);
        call.send().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(of: &[(i64, &str)]) -> Vec<Event> {
        let event = |(timestamp, message): &(i64, &str)| Event {
            timestamp: *timestamp,
            message: (*message).to_owned(),
        };
        of.iter().map(event).collect()
    }

    fn token(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn only_a_token_that_repeats_is_the_end() {
        let mut cursor = Cursor::starting_at(None);
        assert!(!cursor.accept(Vec::new(), token("a")).at_end);
        assert!(!cursor.accept(events(&[(1, "x")]), token("b")).at_end);
        assert!(!cursor.accept(Vec::new(), token("c")).at_end);
        assert!(cursor.accept(Vec::new(), token("c")).at_end);
    }

    #[test]
    fn after_a_lost_token_each_event_still_comes_once() {
        let mut cursor = Cursor::starting_at(None);
        let first = events(&[(1, "a"), (2, "b"), (2, "c")]);
        assert_eq!(cursor.accept(first.clone(), token("t")).events, first);
        cursor.lose_token();
        assert_eq!((cursor.since, &cursor.token), (Some(2), &None));
        let again = events(&[(2, "b"), (2, "c"), (2, "d"), (3, "e")]);
        let page = cursor.accept(again, token("u"));
        assert_eq!(page.events, events(&[(2, "d"), (3, "e")]));
        // And once more, in the middle of a millisecond.
        cursor.lose_token();
        let page = cursor.accept(events(&[(3, "e"), (3, "f")]), token("v"));
        assert_eq!(page.events, events(&[(3, "f")]));
    }

    #[test]
    fn a_token_lost_before_the_first_event_keeps_the_wish() {
        let mut cursor = Cursor::starting_at(Some(7));
        cursor.accept(Vec::new(), token("t"));
        cursor.lose_token();
        assert_eq!(cursor, Cursor::starting_at(Some(7)));
    }
}
