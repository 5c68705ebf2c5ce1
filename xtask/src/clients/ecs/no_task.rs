//! Why RunTask gave no task: a refusal that is final, or anything after which nobody knows.

use aws_sdk_ecs::config::http::HttpResponse;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};

use crate::clients::aws::explain;

/// Refusals of the moment: of a call that was throttled or signed too late, an earlier attempt may have
/// been carried out, and the next one may be.
const OF_THE_MOMENT: [&str; 10] = [
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "RequestTimeoutException",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
];

#[derive(Debug)]
pub struct NoTask {
    pub error: anyhow::Error,
    pub reply: Reply,
}

/// What AWS said to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// No, to this very call: there is no task, and repeating the call would give none.
    Refused,
    /// Nothing that tells whether there is a task.
    Unknown,
    /// It was not asked.
    NotAsked,
}

impl From<anyhow::Error> for NoTask {
    fn from(error: anyhow::Error) -> Self {
        NoTask {
            error,
            reply: Reply::NotAsked,
        }
    }
}

impl NoTask {
    pub(super) fn because<E>(error: SdkError<E, HttpResponse>, tried: &str) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let reply = match &error {
            SdkError::ConstructionFailure(_) => Reply::NotAsked,
            SdkError::ServiceError(answer)
                if is_final(answer.raw().status().as_u16(), error.code()) =>
            {
                Reply::Refused
            }
            _ => Reply::Unknown,
        };
        NoTask {
            error: explain(error, tried),
            reply,
        }
    }
}

/// An answer without a code is none of AWS's own, but of something on the way.
fn is_final(status: u16, code: Option<&str>) -> bool {
    (400..500).contains(&status) && code.is_some_and(|code| !OF_THE_MOMENT.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::is_final;

    #[test]
    fn only_a_no_of_aws_itself_is_final() {
        for (status, code, expected) in [
            (400, Some("InvalidParameterException"), true),
            (400, Some("ClusterNotFoundException"), true),
            (400, Some("AccessDeniedException"), true),
            (400, Some("ThrottlingException"), false),
            (400, Some("ExpiredTokenException"), false),
            (500, Some("ServerException"), false),
            (503, None, false),
            (403, None, false),
        ] {
            assert_eq!(is_final(status, code), expected, "{status} {code:?}");
        }
    }
}
