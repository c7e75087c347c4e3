//! `POST /zones/{zone}/delegations`: an edge between two sessions (§1.1).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::spawn::Ttl;
use super::{Method, Request, text_array, zone_path};
use crate::caracal::wire::ids::{ApplicationId, EdgeId, SessionId, ZoneId};
use crate::json::Object;
use crate::time::Time;

/// The limits of a delegation. Empty lists and absent values are not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The resources that may be used. Coordinators of the generation 1.0 require some.
    pub resources: Vec<Box<str>>,
    /// The actions that may be taken. Coordinators of the generation 1.0 refuse them.
    pub actions: Vec<Box<str>>,
    /// How many delegations may follow one another, this one included: with 1, the receiver cannot delegate on. Coordinators
    /// of the generation 1.0 take 1 to 10, and 1 by default.
    pub max_depth: Option<u32>,
    /// When the edge expires.
    pub expires_at: Option<Time>,
}

impl Constraints {
    fn json(&self) -> alloc::string::String {
        let list = |texts: &[Box<str>]| (!texts.is_empty()).then(|| text_array(texts));
        Object::new()
            .opt_json("resources", list(&self.resources).as_deref())
            .opt_json("actions", list(&self.actions).as_deref())
            .opt_value("max_depth", self.max_depth)
            .opt_plain("expires_at", self.expires_at.map(Time::to_rfc3339))
            .close()
    }
}

/// An edge to create: a session passes scopes on to another session.
#[derive(Clone, Debug)]
pub struct Delegate {
    /// The application of the source.
    pub issuer: ApplicationId,
    /// The session that delegates.
    pub source: SessionId,
    /// The session that receives.
    pub target: SessionId,
    /// The application of the target.
    pub receiver: ApplicationId,
    /// The scopes that are passed on.
    pub scopes: Vec<Box<str>>,
    /// The edge that the source itself acts by. Only coordinators of the generation 1.0 know it (`parent_edge_id`); it
    /// must be named there if the source has several.
    pub parent_edge: Option<EdgeId>,
    /// The limits of the edge.
    pub constraints: Option<Constraints>,
    /// The lifetime of the edge. It or [`Constraints::expires_at`] is required.
    pub ttl: Option<Ttl>,
}

impl Delegate {
    /// Writes the request.
    pub(crate) fn request(&self, zone: &ZoneId) -> Request {
        let body = Object::with_capacity(512)
            .text("issuer_application_id", self.issuer.as_str())
            .text("source_session_id", self.source.as_str())
            .text("target_session_id", self.target.as_str())
            .text("receiver_application_id", self.receiver.as_str())
            .json("scopes", &text_array(&self.scopes))
            .opt_text("parent_edge_id", self.parent_edge.as_ref().map(EdgeId::as_str))
            .opt_json("constraints", self.constraints.as_ref().map(Constraints::json).as_deref())
            .opt_value("ttl_seconds", self.ttl.map(Ttl::secs));
        Request::new(Method::Post, zone_path(zone, ["delegations"])).with_json(body.close())
    }

    /// Returns the number of bytes of the lists.
    pub(crate) fn bytes_held(&self) -> usize {
        let texts = |texts: &[Box<str>]| texts.iter().map(|text| text.len().saturating_add(16)).sum::<usize>();
        let limits = self.constraints.as_ref();
        let lists = limits.map_or(0, |limits| texts(&limits.resources).saturating_add(texts(&limits.actions)));
        texts(&self.scopes).saturating_add(lists)
    }
}
