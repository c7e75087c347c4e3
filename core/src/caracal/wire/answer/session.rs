//! Answers about sessions: opened, renewed, taken over.

use serde::Deserialize;

use super::{MalformedAnswer, parse};
use crate::caracal::wire::ids::SessionId;
use crate::caracal::wire::request::session::LeaseGeneration;
use crate::json::Text;
use crate::time::Time;

/// The lease of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The generation of the holder.
    pub generation: LeaseGeneration,
    /// When the lease lapses unless it is renewed, if the coordinator says so.
    pub deadline: Option<Time>,
}

/// The state of a session, as a coordinator reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// The session is active.
    Active,
    /// The session is suspended and can be resumed.
    Suspended,
    /// The session has ended.
    Ended,
    /// The coordinator uses another word, or none.
    Unknown,
}

impl SessionStatus {
    fn read(text: Option<&Text<'_>>) -> SessionStatus {
        match text.map(Text::as_str) {
            Some("active") => SessionStatus::Active,
            Some("suspended") => SessionStatus::Suspended,
            Some("terminated" | "expired") => SessionStatus::Ended,
            Some(_) | None => SessionStatus::Unknown,
        }
    }
}

/// A session that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) session: SessionId,
    pub(crate) lease: Option<Lease>,
}

/// The answer to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Renewed {
    pub(crate) status: SessionStatus,
    pub(crate) lease: Option<Lease>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    agent_session_id: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    lease_generation: Option<u64>,
    #[serde(borrow)]
    heartbeat_deadline_at: Option<Text<'a>>,
}

impl Body<'_> {
    fn lease(&self) -> Option<Lease> {
        let deadline = self.heartbeat_deadline_at.as_ref().and_then(|at| Time::parse_rfc3339(at.as_str()));
        let generation = self.lease_generation.and_then(LeaseGeneration::new)?;
        Some(Lease { generation, deadline })
    }
}

/// Reads the answer to a spawn, whose id is `agent_session_id` or `id`.
pub(crate) fn opened(body: &[u8]) -> Result<Opened, MalformedAnswer> {
    let body: Body<'_> = parse(body)?;
    let id = body.agent_session_id.as_ref().or(body.id.as_ref()).ok_or(MalformedAnswer("it has no session id"))?;
    let session = SessionId::new(id.as_str()).map_err(|_| MalformedAnswer("its session id is malformed"))?;
    Ok(Opened { session, lease: body.lease() })
}

/// Reads the answer to a heartbeat: the session under `agent`, or nothing.
pub(crate) fn renewed(body: &[u8]) -> Result<Renewed, MalformedAnswer> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Outer<'a> {
        #[serde(borrow)]
        agent: Option<Body<'a>>,
    }
    if body.is_empty() {
        return Ok(Renewed { status: SessionStatus::Unknown, lease: None });
    }
    let session = parse::<Outer<'_>>(body)?.agent.unwrap_or_default();
    Ok(Renewed { status: SessionStatus::read(session.status.as_ref()), lease: session.lease() })
}

/// Reads the answer to a request for a lease.
pub(crate) fn acquired(body: &[u8]) -> Result<Lease, MalformedAnswer> {
    parse::<Body<'_>>(body)?.lease().ok_or(MalformedAnswer("it has no lease generation"))
}
