//! All connections of a runtime.

pub(crate) mod conn;
pub(crate) mod credit;
pub(crate) mod replies;
pub(crate) mod state;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use slotmap::SlotMap;

use self::conn::{Conn, Ending, Greeting, Silence};
use self::credit::Outstanding;
use self::replies::{Level, Reply};
use super::config::Limits;
use super::host::{ConnId, SessionKey, Via};
use super::timers::Timers;
use crate::time::Time;

/// The connections, and which of them may have something to send.
#[derive(Clone, Debug, Default)]
pub(super) struct Conns {
    table: SlotMap<ConnId, Conn>,
    /// Connections that were neither welcomed nor refused.
    ungreeted: usize,
    /// Hellos so far, in the order in which they came.
    hellos: u64,
    /// Connections that may have something to send, each once.
    touched: VecDeque<ConnId>,
    /// Connections that end once they were given what is due.
    leaving: VecDeque<(ConnId, Ending)>,
}

/// What queueing a reply has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// Nothing: frames of the peer are read, or not read, as before.
    AsBefore,
    /// No more frames of the peer are read.
    Paused,
    /// The host reads on regardless.
    Overrun,
}

/// When a connection was lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    /// It is not there any more.
    Before,
    /// It was there, and carried this session.
    Now(Option<SessionKey>),
}

/// What there is to do with a connection that has nothing more to send now.
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

    /// A connection, for what changes nothing but itself.
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.table.get_mut(id)
    }

    pub(super) fn ids(&self) -> Vec<ConnId> {
        self.table.keys().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Connections that were neither welcomed nor refused.
    pub(super) fn ungreeted(&self) -> usize {
        self.ungreeted
    }

    pub(super) fn session(&self, id: ConnId) -> Option<SessionKey> {
        self.table.get(id)?.session()
    }

    pub(super) fn open(&mut self, via: Via, now: Time) -> ConnId {
        self.ungreeted += 1;
        self.table.insert(Conn::new(via, now))
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

    /// A `session.resume` came that proves itself, without the host.
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

    /// Gives a session to a connection. `heartbeat` is when silence is looked at first.
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
        self.ungreeted -= 1;
        conn.stop_awaiting(id, timers);
        if let Some(at) = heartbeat {
            conn.watch_heartbeat(id, at, timers);
        }
    }

    /// Queues a reply. Where too many pile up, the peer is not read from.
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

    /// A connection has nothing more to send now.
    pub(super) fn settle(&mut self, id: ConnId, limits: &Limits) -> Settled {
        let Some(conn) = self.table.get_mut(id) else { return Settled::Idle };
        if conn.is_flushed() {
            Settled::Flushed
        } else if conn.resume_reading(limits) {
            Settled::Reading
        } else {
            Settled::Idle
        }
    }

    /// No frame follows but what is queued: the connection closes when that is sent, or at `linger`. Returns the session
    /// it carried.
    pub(super) fn end(&mut self, id: ConnId, ending: Ending, linger: Time, timers: &mut Timers) -> Option<SessionKey> {
        let conn = self.table.get_mut(id)?;
        let ungreeted = conn.is_ungreeted();
        if !conn.end(ending) {
            return None;
        }
        if ungreeted {
            self.ungreeted -= 1;
        }
        conn.stop_awaiting(id, timers);
        conn.stop_heartbeat(id, timers);
        conn.linger(id, linger, timers);
        if conn.touch() {
            self.touched.push_back(id);
        }
        conn.unbind()
    }

    /// Takes the session from a connection that another one replaces.
    pub(super) fn unbind(&mut self, id: ConnId) {
        if let Some(conn) = self.table.get_mut(id) {
            conn.unbind();
        }
    }

    /// A closing connection has sent everything, or its time is over. Returns how it closes.
    pub(super) fn flushed(&mut self, id: ConnId, timers: &mut Timers) -> Option<Ending> {
        let conn = self.table.get_mut(id)?;
        if !conn.flushed() {
            return None;
        }
        let ending = conn.ending();
        self.remove(id, timers);
        ending
    }

    /// The transport of a connection is gone, or is given up.
    pub(super) fn lost(&mut self, id: ConnId, timers: &mut Timers) -> Lost {
        let Some(conn) = self.table.get_mut(id) else { return Lost::Before };
        let ungreeted = conn.is_ungreeted();
        if !conn.lost() {
            return Lost::Before;
        }
        if ungreeted {
            self.ungreeted -= 1;
        }
        let session = conn.unbind();
        self.remove(id, timers);
        Lost::Now(session)
    }

    fn remove(&mut self, id: ConnId, timers: &mut Timers) {
        if let Some(mut conn) = self.table.remove(id) {
            conn.clear_deadlines(id, timers);
        }
    }

    /// The greeting deadline of a connection has passed.
    pub(super) fn greeting_passed(&mut self, id: ConnId) {
        if let Some(conn) = self.table.get_mut(id) {
            conn.greeting_passed();
        }
    }

    /// The stall deadline of a connection has passed. Returns whether it has written nothing for `patience`, though
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

    /// The heartbeat deadline of a connection has passed: what is there to do?
    pub(super) fn silence(&mut self, id: ConnId, now: Time, interval: u64) -> Silence {
        self.table.get_mut(id).map_or(Silence::None, |conn| conn.silence(now, interval))
    }

    /// Looks at the silence of a connection again when it may have lasted long enough.
    pub(super) fn watch_heartbeat(&mut self, id: ConnId, now: Time, interval: u64, timers: &mut Timers) {
        if let Some(conn) = self.table.get_mut(id) {
            let at = conn.next_heartbeat(now, interval);
            conn.watch_heartbeat(id, at, timers);
        }
    }

    pub(super) fn held(&self) -> usize {
        self.table.values().map(Conn::held).sum()
    }
}
