//! Questions to the journal that it has not answered (§6.3, §7.6).

use alloc::boxed::Box;
use alloc::sync::Arc;

use slotmap::SlotMap;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::conns::claim::Claim;
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::{ConnId, JobKey, Refused, ReplayId, SessionKey};
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::error::Fault;
use crate::time::Time;

/// What a question to the journal is for.
#[derive(Clone, Debug)]
pub(super) enum Wants {
    /// A connection resumes from before the events in memory.
    Resume { conn: ConnId, claim: Claim, principal: Arc<str>, request_id: Option<Box<str>> },
    /// The connection of this epoch of a session needs the session's next events.
    Log { session: SessionKey, epoch: u32 },
    /// A subscription needs to know where its history begins.
    Start { session: SessionKey, epoch: u32, job: JobKey, request_id: Box<str>, from: u64 },
    /// A subscription needs the next events of its job.
    History { session: SessionKey, job: JobKey },
}

/// The open questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Replays(SlotMap<ReplayId, Replay>);

#[derive(Clone, Debug)]
struct Replay {
    wants: Wants,
    deadline: Deadline,
}

impl Replays {
    /// Asks a question, with a deadline for the answer.
    pub(super) fn ask(&mut self, wants: Wants, until: Time, timers: &mut Timers) -> ReplayId {
        let id = self.0.insert(Replay { wants, deadline: Deadline::new(Timer::Replay) });
        if let Some(replay) = self.0.get_mut(id) {
            replay.deadline.set(until, id, timers);
        }
        id
    }

    /// Closes a question that was answered, or whose deadline has passed.
    pub(super) fn take(&mut self, id: ReplayId, timers: &mut Timers) -> Result<Wants, Refused> {
        let mut replay = self.0.remove(id).ok_or(Refused::Stale)?;
        replay.deadline.clear(id, timers);
        Ok(replay.wants)
    }

    pub(super) fn is_open(&self, id: ReplayId) -> bool {
        self.0.contains_key(id)
    }

    /// Checks that one more question may be asked for a peer.
    pub(super) fn room(&self, limits: &Limits) -> Result<(), Fault> {
        if self.0.len() >= limits.replays {
            return Err(Fault::limit("replays", limits.replays as u64));
        }
        Ok(())
    }

    /// Whether a session may ask for one more beginning of a history. One session must not use all of the journal's
    /// time, so the number of its open questions has the same limit as the replies of a connection.
    pub(super) fn room_for_start(&self, session: SessionKey, limits: &Limits) -> Result<(), Fault> {
        self.room(limits)?;
        let own = |replay: &&Replay| matches!(&replay.wants, Wants::Start { session: key, .. } if *key == session);
        if self.0.values().filter(own).count() >= limits.reply_frames {
            return Err(Fault::limit("reply_frames", limits.reply_frames as u64));
        }
        Ok(())
    }

    pub(super) fn held(&self) -> usize {
        self.0.len() * 256
    }
}
