//! Handles requests: checks the caller, and dispatches the request (§2.1).

use super::Coordinator;
use super::event::{CredentialFault, IncomingId, IncomingRequest, Principal};
use super::ids::Uuid;
use super::timers::ZoneKey;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::request::read::body::Body;
use crate::caracal::wire::request::read::delegate::DelegateBody;
use crate::caracal::wire::request::read::session::{HeartbeatBody, terminated_lease};
use crate::caracal::wire::request::read::spawn::SpawnBody;
use crate::caracal::wire::request::read::{ListQuery, Operation, is_path_id, reason, route};
use crate::caracal::wire::request::token::LIFECYCLE_SCOPE;
use crate::time::Time;

impl Coordinator {
    /// Answers a request. Exactly one [`Respond`](super::event::CoordinatorOutput::Respond) with its id follows.
    ///
    /// Lifetimes and leases that are over at `now` are over for the request, whether or not
    /// [`Coordinator::handle_timeout`] was called.
    pub fn handle_request(&mut self, now: Time, id: IncomingId, request: &IncomingRequest<'_>) {
        self.advance(now);
        self.lapse();
        let reply = self
            .serve(request)
            .unwrap_or_else(|refusal| refusal.reply(self.config.generation, &alloc::format!("req-{}", id.0)));
        self.outputs.respond(id, reply);
    }

    fn serve(&mut self, request: &IncomingRequest<'_>) -> Result<Reply, Refusal> {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let caller = request.caller.map_err(|fault| match fault {
            CredentialFault::Missing => Refusal::MissingToken,
            CredentialFault::Invalid => Refusal::InvalidToken,
            CredentialFault::Revoked => Refusal::IdentityRevoked,
        })?;
        if !caller.has_scope(LIFECYCLE_SCOPE) {
            return Err(Refusal::MissingScope);
        }
        let is_head = self.config.is_head();
        let unknown = || Refusal::UnknownRoute { method: request.method.into(), path: path.into() };
        let (zone, operation) = route(request.method, path).ok_or_else(unknown)?;
        if operation.is_head_only() && !is_head {
            return Err(unknown());
        }
        if *zone != *caller.zone.as_str() {
            return Err(Refusal::ZoneMismatch);
        }
        if is_head && !(is_path_id(&zone) && operation.ids().all(is_path_id)) {
            return Err(Refusal::InvalidParams);
        }
        // A zone that the token names and that is not configured has no applications.
        let zone = self.zone_key(&zone).ok_or(Refusal::ApplicationNotFound)?;
        if request.body.len() > self.config.limits.body_bytes {
            return Err(Refusal::BodyTooLarge);
        }
        self.dispatch(zone, caller, &operation, query, request)
    }

    fn dispatch(
        &mut self,
        zone: ZoneKey,
        caller: &Principal,
        operation: &Operation<'_>,
        query: &str,
        request: &IncomingRequest<'_>,
    ) -> Result<Reply, Refusal> {
        let generation = self.config.generation;
        let is_head = self.config.is_head();
        let list = || ListQuery::read(query, is_head).ok_or(Refusal::InvalidQuery);
        let body = || Body::read(request.body).map_err(|_| Refusal::MalformedBody);
        // An id of any other form is the id of nothing.
        let session = |id: &str| Uuid::parse(id).ok_or(Refusal::SessionNotFound);
        let edge = |id: &str| Uuid::parse(id).ok_or(Refusal::EdgeNotFound);
        match operation {
            Operation::Spawn => {
                let body = SpawnBody::read(body()?, generation).map_err(Refusal::InvalidBody)?;
                self.spawn(zone, caller, request, &body)
            }
            Operation::Sessions => self.list_sessions(zone, &list()?, None),
            Operation::Children(id) => {
                let query = list()?;
                match Uuid::parse(id) {
                    Some(id) => self.list_sessions(zone, &query, Some(id)),
                    None => self.list_sessions(zone, &query, Some(Uuid::MIN)),
                }
            }
            Operation::Session(id) => self.show_session(zone, session(id)?),
            Operation::Suspend(id) => self.suspend(zone, caller, session(id)?),
            Operation::Resume(id) => self.resume(zone, caller, session(id)?),
            Operation::Terminate(id) => {
                let reason = reason(query).ok_or(Refusal::InvalidQuery)?;
                let body = if is_head && !request.body.is_empty() { body()? } else { Body::empty() };
                let lease = terminated_lease(body).map_err(Refusal::InvalidBody)?;
                self.terminate(zone, caller, session(id)?, &reason, lease)
            }
            Operation::Heartbeat(id) => {
                let body = HeartbeatBody::read(body()?, generation).map_err(Refusal::InvalidBody)?;
                self.heartbeat(zone, caller, session(id)?, &body)
            }
            Operation::AcquireLease(id) => self.acquire_lease(zone, caller, session(id)?),
            Operation::Delegate => {
                let body = DelegateBody::read(body()?).map_err(Refusal::InvalidBody)?;
                self.delegate(zone, caller, request, body)
            }
            Operation::ActiveEdges => self.list_active_edges(zone, caller, &list()?),
            Operation::Inbound(id) => self.list_edges(zone, caller, session(id)?, &list()?, true),
            Operation::Outbound(id) => self.list_edges(zone, caller, session(id)?, &list()?, false),
            Operation::InboundEdge(id, of) => {
                let of = edge(of)?;
                self.show_inbound_edge(zone, caller, Uuid::parse(id).ok_or(Refusal::EdgeNotFound)?, of)
            }
            Operation::Traverse(id) => self.traverse(zone, caller, edge(id)?),
            Operation::Revoke(id) => self.revoke(zone, caller, edge(id)?),
        }
    }
}
