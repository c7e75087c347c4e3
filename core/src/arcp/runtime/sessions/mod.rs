//! All sessions of a runtime, with their indices.

pub(crate) mod announcement;
pub(crate) mod elsewhere;
pub(crate) mod log;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod watches;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

use slotmap::SlotMap;

use self::elsewhere::Arrival;
use self::log::Entry;
use self::session::{Opening, Session};
use self::state::SessionState;
use super::conns::claim::Claim;
use super::host::{ConnId, SessionKey};
use super::memory::{Charges, Holder as _, Memory};
use super::shares::Shares;
use super::stored::Period;
use super::timers::Timers;
use crate::arcp::wire::ids::SessionUlid;
use crate::digest::Digest;
use crate::time::Time;

/// The sessions by id, by resume token and by principal, and the order in which they are removed for new ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    table: SlotMap<SessionKey, Session>,
    by_id: BTreeMap<SessionUlid, SessionKey>,
    by_token: BTreeMap<Digest, SessionKey>,
    /// The sessions of each principal.
    principals: BTreeMap<Arc<str>, BTreeSet<SessionUlid>>,
    /// Sessions that were closed by their clients, in the order in which they lapse.
    closed: BTreeSet<(Time, SessionKey)>,
    charges: Charges<SessionKey>,
    /// Sessions of other runtimes, which are in the table alone.
    guests: usize,
    /// Sessions with frames of other runtimes that their logs have not taken.
    arriving: BTreeSet<SessionKey>,
    /// Those of them whose logs may have room now.
    due: BTreeSet<SessionKey>,
    /// The bytes that wait for the connections of sessions.
    waiting: Shares<SessionKey>,
}

/// The step in which bytes that wait for connections are counted. Those of a peer that sends small frames and reads what it
/// is sent are less.
const WAITING_STEP: usize = 64 << 10;

impl Sessions {
    pub(super) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.table.get(key)
    }

    /// Returns a session, for changes that concern the session alone.
    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.charges.mark(&mut self.table, key);
        self.table.get_mut(key)
    }

    /// Charges the bytes that sessions hold to their principals.
    pub(super) fn account(&mut self, memory: &mut Memory, period: Period) {
        self.charges.settle(&mut self.table, memory, period);
    }

    /// Charges the bytes of a record about a session.
    pub(super) fn store(&mut self, key: SessionKey, bytes: u64, period: Period) {
        if let Some(session) = self.get_mut(key) {
            session.charge_mut().store(bytes, period);
        }
    }

    /// Notes how many bytes wait for the connection of a session.
    pub(super) fn wait_for_connection(&mut self, key: SessionKey, bytes: usize) {
        let Some(session) = self.table.get_mut(key) else { return };
        let bytes = bytes - bytes % WAITING_STEP;
        if !session.set_waiting(bytes) {
            return;
        }
        let principal = Arc::clone(session.principal());
        if bytes > 0 {
            self.waiting.set(&principal, key, bytes);
        } else {
            self.waiting.remove(&principal, key);
        }
        self.charges.mark(&mut self.table, key);
    }

    /// Returns a session whose connection has to go, because too many bytes wait for connections of its principal. That is the
    /// one with most of them; `too_many` says whether they are.
    pub(super) fn hoarder(&self, too_many: impl FnOnce(&str, usize) -> bool) -> Option<SessionKey> {
        let principal = self.waiting.most_bytes()?;
        let bytes = self.waiting.of(principal).bytes;
        if too_many(principal, bytes) { self.waiting.places(principal).next() } else { None }
    }

    pub(super) fn find(&self, id: SessionUlid) -> Option<SessionKey> {
        self.by_id.get(&id).copied()
    }

    /// The session that a resume claims, by its id or else by its token.
    pub(super) fn claimed(&self, claim: &Claim) -> Option<SessionKey> {
        match claim.session {
            Some(id) => self.find(id),
            None if claim.foreign => None,
            None => self.by_token.get(&claim.token).copied(),
        }
    }

    /// All sessions but those of other runtimes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.table.values().filter(|session| !session.is_guest())
    }

    /// All sessions, in the order of their ids.
    pub(super) fn keys(&self) -> Vec<SessionKey> {
        self.by_id.values().copied().collect()
    }

    /// The sessions of a principal, or of all, in the order of their ids, after a place in it. Those of other runtimes are
    /// left out.
    pub(super) fn after(&self, principal: Option<&str>, after: Option<SessionUlid>) -> impl Iterator<Item = &Session> {
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let own = principal.map(|name| self.principals.get(name).into_iter().flat_map(move |ids| ids.range(range)));
        let all = principal.is_none().then(|| self.by_id.range(range).map(|(id, _)| id));
        let ids = own.into_iter().flatten().chain(all.into_iter().flatten());
        ids.filter_map(|id| self.by_id.get(id)).filter_map(|key| self.table.get(*key))
    }

    /// The number of sessions, without those of other runtimes.
    pub(super) fn len(&self) -> usize {
        self.table.len() - self.guests
    }

    /// The number of sessions of a principal.
    pub(super) fn of_principal(&self, principal: &str) -> usize {
        self.principals.get(principal).map_or(0, BTreeSet::len)
    }

    /// The name of a principal, shared by its sessions.
    pub(super) fn principal(&self, name: &str) -> Arc<str> {
        self.principals.get_key_value(name).map_or_else(|| Arc::from(name), |(known, _)| Arc::clone(known))
    }

    /// Opens a session on a connection; `token` is the hash of its resume token.
    pub(super) fn open(&mut self, opening: Opening, conn: ConnId, hello: u64, token: Digest) -> SessionKey {
        let key = self.insert(opening, SessionState::Live, token);
        self.bind(key, conn, hello, token);
        key
    }

    /// Opens a session of another runtime on a connection. It has no resume token, and is found by its connection alone.
    pub(super) fn open_guest(&mut self, opening: Opening, conn: ConnId) -> SessionKey {
        let mut session = Session::new(opening, SessionState::Live, Digest::default()).into_guest();
        session.bind(conn, 0, Digest::default());
        let key = self.table.insert(session);
        self.guests += 1;
        self.charges.mark(&mut self.table, key);
        key
    }

    /// Removes a session of another runtime.
    pub(super) fn remove_guest(&mut self, key: SessionKey) -> Option<Session> {
        self.wait_for_connection(key, 0);
        self.table.get(key).filter(|session| session.is_guest())?;
        let session = self.table.remove(key)?;
        self.guests -= 1;
        self.charges.free(&session);
        Some(session)
    }

    /// Adds a frame of another runtime to those that a session's log has not taken.
    pub(super) fn arrive(&mut self, key: SessionKey, arrival: Arrival) {
        if let Some(session) = self.get_mut(key) {
            session.arrive(arrival);
            self.arriving.insert(key);
        }
    }

    /// Removes the first of these frames.
    pub(super) fn take_arrival(&mut self, key: SessionKey) -> Option<Arrival> {
        let (arrival, is_last) = self.get_mut(key)?.take_arrival()?;
        if is_last {
            self.arriving.remove(&key);
        }
        Some(arrival)
    }

    /// Notes that the log of a session may have room for such frames.
    pub(super) fn look_at_arrivals(&mut self, key: SessionKey) {
        if self.arriving.contains(&key) {
            self.due.insert(key);
        }
    }

    /// Returns the next session whose log may have room for such frames.
    pub(super) fn next_with_arrivals(&mut self) -> Option<SessionKey> {
        self.due.pop_first()
    }

    /// Returns the sessions that have such frames.
    pub(super) fn arriving(&self) -> Vec<SessionKey> {
        self.arriving.iter().copied().collect()
    }

    /// Restores a session, without a connection. Returns `None` if it is known.
    pub(super) fn restore(&mut self, opening: Opening, token: Digest) -> Option<SessionKey> {
        (!self.by_id.contains_key(&opening.id)).then(|| self.insert(opening, SessionState::Detached, token))
    }

    fn insert(&mut self, opening: Opening, state: SessionState, token: Digest) -> SessionKey {
        let id = opening.id;
        self.principals.entry(Arc::clone(&opening.principal)).or_default().insert(id);
        let key = self.table.insert(Session::new(opening, state, token));
        self.by_id.insert(id, key);
        self.by_token.insert(token, key);
        self.charges.mark(&mut self.table, key);
        key
    }

    /// Binds a session to a connection, with a new resume token.
    pub(super) fn bind(&mut self, key: SessionKey, conn: ConnId, hello: u64, token: Digest) {
        if let Some(session) = self.table.get_mut(key) {
            session.bind(conn, hello, token);
            self.by_token.insert(token, key);
        }
    }

    /// Resumes a session for a client that holds the claimed token. `past` has the events that are only in the journal.
    /// Returns the connection that is replaced.
    pub(super) fn resume(
        &mut self,
        key: SessionKey,
        claim: &Claim,
        past: VecDeque<Entry>,
        timers: &mut Timers,
    ) -> Option<ConnId> {
        self.charges.mark(&mut self.table, key);
        let session = self.table.get_mut(key)?;
        if let Some(at) = session.lapses() {
            self.closed.remove(&(at, key));
        }
        let (invalid, replaced) = session.resume(key, claim.token, claim.last, past, timers)?;
        if let Some(invalid) = invalid {
            self.by_token.remove(&invalid);
        }
        replaced
    }

    /// Invalidates all tokens but the newest, which the client has proved to hold. Returns whether another one was
    /// valid.
    pub(super) fn prove(&mut self, key: SessionKey) -> bool {
        let Some(old) = self.table.get_mut(key).and_then(Session::prove) else { return false };
        self.by_token.remove(&old);
        true
    }

    /// Restores the tokens that are valid.
    pub(super) fn restore_tokens(&mut self, key: SessionKey, newest: Digest, proved: Option<Digest>) {
        let Some(session) = self.table.get_mut(key) else { return };
        let before = session.tokens();
        session.set_tokens(newest, proved);
        for token in before.1.into_iter().chain([before.0]) {
            self.by_token.remove(&token);
        }
        for token in proved.into_iter().chain([newest]) {
            self.by_token.insert(token, key);
        }
    }

    /// Detaches a session from its connection, and sets when it lapses. Returns the session if it had a connection.
    pub(super) fn detach(&mut self, key: SessionKey, at: Time, timers: &mut Timers) -> Option<&mut Session> {
        self.wait_for_connection(key, 0);
        self.charges.mark(&mut self.table, key);
        let session = self.table.get_mut(key)?;
        if !session.detach(key, at, timers) {
            return None;
        }
        if session.is_closed() {
            self.closed.insert((at, key));
        }
        Some(session)
    }

    /// Restores when a session lapses, and whether its client has closed it. `None` means that the time is not known
    /// yet.
    pub(super) fn restore_lapse(&mut self, key: SessionKey, at: Option<Time>, closed: bool, timers: &mut Timers) {
        let Some(session) = self.table.get_mut(key) else { return };
        if let Some(before) = session.lapses() {
            self.closed.remove(&(before, key));
        }
        session.lapse_at(key, at, closed, timers);
        if let Some(at) = at.filter(|_| closed) {
            self.closed.insert((at, key));
        }
    }

    /// Removes a session, because its resume window has passed or a new session needs its place.
    pub(super) fn lapse(&mut self, key: SessionKey, timers: &mut Timers) -> Option<Session> {
        self.wait_for_connection(key, 0);
        let session = self.table.get_mut(key)?;
        let at = session.lapses();
        if !session.lapse(key, timers) {
            return None;
        }
        if let Some(at) = at {
            self.closed.remove(&(at, key));
        }
        let session = self.table.remove(key)?;
        self.arriving.remove(&key);
        self.charges.free(&session);
        self.by_id.remove(&session.id());
        let (newest, proved) = session.tokens();
        for token in proved.into_iter().chain([newest]) {
            self.by_token.remove(&token);
        }
        if let Some(ids) = self.principals.get_mut(session.principal()) {
            ids.remove(&session.id());
            if ids.is_empty() {
                self.principals.remove(session.principal());
            }
        }
        Some(session)
    }

    /// Returns the session to remove for a new one of a principal, or of any principal: among the sessions without live
    /// jobs that their clients have closed, the one that lapses first. Otherwise the sessions of a client that opens
    /// one for every command would exhaust its limit.
    pub(super) fn displaced(&self, principal: Option<&str>) -> Option<SessionKey> {
        let fits = |session: &Session| {
            session.is_idle() && principal.is_none_or(|principal| **session.principal() == *principal)
        };
        self.closed.iter().map(|(_, key)| *key).find(|key| self.table.get(*key).is_some_and(fits))
    }

    pub(super) fn held(&self) -> usize {
        self.table.values().map(Session::held).sum()
    }
}
