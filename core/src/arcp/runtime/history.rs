//! Sends the history of a subscribed job, a few events at a time while the connection takes them, and no more in a turn than
//! [`Limits::turn_work`](crate::arcp::Limits::turn_work) allows (§7.6).

use bytes::Bytes;

use super::append::event_len;
use super::host::{JobKey, SessionKey};
use super::jobs::history::Past;
use super::sessions::session::Session;
use super::unfinished::Rest;
use super::{Runtime, work};

/// The next item of a job's history.
enum Next {
    /// An event that the session takes.
    Event(Bytes),
    /// An event that needs a feature the session does not have.
    Skip,
    /// An event that is too large for the session.
    TooLarge,
    /// An event that is no longer in memory.
    Dropped,
    /// The job's terminal.
    Terminal(&'static str, Bytes),
    /// The end of the history: the session is sent new events from now on.
    Caught,
}

impl Runtime {
    /// Appends the next event of a history to a session's log, if one may be shown now. Returns whether there may be more.
    pub(super) fn replay_next(&mut self, key: SessionKey) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let ready = session.next_replay(self.clock.now(), self.config.limits.send_window);
        let (Some((id, at)), connected) = (ready, session.conn().is_some()) else { return false };
        let next = self.next_of_history(key, id, at);
        let sent = if let Some(Next::Event(payload)) = &next { payload.len() as u64 } else { 0 };
        self.work.charge(work::REPLAYED + sent / work::FRAME_BYTES);
        if self.is_input_long() {
            self.pause_histories(key);
        }
        let Some(next) = next else {
            self.unwatch(key, id);
            return true;
        };
        match next {
            Next::Event(payload) => {
                self.advance_replay(key, id, at + 1);
                self.show_alone(key, id, "job.event", &payload, Some(at));
            }
            Next::Skip => self.advance_replay(key, id, at + 1),
            Next::Dropped if self.durability.is_readable() && connected => self.fetch_history(key, id, at),
            // The replay continues with the next connection.
            Next::Dropped if self.durability.is_readable() => return false,
            Next::Dropped | Next::TooLarge => self.drop_subscription(key, id),
            Next::Terminal(kind, payload) => {
                self.show_alone(key, id, kind, &payload, None);
                self.unwatch(key, id);
            }
            Next::Caught => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.caught_up(id);
                }
            }
        }
        true
    }

    /// Leaves the rest of the histories that a session is sent to a later turn.
    fn pause_histories(&mut self, key: SessionKey) {
        if self.sessions.get_mut(key).is_some_and(Session::pause_histories) {
            self.leave_to_later_turn(Rest::Histories(key));
        }
    }

    /// Goes on with the histories that a session is sent. Returns whether the session has a connection, on which the flush
    /// sends them.
    pub(super) fn go_on_with_histories(&mut self, key: SessionKey) -> bool {
        let conn = self.sessions.get_mut(key).and_then(|session| {
            session.go_on_with_histories();
            session.conn()
        });
        if let Some(conn) = conn {
            self.conns.touch(conn);
        }
        conn.is_some()
    }

    /// Returns the item at a position of a job's history, or `None` if the job no longer exists.
    fn next_of_history(&self, key: SessionKey, id: JobKey, at: u64) -> Option<Next> {
        let (session, job) = (self.sessions.get(key)?, self.jobs.get(id)?);
        Some(match (job.history().at(at), job.terminal()) {
            (Err(()), _) => Next::Dropped,
            (Ok(Some(Past { payload, .. })), _) if event_len(payload.len()) > self.frame_limit(Some(key)) => {
                Next::TooLarge
            }
            (Ok(Some(past)), _) if session.features().intersection(past.needs) == past.needs => {
                Next::Event(session.dialect().numbered(job.ulid(), "job.event", &past.payload).1)
            }
            (Ok(Some(_)), _) => Next::Skip,
            (Ok(None), Some(terminal)) => {
                let (kind, payload, _) = self.terminal_for(key, job.ulid(), terminal);
                Next::Terminal(kind, payload)
            }
            (Ok(None), None) => Next::Caught,
        })
    }

    /// Notes that a history was sent up to a position.
    pub(super) fn advance_replay(&mut self, key: SessionKey, id: JobKey, at: u64) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.advance_replay(id, at);
        }
    }
}
