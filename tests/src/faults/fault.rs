//! What can become of a call.

use crate::wire::Message;
use serde_json::json;

/// What happens to one call, with all its repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Refused with this status, in the cloud's own words.
    Status(u16),
    /// 409, because the quota is used up.
    OverQuota,
    /// Not carried out, and never answered.
    TimeOut,
    /// Not carried out, and the connection reset.
    Reset,
    /// Carried out and answered, later than usual.
    Slow,
    /// Carried out, and the connection closed without an answer.
    AnswerLost,
    /// Kuryr dies before the cloud hears of the call.
    KillBefore,
    /// Kuryr dies when the cloud has carried it out, and before it is told.
    KillAfter,
}

impl Fault {
    /// Those of the cloud and of the way to it.
    pub const OF_THE_CLOUD: [Self; 13] = [
        Self::Status(401),
        Self::Status(403),
        Self::Status(404),
        Self::Status(409),
        Self::Status(429),
        Self::Status(500),
        Self::Status(502),
        Self::Status(503),
        Self::OverQuota,
        Self::TimeOut,
        Self::Reset,
        Self::Slow,
        Self::AnswerLost,
    ];
    /// Those of our own process.
    pub const KILLS: [Self; 2] = [Self::KillBefore, Self::KillAfter];

    /// Whether the cloud could answer this call so.
    pub fn befits(self, call: &str) -> bool {
        self != Self::OverQuota || (call.starts_with("POST ") && !call.ends_with("auth/tokens"))
    }

    /// Whether it is our own process that ends.
    pub fn is_kill(self) -> bool {
        Self::KILLS.contains(&self)
    }

    /// The refusal, if it is one.
    pub fn answer(self, request: &Message) -> Option<Message> {
        let status = match self {
            Self::Status(status) => status,
            Self::OverQuota => 409,
            _ => return None,
        };
        let kind = match (self, status) {
            (Self::OverQuota, _) => "OverQuota",
            (_, 403) => "PolicyNotAuthorized",
            (_, 404) => "HTTPNotFound",
            (_, 409) => "Conflict",
            _ => "Injected",
        };
        let text = format!("injected fault {status}");
        let body = match status {
            // Not from a service at all, but from what stands before it.
            502 => "<html><body>502 Bad Gateway</body></html>".to_owned(),
            _ if request.path().contains("/v3") => json!({"error": {"code": status, "message": text}}).to_string(),
            _ => json!({"NeutronError": {"type": kind, "message": text, "detail": ""}}).to_string(),
        };
        let headers = [("Content-Type", "application/json"), ("X-Openstack-Request-Id", "req-injected")];
        Some(Message {
            first: format!("HTTP/1.1 {status} Injected"),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: body.into(),
        })
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::OverQuota => f.write_str("quota reached"),
            Self::TimeOut => f.write_str("time-out"),
            Self::Reset => f.write_str("reset"),
            Self::Slow => f.write_str("slow"),
            Self::AnswerLost => f.write_str("answer lost"),
            Self::KillBefore => f.write_str("kill -9 before it is carried out"),
            Self::KillAfter => f.write_str("kill -9 before the answer"),
        }
    }
}
