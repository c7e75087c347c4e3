//! The events of a job, their numbers, and the sessions they are shown in (§8).

use bytes::Bytes;

use super::Job;
use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::host::SessionKey;
use crate::arcp::runtime::jobs::history::{History, Past};
use crate::arcp::runtime::jobs::output::JobOutput;
use crate::arcp::wire::feature::Features;

impl Job {
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// The owner's number of its last event.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Notes the number that its owner's session gave to its last event or its terminal; `None` if it was not shown there.
    pub(crate) fn number(&mut self, seq: Option<u64>) {
        self.last_seq = match seq {
            // A later owner's numbers may be smaller than what was counted before it came.
            Some(seq) => seq.max(self.last_seq + 1),
            None if self.owner.is_some() => self.last_seq,
            None => self.last_seq + 1,
        };
    }

    /// Keeps its last event, with the owner's number; returns its position in the history.
    pub(crate) fn remember(&mut self, needs: Features, payload: Bytes, limits: &Limits) -> u64 {
        let position = self.history.end();
        let past = Past { seq: self.last_seq, needs, payload };
        self.history.push(past, limits.history_events, limits.history_bytes);
        position
    }

    /// Restores an event; `shared` says that no event before it has the owner's number `seq`. Returns whether it is new.
    pub(crate) fn restore_event(
        &mut self,
        position: u64,
        seq: u64,
        shared: bool,
        past: (Features, Bytes),
        limits: &Limits,
    ) -> bool {
        if self.terminal.is_some() || position < self.history.end() {
            return false;
        }
        self.history.skip_to(position, seq.saturating_add(u64::from(shared)));
        let (needs, payload) = past;
        self.history.push(Past { seq, needs, payload }, limits.history_events, limits.history_bytes);
        self.last_seq = seq;
        true
    }

    /// Returns the sessions that watch the job.
    pub(crate) fn watchers(&self) -> &[SessionKey] {
        &self.watchers
    }

    pub(crate) fn add_watcher(&mut self, session: SessionKey) {
        if !self.watchers.contains(&session) {
            self.watchers.push(session);
        }
    }

    pub(crate) fn remove_watcher(&mut self, session: SessionKey) {
        self.watchers.retain(|watcher| *watcher != session);
    }

    /// Returns the output that its agent has written so far.
    pub(crate) fn output(&self) -> &JobOutput {
        &self.output
    }

    pub(crate) fn output_mut(&mut self) -> &mut JobOutput {
        &mut self.output
    }
}
