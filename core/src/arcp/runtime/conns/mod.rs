//! All connections of a runtime.

pub(crate) mod claim;
pub(crate) mod conn;
pub(crate) mod credit;
mod pause;
pub(crate) mod replies;
pub(crate) mod silence;
pub(crate) mod state;
pub(crate) mod ungreeted;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use slotmap::SlotMap;

use self::conn::{Conn, Ending, Greeting};
use self::credit::Outstanding;
use self::replies::{Level, Reply};
use self::silence::Silence;
use self::ungreeted::{Origin, Surplus, Ungreeted};
use super::config::Limits;
use super::host::{ConnId, SessionKey, Via};
use super::rates::Rates;
use super::timers::Timers;
use crate::time::Time;

/// The period in which refused tokens are counted, in microseconds.
const MINUTE: u64 = 60_000_000;

/// The connections, and which of them may have something to send.
#[derive(Clone, Debug, Default)]
pub(super) struct Conns {
    table: SlotMap<ConnId, Conn>,
    /// The number of connections of sessions of other runtimes.
    guests: usize,
    ungreeted: Ungreeted,
    /// Refused tokens, by the origin of their connections.
    failed: Rates<Origin>,
    /// The number of hellos so far, which orders them.
    hellos: u64,
    /// Connections that may have something to send, each once.
    touched: VecDeque<ConnId>,
    /// Connections that end once their due frames are sent.
    leaving: VecDeque<(ConnId, Ending)>,
}

/// The result of queueing a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// Whether frames of the peer are read has not changed.
    AsBefore,
    /// No more frames of the peer are read.
    Paused,
    /// The host reads on although it was told not to.
    Overrun,
}

/// The result of losing a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    /// The connection did not exist any more.
    Before,
    /// The connection existed, and carried this session.
    Now(Option<SessionKey>),
}

/// What to do with a connection that has nothing more to send now.
#[derive(Clone, Copy, Debug)]
pub(super) enum Settled {
    /// It was closing and has sent everything.
    Flushed,
    /// Its frames are read again.
    Reading,
    /// Nothing.
    Idle,
}

impl Conns {
    pub(super) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.table.get(id)
    }

    /// Returns a connection, for changes that concern the connection alone.
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.table.get_mut(id)
    }

    pub(super) fn ids(&self) -> Vec<ConnId> {
        self.table.keys().collect()
    }

    /// The number of connections, without those of sessions of other runtimes.
    pub(super) fn len(&self) -> usize {
        self.table.len() - self.guests
    }

    pub(super) fn session(&self, id: ConnId) -> Option<SessionKey> {
        self.table.get(id)?.session()
    }

    pub(super) fn open(&mut self, via: Via, address: Option<IpAddr>, now: Time) -> ConnId {
        let place = self.ungreeted.next();
        let id = self.table.insert(Conn::new(via, place, now));
        self.ungreeted.insert(place, id, address.map(Origin::of));
        id
    }

    /// Adds the connection of a session of another runtime.
    pub(super) fn open_guest(&mut self, now: Time) -> ConnId {
        let conn = Conn::new(Via::Memory, self.ungreeted.next(), now).into_guest();
        self.guests += 1;
        self.table.insert(conn)
    }

    /// Removes and returns a connection whose hello waits for the host's answer.
    pub(super) fn release(&mut self, id: ConnId, timers: &mut Timers) -> Option<Conn> {
        if !self.table.get(id)?.awaits_host() {
            return None;
        }
        let mut conn = self.table.remove(id)?;
        conn.clear_deadlines(id, timers);
        self.ungreeted.remove(conn.place());
        Some(conn)
    }

    /// Adds a connection that another runtime has released. The hellos of both are counted by that one.
    pub(super) fn adopt(&mut self, mut conn: Conn) -> ConnId {
        let place = self.ungreeted.next();
        conn.arrive(place);
        self.hellos = self.hellos.max(conn.hello_order());
        let id = self.table.insert(conn);
        self.ungreeted.insert(place, id, None);
        self.touch(id);
        id
    }

    /// Counts a refused token of a connection.
    pub(super) fn login_failed(&mut self, id: ConnId, now: Time, limits: &Limits) {
        let origin = self.table.get(id).and_then(|conn| self.ungreeted.origin(conn.place()));
        if let (Some(origin), Some(times)) = (origin, limits.failed_logins_per_minute) {
            self.failed.note(&origin, now, times, MINUTE);
        }
    }

    /// Returns the limit of refused tokens that the origin of a connection has reached.
    pub(super) fn too_many_failed(&self, id: ConnId, now: Time, limits: &Limits) -> Option<u32> {
        let times = limits.failed_logins_per_minute?;
        let origin = self.ungreeted.origin(self.table.get(id)?.place())?;
        (!self.failed.allows(&origin, now, times, MINUTE)).then_some(times)
    }

    /// Returns the connection that has to go because this one was opened, if there are too many.
    pub(super) fn surplus(&self, newest: ConnId, limits: &Limits) -> Option<Surplus> {
        let surplus = self.ungreeted.surplus(self.table.get(newest)?.place(), limits);
        surplus.or_else(|| {
            // A connection without a session makes way for one that may get one.
            let conn = self.ungreeted.oldest()?;
            let max = limits.connections;
            (self.len() > max).then_some(Surplus { conn, limit: "connections", max })
        })
    }

    /// Notes how many bytes of an incomplete frame the driver holds.
    pub(super) fn buffered(&mut self, id: ConnId, bytes: usize) {
        if let Some(conn) = self.table.get_mut(id) {
            conn.buffered(bytes);
            self.ungreeted.buffered(conn.place(), bytes);
        }
    }

    /// Returns the connection that has to go because the driver holds too many bytes of incomplete first frames.
    pub(super) fn hoarder(&self, limits: &Limits) -> Option<Surplus> {
        self.ungreeted.hoarder(limits)
    }

    /// Starts the time a connection has for its hello.
    pub(super) fn await_hello(&mut self, id: ConnId, at: Time, timers: &mut Timers) {
        if let Some(conn) = self.table.get_mut(id) {
            conn.await_greeting(id, at, timers);
        }
    }

    /// A hello came that the host is asked about: it has until `at` to answer. Returns whether it was the first.
    pub(super) fn hello(&mut self, id: ConnId, greeting: Box<Greeting>, at: Time, timers: &mut Timers) -> bool {
        let order = self.hellos + 1;
        let Some(conn) = self.table.get_mut(id) else { return false };
        if !conn.hello(order, Some(greeting)) {
            return false;
        }
        self.hellos = order;
        conn.await_greeting(id, at, timers);
        true
    }

    /// Notes a `session.resume` whose resume token is its proof, so that the host is not asked.
    pub(super) fn hello_by_token(&mut self, id: ConnId) {
        let order = self.hellos + 1;
        if self.table.get_mut(id).is_some_and(|conn| conn.hello(order, None)) {
            self.hellos = order;
        }
    }

    /// A resume waits for the journal, which has a deadline of its own.
    pub(super) fn wait_for_journal(&mut self, id: ConnId, timers: &mut Timers) {
        if let Some(conn) = self.table.get_mut(id) {
            conn.stop_awaiting(id, timers);
        }
    }

    /// Binds a session to a connection. `heartbeat` is when silence is checked first.
    pub(super) fn admit(
        &mut self,
        id: ConnId,
        session: SessionKey,
        heartbeat: Option<Time>,
        now: Time,
        timers: &mut Timers,
    ) {
        let Some(conn) = self.table.get_mut(id) else { return };
        if !conn.admit(session, now) {
            return;
        }
        self.ungreeted.remove(conn.place());
        conn.stop_awaiting(id, timers);
        if let Some(at) = heartbeat {
            conn.watch_heartbeat(id, at, timers);
        }
    }

    /// Queues a reply. If too many pile up, frames of the peer are no longer read.
    pub(super) fn queue(&mut self, id: ConnId, reply: Reply, limits: &Limits) -> Queued {
        let Some(conn) = self.table.get_mut(id) else { return Queued::AsBefore };
        conn.push(reply);
        if conn.touch() {
            self.touched.push_back(id);
        }
        match conn.level(limits) {
            Level::Full if conn.pause() => Queued::Paused,
            Level::Low | Level::Full => Queued::AsBefore,
            Level::Overrun => Queued::Overrun,
        }
    }

    /// Notes that a connection may have something to send.
    pub(super) fn touch(&mut self, id: ConnId) {
        if self.table.get_mut(id).is_some_and(Conn::touch) {
            self.touched.push_back(id);
        }
    }

    /// The next connection that may have something to send.
    pub(super) fn next_touched(&mut self) -> Option<ConnId> {
        let id = self.touched.pop_front()?;
        if let Some(conn) = self.table.get_mut(id) {
            conn.untouch();
        }
        Some(id)
    }

    /// Notes that a connection ends once it was given what is due.
    pub(super) fn leave(&mut self, id: ConnId, ending: Ending) {
        self.leaving.push_back((id, ending));
    }

    pub(super) fn next_leaving(&mut self) -> Option<(ConnId, Ending)> {
        self.leaving.pop_front()
    }

    /// Notes that a frame was given to the driver of a connection; from then on it has until `stalled` to write one.
    pub(super) fn give(
        &mut self,
        id: ConnId,
        frame: Outstanding,
        after: u64,
        now: Time,
        stalled: Time,
        timers: &mut Timers,
    ) {
        if let Some(conn) = self.table.get_mut(id) {
            conn.give(id, frame, after, now, stalled, timers);
        }
    }

    /// Stops reading from a connection until the submits of its session are answered. Returns whether it was read before.
    pub(super) fn await_answer(&mut self, id: ConnId) -> bool {
        self.table.get_mut(id).is_some_and(Conn::await_answer)
    }

    /// Notes that a connection has nothing more to send now, and returns what to do. `answered` says whether the submits of
    /// a session are answered.
    pub(super) fn settle(&mut self, id: ConnId, answered: impl FnOnce(SessionKey) -> bool, limits: &Limits) -> Settled {
        let Some(conn) = self.table.get_mut(id) else { return Settled::Idle };
        if conn.is_flushed() {
            Settled::Flushed
        } else if conn.resume_reading(answered, limits) && !self.leaving.iter().any(|(leaving, _)| *leaving == id) {
            Settled::Reading
        } else {
            Settled::Idle
        }
    }

    /// Starts to close a connection: it closes when its queued frames are sent, or at `linger`. Returns the session
    /// that it carried.
    pub(super) fn end(&mut self, id: ConnId, ending: Ending, linger: Time, timers: &mut Timers) -> Option<SessionKey> {
        let conn = self.table.get_mut(id)?;
        if !conn.end(ending) {
            return None;
        }
        self.ungreeted.remove(conn.place());
        conn.stop_awaiting(id, timers);
        conn.stop_heartbeat(id, timers);
        conn.linger(id, linger, timers);
        if conn.touch() {
            self.touched.push_back(id);
        }
        conn.unbind()
    }

    /// Removes the session from a connection that is being replaced.
    pub(super) fn unbind(&mut self, id: ConnId) {
        if let Some(conn) = self.table.get_mut(id) {
            conn.unbind();
        }
    }

    /// Removes a closing connection that has sent everything, or whose time is over. Returns its close code and reason.
    pub(super) fn flushed(&mut self, id: ConnId, timers: &mut Timers) -> Option<Ending> {
        let conn = self.table.get_mut(id)?;
        if !conn.flushed() {
            return None;
        }
        let ending = conn.ending();
        self.remove(id, timers);
        ending
    }

    /// Removes a connection whose transport was lost or is given up.
    pub(super) fn lost(&mut self, id: ConnId, timers: &mut Timers) -> Lost {
        let Some(conn) = self.table.get_mut(id) else { return Lost::Before };
        if !conn.lost() {
            return Lost::Before;
        }
        self.ungreeted.remove(conn.place());
        let session = conn.unbind();
        self.remove(id, timers);
        Lost::Now(session)
    }

    fn remove(&mut self, id: ConnId, timers: &mut Timers) {
        if let Some(mut conn) = self.table.remove(id) {
            self.guests -= usize::from(conn.is_guest());
            conn.clear_deadlines(id, timers);
        }
    }

    /// Notes that the greeting deadline of a connection has passed.
    pub(super) fn greeting_passed(&mut self, id: ConnId) {
        if let Some(conn) = self.table.get_mut(id) {
            conn.greeting_passed();
        }
    }

    /// Handles the stall deadline of a connection. Returns whether it has written nothing for `patience` although
    /// frames are outstanding.
    pub(super) fn is_stalled(
        &mut self,
        id: ConnId,
        now: Time,
        patience: core::time::Duration,
        timers: &mut Timers,
    ) -> bool {
        let Some(conn) = self.table.get_mut(id) else { return false };
        let Some(since) = conn.stall_passed() else { return false };
        let at = since.plus(patience);
        if at > now {
            conn.watch_stall(id, at, timers);
        }
        at <= now
    }

    /// Handles the heartbeat deadline of a connection, and returns what to do.
    pub(super) fn silence(&mut self, id: ConnId, now: Time, interval: u64) -> Silence {
        self.table.get_mut(id).map_or(Silence::None, |conn| conn.silence(now, interval))
    }

    /// Sets the next time at which the silence of a connection is checked.
    pub(super) fn watch_heartbeat(&mut self, id: ConnId, now: Time, interval: u64, timers: &mut Timers) {
        if let Some(conn) = self.table.get_mut(id) {
            let at = conn.next_heartbeat(now, interval);
            conn.watch_heartbeat(id, at, timers);
        }
    }

    pub(super) fn held(&self) -> usize {
        self.table.values().map(Conn::held).sum::<usize>() + self.ungreeted.held() + self.failed.held()
    }
}
