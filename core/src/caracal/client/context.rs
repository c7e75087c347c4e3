//! The context at one place of a program, which says who acts for whom: [`Context`] (§1.6).

use alloc::vec::Vec;

use super::inject::CallerHeaders;
use crate::caracal::wire::baggage::{Baggage, ForeignBaggage};
use crate::caracal::wire::envelope::Envelope;
use crate::caracal::wire::header::{Header, HeaderValue};
use crate::caracal::wire::hop::{Hop, TooManyHops};
use crate::caracal::wire::ids::{ApplicationId, AuthorityId, EdgeId, SessionId, ZoneId};
use crate::caracal::wire::token::BearerToken;
use crate::trace::{SpanId, TraceFlags, TraceId, TraceParent, TraceState};

/// The trace that the calls of a context belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The id of the trace.
    pub id: TraceId,
    /// The flags that are sent.
    pub flags: TraceFlags,
    /// The `tracestate` that is passed on.
    pub state: Option<TraceState>,
}

impl Trace {
    /// Begins a sampled trace.
    pub const fn new(id: TraceId) -> Trace {
        Trace { id, flags: TraceFlags::SAMPLED, state: None }
    }

    /// Returns the `traceparent` of a call that a span of this trace makes.
    pub const fn parent(&self, span: SpanId) -> TraceParent {
        TraceParent { trace_id: self.id, span_id: span, flags: self.flags }
    }
}

/// An inbound request names no caller that a context could be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request has no bearer token in its authorization header")]
pub struct NoBearerToken;

/// Who acts for whom at one place of a program. It never changes: each operation returns another context.
///
/// ```
/// use nuncio_core::caracal::{ApplicationId, BearerToken, CallerHeaders, Context, EdgeId, Hop, SessionId, Trace, ZoneId};
/// use nuncio_core::trace::{SpanId, TraceId};
///
/// let token = BearerToken::new("token")?;
/// let own = Context::new(ZoneId::new("z1")?, ApplicationId::new("app-a")?, token.clone());
/// let trace = Trace::new(TraceId::from_bytes([7; 16]).unwrap());
/// let session = own.spawned(token, SessionId::new("s-1")?, trace);
/// let delegated = session.delegated(EdgeId::new("e-1")?, Hop::DEFAULT_LIMIT)?;
///
/// let span = SpanId::from_bytes([9; 8]).unwrap();
/// let headers = delegated.headers(span, Hop::DEFAULT_LIMIT, &CallerHeaders::default())?;
/// let names: Vec<&str> = headers.iter().map(|header| header.name()).collect();
/// assert_eq!(names, ["authorization", "traceparent", "baggage"]);
/// assert_eq!(
///     headers[2].value().expose(),
///     "caracal.agent_session=s-1,caracal.delegation_edge=e-1,caracal.hop=1",
/// );
/// assert!(session.edge().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    zone: ZoneId,
    application: ApplicationId,
    token: BearerToken,
    session: Option<SessionId>,
    edge: Option<EdgeId>,
    parent_edge: Option<EdgeId>,
    authority: Option<AuthorityId>,
    trace: Option<Trace>,
    hop: Hop,
    foreign: ForeignBaggage,
    /// Whether the session belongs to a caller, and not to the application.
    inbound: bool,
}

impl Context {
    /// Returns the context of an application outside every session.
    pub fn new(zone: ZoneId, application: ApplicationId, token: BearerToken) -> Context {
        Context {
            zone,
            application,
            token,
            session: None,
            edge: None,
            parent_edge: None,
            authority: None,
            trace: None,
            hop: Hop::ZERO,
            foreign: ForeignBaggage::default(),
            inbound: false,
        }
    }

    /// Returns the context of an inbound request: the caller's token, session, edges, trace and baggage.
    ///
    /// A request without a token is an error. The Python SDK would act on it with the application's own token and the
    /// caller's baggage.
    pub fn inbound(zone: ZoneId, application: ApplicationId, envelope: Envelope) -> Result<Context, NoBearerToken> {
        let Envelope { token, trace, state, baggage, hop_is_number: _ } = envelope;
        let trace = trace.map(|trace| Trace {
            id: trace.trace_id,
            flags: trace.parent.map_or(TraceFlags::SAMPLED, |parent| parent.flags),
            state,
        });
        Ok(Context {
            zone,
            application,
            token: token.ok_or(NoBearerToken)?,
            session: baggage.session,
            edge: baggage.edge,
            parent_edge: baggage.parent_edge,
            authority: baggage.authority,
            trace,
            hop: baggage.hop,
            foreign: baggage.foreign,
            inbound: true,
        })
    }

    /// Returns the context of a session that was opened in this one.
    ///
    /// It has the application's own token, no edge, and this context's edge as its parent edge; the hop stays, because
    /// nothing was delegated. `trace` is used if this context belongs to none, so that all calls of a session belong to
    /// one trace.
    #[must_use]
    pub fn spawned(&self, token: BearerToken, session: SessionId, trace: Trace) -> Context {
        Context {
            zone: self.zone.clone(),
            application: self.application.clone(),
            token,
            session: Some(session),
            edge: None,
            parent_edge: self.edge.clone(),
            authority: None,
            trace: Some(self.trace.clone().unwrap_or(trace)),
            hop: self.hop,
            foreign: self.foreign.clone(),
            inbound: false,
        }
    }

    /// Returns the context of an edge from this context's session to another one. The session stays, and the edge of
    /// this context becomes the parent edge.
    ///
    /// It is refused if it would have more hops than `limit`.
    pub fn delegated(&self, edge: EdgeId, limit: Hop) -> Result<Context, TooManyHops> {
        let hop = self.next_hop(limit)?;
        Ok(Context { edge: Some(edge), parent_edge: self.edge.clone(), hop, ..self.clone() })
    }

    /// Returns the context of a session that was opened in this one together with an edge into it.
    ///
    /// It is refused if it would have more hops than `limit`.
    pub fn delegated_to_spawned(
        &self,
        token: BearerToken,
        session: SessionId,
        edge: EdgeId,
        trace: Trace,
        limit: Hop,
    ) -> Result<Context, TooManyHops> {
        let hop = self.next_hop(limit)?;
        Ok(Context { edge: Some(edge), hop, ..self.spawned(token, session, trace) })
    }

    /// Returns this context with another token of the same subject, after a refresh.
    #[must_use]
    pub fn with_token(&self, token: BearerToken) -> Context {
        Context { token, ..self.clone() }
    }

    /// Returns this context in another trace.
    #[must_use]
    pub fn with_trace(&self, trace: Trace) -> Context {
        Context { trace: Some(trace), ..self.clone() }
    }

    /// Refuses the calls of a context that has more hops than `limit`, as [`Context::headers`] does.
    pub fn check_hop(&self, limit: Hop) -> Result<(), TooManyHops> {
        if self.hop > limit { Err(TooManyHops { hop: self.hop, limit }) } else { Ok(()) }
    }

    /// Returns the number of hops after another delegation. A number that would not fit is above every limit.
    fn next_hop(&self, limit: Hop) -> Result<Hop, TooManyHops> {
        let hop = self.hop.next();
        if hop > limit || hop == self.hop { Err(TooManyHops { hop, limit }) } else { Ok(hop) }
    }

    /// Returns the header fields of a call: `authorization`, `traceparent`, `tracestate` and `baggage`, as far as the
    /// caller has not set them. Each replaces the caller's fields of its name.
    ///
    /// The caller's `authorization` and `traceparent` stay. Members of its baggage are merged into the context's. `span`
    /// is the calling span; without a trace in the context, and without one of the caller, none is sent.
    ///
    /// It is for calls whose target may know the token: see [`Routes`](super::routing::Routes).
    pub fn headers(&self, span: SpanId, limit: Hop, caller: &CallerHeaders) -> Result<Vec<Header>, TooManyHops> {
        let mut headers = Vec::with_capacity(4);
        if !caller.has_authorization() {
            headers.push(self.authorization());
        }
        if let Some(trace) = self.trace.as_ref().filter(|_| !caller.has_traceparent()) {
            let parent = trace.parent(span);
            headers.push(Header::new("traceparent", HeaderValue::trusted(alloc::format!("{parent}"))));
            if let Some(state) = trace.state.as_ref().and_then(|state| HeaderValue::new(state.as_str()).ok()) {
                headers.push(Header::new("tracestate", state));
            }
        }
        let baggage = Baggage {
            session: self.session.clone(),
            edge: self.edge.clone(),
            parent_edge: self.parent_edge.clone(),
            authority: self.authority.clone(),
            hop: self.hop,
            foreign: self.foreign.merged(caller.foreign()),
        };
        headers.push(Header::new("baggage", baggage.to_header(limit)?));
        Ok(headers)
    }

    /// Returns the `authorization` field with the context's token.
    pub fn authorization(&self) -> Header {
        Header::new("authorization", self.token.to_authorization())
    }

    /// Returns the session that a new one becomes a child of: that of the application itself.
    ///
    /// The session of an inbound caller belongs to another application, whose coordinator refuses to put a child of
    /// this application below it.
    pub fn parent(&self) -> Option<&SessionId> {
        self.session.as_ref().filter(|_| !self.inbound)
    }

    /// Returns the zone.
    pub const fn zone(&self) -> &ZoneId {
        &self.zone
    }

    /// Returns the application that this program runs as.
    pub const fn application(&self) -> &ApplicationId {
        &self.application
    }

    /// Returns the token that calls are made with.
    pub const fn token(&self) -> &BearerToken {
        &self.token
    }

    /// Returns the session.
    pub const fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// Returns the edge that the context acts by.
    pub const fn edge(&self) -> Option<&EdgeId> {
        self.edge.as_ref()
    }

    /// Returns the edge before it.
    pub const fn parent_edge(&self) -> Option<&EdgeId> {
        self.parent_edge.as_ref()
    }

    /// Returns the authority record of an inbound caller's subject.
    pub const fn authority(&self) -> Option<&AuthorityId> {
        self.authority.as_ref()
    }

    /// Returns the trace.
    pub const fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// Returns the number of delegations so far.
    pub const fn hop(&self) -> Hop {
        self.hop
    }

    /// Returns the baggage of other tools.
    pub const fn foreign(&self) -> &ForeignBaggage {
        &self.foreign
    }
}
