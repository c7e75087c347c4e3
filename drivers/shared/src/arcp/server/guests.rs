//! Sessions of other shards that a shard answers, and what its own sessions ask the others.
//!
//! ```text
//!  shard A, which has the session      Event::Relay -> Letter::Ask ---> open_guest, handle_frame     shard B, which has the job
//!                                      handle_relayed <--- Letter::Frame <- Output::Send
//!                                      Event::RelayTaken -> Letter::Taken ---> handle_sent
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::arcp::{ConnId, Event, Runtime, SessionUlid};
use nuncio_core::time::Time;

use super::action::Actions;
use super::post::{Letter, Post};

/// The guests of a shard, and its place in the post.
pub(super) struct Guests {
    shard: u32,
    post: Arc<Post>,
    /// The connections of guests, by their sessions.
    conns: HashMap<SessionUlid, ConnId>,
    /// The shard and the session of each guest, by its connection.
    sessions: HashMap<ConnId, (u32, SessionUlid)>,
}

impl Guests {
    pub(super) fn new(shard: u32, post: Arc<Post>) -> Guests {
        Guests { shard, post, conns: HashMap::new(), sessions: HashMap::new() }
    }

    /// Whether a connection is that of a guest.
    pub(super) fn has(&self, conn: ConnId) -> bool {
        !self.sessions.is_empty() && self.sessions.contains_key(&conn)
    }

    /// Sends a frame to the session of a guest.
    pub(super) fn tell(&self, conn: ConnId, frame: Bytes, actions: &mut Actions) {
        if let Some((home, session)) = self.sessions.get(&conn).copied() {
            self.send(home, Letter::Frame { from: self.shard, session, frame }, actions);
        }
    }

    /// Forgets a guest whose connection the machine has closed, and has its session told.
    pub(super) fn lose(&mut self, conn: ConnId, actions: &mut Actions) {
        if let Some((home, session)) = self.sessions.remove(&conn) {
            self.conns.remove(&session);
            self.send(home, Letter::Lost { from: self.shard, session }, actions);
        }
    }

    /// Posts what an event says to other shards.
    pub(super) fn post(&self, event: &Event, actions: &mut Actions) {
        match event {
            Event::Relay { guest, frame } => {
                for other in self.post.others(self.shard) {
                    let letter = Letter::Ask { home: self.shard, guest: guest.clone(), frame: frame.clone() };
                    self.send(other, letter, actions);
                }
            }
            Event::RelayTaken { session, from } => self.send(*from, Letter::Taken { session: *session }, actions),
            Event::GuestLeft { session } => {
                for other in self.post.others(self.shard) {
                    self.send(other, Letter::Left { session: *session }, actions);
                }
            }
            _ => {}
        }
    }

    fn send(&self, to: u32, letter: Letter, actions: &mut Actions) {
        if self.post.send(to, letter) {
            let post = Arc::clone(&self.post);
            actions.push(move |_| post.wake(to));
        }
    }

    /// Returns the connection of a guest, and forgets the guest if it has `left`.
    fn conn(&mut self, session: SessionUlid, left: bool) -> Option<ConnId> {
        let conn = self.conns.get(&session).copied()?;
        if left {
            self.conns.remove(&session);
            self.sessions.remove(&conn);
        }
        Some(conn)
    }

    /// Hands letters of other shards to the machine until there are no more, or the turn is over. Returns whether there may be
    /// more.
    pub(super) fn read_post(&mut self, runtime: &mut Runtime, now: Time) -> bool {
        runtime.begin_turn();
        while let Some(letter) = self.post.next(self.shard) {
            self.read_letter(runtime, now, letter);
            if runtime.is_turn_over() {
                return true;
            }
        }
        false
    }

    fn read_letter(&mut self, runtime: &mut Runtime, now: Time, letter: Letter) {
        match letter {
            Letter::Ask { home, guest, frame } => {
                let session = guest.session();
                let conn = self.conn(session, false).unwrap_or_else(|| {
                    let conn = runtime.open_guest(now, &guest);
                    self.conns.insert(session, conn);
                    self.sessions.insert(conn, (home, session));
                    conn
                });
                runtime.handle_frame(now, conn, &frame);
            }
            Letter::Frame { from, session, frame } => runtime.handle_relayed(now, from, session, &frame),
            Letter::Taken { session } => {
                if let Some(conn) = self.conn(session, false) {
                    runtime.handle_sent(now, conn, 1);
                }
            }
            Letter::Left { session } => {
                if let Some(conn) = self.conn(session, true) {
                    runtime.handle_close(now, conn);
                }
            }
            Letter::Lost { from, session } => runtime.handle_guest_lost(now, from, session),
        }
    }
}
