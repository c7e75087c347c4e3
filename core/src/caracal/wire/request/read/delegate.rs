//! The body of a delegation.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::body::{Body, Issue};
use super::spawn::id;
use crate::caracal::wire::ids::ApplicationId;
use crate::caracal::wire::request::spawn::Ttl;
use crate::time::Time;

/// An edge that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct DelegateBody {
    pub(crate) issuer: ApplicationId,
    pub(crate) receiver: ApplicationId,
    pub(crate) source: Box<str>,
    pub(crate) target: Box<str>,
    /// 1.0 only.
    pub(crate) parent_edge: Option<Box<str>>,
    pub(crate) resource: Option<Box<str>>,
    pub(crate) scopes: Vec<Box<str>>,
    /// `constraints_json` and `constraints`, of which the latter wins; they may be of any type.
    pub(crate) constraints: [Option<Box<RawValue>>; 2],
    pub(crate) expires_at: Option<Time>,
    pub(crate) ttl: Option<Ttl>,
}

impl DelegateBody {
    /// Reads a body.
    pub(crate) fn read(mut body: Body<'_>) -> Result<DelegateBody, Vec<Issue>> {
        let source = body.required_text("source_session_id");
        let target = body.required_text("target_session_id");
        let issuer = body.required_text("issuer_application_id");
        let receiver = body.required_text("receiver_application_id");
        let parent_edge = body.text("parent_edge_id").map(|edge| edge.as_str().into());
        let resource = match body.raw("resource_id") {
            Some(value) if value.get() != "null" => body.text("resource_id").map(|id| id.as_str().into()),
            Some(_) | None => None,
        };
        let scopes = body.texts("scopes");
        let constraints = ["constraints_json", "constraints"].map(|name| body.raw(name).map(ToOwned::to_owned));
        let expires_at = match body.text("expires_at") {
            Some(text) => {
                let time = datetime(text.as_str());
                if time.is_none() {
                    body.custom("expires_at", "Invalid ISO datetime");
                }
                time
            }
            None => None,
        };
        let ttl = body.integer("ttl_seconds", 1, u64::from(Ttl::MAX.secs()));
        let issuer = id(&mut body, "issuer_application_id", issuer.as_ref(), ApplicationId::new);
        let receiver = id(&mut body, "receiver_application_id", receiver.as_ref(), ApplicationId::new);
        let value = match (issuer, receiver, source, target) {
            (Some(issuer), Some(receiver), Some(source), Some(target)) => Some(DelegateBody {
                issuer,
                receiver,
                source: source.as_str().into(),
                target: target.as_str().into(),
                parent_edge,
                resource,
                scopes,
                constraints,
                expires_at,
                ttl: ttl.and_then(|secs| Ttl::from_secs(u32::try_from(secs).ok()?)),
            }),
            _ => None,
        };
        body.finish(value)
    }
}

/// Reads a time in UTC with `Z`, the only form that coordinators take.
pub(crate) fn datetime(text: &str) -> Option<Time> {
    if text.ends_with('Z') { Time::parse_rfc3339(text) } else { None }
}
