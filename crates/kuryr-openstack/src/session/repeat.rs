//! What is repeated, and after how long.

use super::SessionOptions;
use crate::transport::TransportError;
use backon::{BackoffBuilder, ExponentialBuilder};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use std::time::Duration;

/// Whether a call may be carried out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Safe,
    /// Only when it is certain that it was not carried out.
    Unsent,
}

/// What to do about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stands.
    Final,
    /// Try again, after this long if the server says so.
    Again(Option<Duration>),
}

/// Judges an answer.
pub(super) fn judge_answer(repeat: Repeat, status: StatusCode, headers: &HeaderMap) -> Verdict {
    let wait = retry_after(headers, Timestamp::now());
    match status.as_u16() {
        // Refused before it was looked at.
        429 => Verdict::Again(wait),
        // A server that says when to come back has refused; one that does not may have died half-way.
        503 if wait.is_some() || repeat == Repeat::Safe => Verdict::Again(wait),
        500 | 502 | 504 if repeat == Repeat::Safe => Verdict::Again(None),
        _ => Verdict::Final,
    }
}

/// Judges a lack of an answer.
pub(super) fn judge_failure(repeat: Repeat, error: &TransportError) -> Verdict {
    match error {
        TransportError::Connect { .. } => Verdict::Again(None),
        TransportError::Interrupted { .. } if repeat == Repeat::Safe => Verdict::Again(None),
        _ => Verdict::Final,
    }
}

/// Seconds, or a date as HTTP writes it.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// The waits before each repetition, for a server that does not say.
pub(super) fn delays(options: &SessionOptions) -> impl Iterator<Item = Duration> + Send + use<> {
    ExponentialBuilder::new()
        .with_min_delay(options.retry_delay)
        .with_max_delay(Duration::from_secs(5).max(options.retry_delay))
        .with_max_times(options.retries)
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn the_table_of_repetitions() {
        let none = HeaderMap::new();
        let mut later = HeaderMap::new();
        later.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        let two = Verdict::Again(Some(Duration::from_secs(2)));
        let again = Verdict::Again(None);
        for (status, safe, unsent, safe_later, unsent_later) in [
            (400, Verdict::Final, Verdict::Final, Verdict::Final, Verdict::Final),
            (404, Verdict::Final, Verdict::Final, Verdict::Final, Verdict::Final),
            (409, Verdict::Final, Verdict::Final, Verdict::Final, Verdict::Final),
            (412, Verdict::Final, Verdict::Final, Verdict::Final, Verdict::Final),
            (429, again, again, two, two),
            (500, again, Verdict::Final, again, Verdict::Final),
            (501, Verdict::Final, Verdict::Final, Verdict::Final, Verdict::Final),
            (502, again, Verdict::Final, again, Verdict::Final),
            (503, again, Verdict::Final, two, two),
            (504, again, Verdict::Final, again, Verdict::Final),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge_answer(Repeat::Safe, status, &none), safe, "{status} safe");
            assert_eq!(judge_answer(Repeat::Unsent, status, &none), unsent, "{status} unsent");
            assert_eq!(judge_answer(Repeat::Safe, status, &later), safe_later, "{status} safe, Retry-After");
            assert_eq!(judge_answer(Repeat::Unsent, status, &later), unsent_later, "{status} unsent, Retry-After");
        }
        let reason = String::new;
        for (error, safe, unsent) in [
            (TransportError::Connect { reason: reason() }, again, again),
            (TransportError::Interrupted { reason: reason() }, again, Verdict::Final),
            (TransportError::Tls { reason: reason() }, Verdict::Final, Verdict::Final),
            (TransportError::TooLarge { limit: 1 }, Verdict::Final, Verdict::Final),
        ] {
            assert_eq!(judge_failure(Repeat::Safe, &error), safe, "{error} safe");
            assert_eq!(judge_failure(Repeat::Unsent, &error), unsent, "{error} unsent");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2015-10-21T07:28:00Z".parse().unwrap();
        let parse = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(parse("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse("Wed, 21 Oct 2015 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(parse("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
    }

    proptest! {
        #[test]
        fn no_retry_after_panics(text in "[ -~]*") {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, Timestamp::now());
        }
    }
}
