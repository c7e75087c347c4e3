//! The sessions of the runtime: `x-vendor.nuncio.list_sessions` (ours).

use alloc::string::String;

use super::Runtime;
use super::dispatch::Request;
use super::host::SessionKey;
use super::inquiries::Listed;
use super::reply::To;
use super::sessions::session::Session;
use super::sessions::state::SessionState;
use super::work;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::SessionUlid;
use crate::arcp::wire::reply::{self, SESSIONS, SessionRow};
use crate::arcp::wire::request;
use crate::time::Time;

impl Runtime {
    /// Answers with a page of sessions, in the order of their ids: all of them for an operator, and those of its principal for
    /// others.
    pub(super) fn on_list_sessions(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let query: request::ListSessions<'_> = request::decode(request.kind, request.envelope.payload)?;
        let limit = self.page_limit(query.limit)?;
        let after = query.cursor.as_ref().map(|cursor| {
            SessionUlid::parse(cursor.as_str())
                .ok_or_else(|| Fault::invalid("the cursor is not one that x-vendor.nuncio.sessions gave"))
        });
        let after = after.transpose()?;
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let is_operator = self.config.is_operator(session.principal());
        let room = self.page_room(key);
        if is_operator {
            self.list_elsewhere(key, request, Listed::Sessions, limit, room);
        }
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let most = limit.min((self.config.limits.turn_work / work::LISTED).max(1));
        let principal = (!is_operator).then(|| &**session.principal());
        let (mut rows, mut count, mut last, mut next) = (String::new(), 0, None, None);
        for listed in self.sessions.after(principal, after) {
            let row = self.session_row(listed);
            if count == most || (count > 0 && rows.len() + row.len() > room) {
                next = last;
                break;
            }
            if count > 0 {
                rows.push(',');
            }
            rows.push_str(&row);
            count += 1;
            last = Some(listed.id());
        }
        let payload = reply::sessions(request.id, session.dialect(), &rows, next);
        self.work.charge(count * work::LISTED + rows.len() as u64 / work::FRAME_BYTES);
        if !self.merge_own(key, request.id, &payload) {
            let to = To { request_id: Some(request.id), job: None };
            self.reply_even_if_stuck(key, to, SESSIONS, &payload);
        }
        Ok(())
    }

    fn session_row(&self, session: &Session) -> String {
        let state = match session.state() {
            SessionState::Live => "live",
            SessionState::Detached | SessionState::Closed if session.is_closed() => "closed",
            SessionState::Detached | SessionState::Closed => "detached",
        };
        let lapses = session.lapses().filter(|_| session.state() != SessionState::Live);
        reply::session(&SessionRow {
            id: session.id(),
            principal: session.principal(),
            state,
            jobs: session.jobs() as u64,
            dialect: session.dialect(),
            last_seq: session.last_seq(),
            lapses: lapses.map(|at| self.clock.offset().wall(at).min(Time::LATEST_WRITTEN)),
        })
    }
}
