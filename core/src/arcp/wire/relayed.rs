//! Frames that a runtime sends to another runtime of its host, for a session of that one (ours).

use alloc::borrow::Cow;
use alloc::borrow::ToOwned as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::About;
use crate::arcp::wire::question::{ANSWERED, QUESTIONS};
use crate::arcp::wire::reply::SESSIONS;
use crate::json::Text;
use crate::trace::TraceId;

/// A subscription has ended, because its session does not keep up. It follows the last event.
pub(crate) const DROPPED: &str = "x-vendor.nuncio.subscription_dropped";
/// A request was carried out that has no answer.
pub(crate) const SILENCE: &str = "x-vendor.nuncio.silence";

/// The types of answers.
const ANSWERS: [&str; 7] = ["job.subscribed", "job.cancelled", "session.jobs", ANSWERED, QUESTIONS, SESSIONS, SILENCE];
/// The types of numbered frames.
const NUMBERED: [&str; 3] = ["job.event", "job.result", "job.error"];

/// A frame of another runtime.
#[derive(Debug)]
pub(crate) enum Relayed<'a> {
    /// A numbered frame of a job.
    Numbered { about: About, kind: &'static str, payload: &'a str },
    /// The subscription to a job has ended.
    Dropped { about: About },
    /// The answer to a request.
    Answer { request_id: Text<'a>, kind: &'static str, about: Option<About>, payload: &'a str },
    /// The refusal of a request.
    Refusal { request_id: Text<'a>, fault: Fault },
}

/// The members of a refusal.
#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    code: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

impl<'a> Relayed<'a> {
    /// Reads a frame; returns `None` for one that is none of these.
    pub(crate) fn read(text: &'a str) -> Option<Relayed<'a>> {
        let envelope: Envelope<'a> = Envelope::parse(text).ok()?;
        let job = envelope.job_id.as_ref().and_then(|id| JobUlid::parse(id.as_str()));
        let trace_id = envelope.trace_id.as_ref().and_then(|id| TraceId::parse(id.as_str()));
        let about = job.zip(trace_id).map(|(job, trace_id)| About { job, trace_id });
        let kind = envelope.kind?;
        let (kind, payload) = (kind.as_str(), envelope.payload?.get());
        let known = |kinds: &[&'static str]| kinds.iter().copied().find(|known| *known == kind);
        if envelope.event_seq.is_some() {
            return Some(Relayed::Numbered { about: about?, kind: known(&NUMBERED)?, payload });
        }
        if kind == DROPPED {
            return Some(Relayed::Dropped { about: about? });
        }
        let request_id = envelope.id?;
        if kind == "session.error" {
            let refusal: Refusal<'_> = serde_json::from_str(payload).ok()?;
            let fault = Fault {
                code: ErrorCode::parse(refusal.code.as_str())?,
                message: Cow::Owned(refusal.message.as_str().to_owned()),
                details: refusal.details.map(|details| details.get().to_owned()),
            };
            return Some(Relayed::Refusal { request_id, fault });
        }
        Some(Relayed::Answer { request_id, kind: known(&ANSWERS)?, about, payload })
    }
}
