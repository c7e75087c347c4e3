//! Which session is shown what (core/docs/arcp.md §7.6 and "Order of frames"), and the comparison with what was sent.

use nuncio_core::arcp::JobUlid;

use super::{Entry, Model, State, rules};
use crate::world::Frame;

impl Model {
    /// Adds an event to a job and to every session that is shown the job and has the feature it needs.
    pub(in super::super) fn append(&mut self, id: JobUlid, entry: Entry) {
        let place = self.jobs[&id].history.len();
        for session in self.sessions.values_mut() {
            let shown = entry.needs().is_none_or(|feature| session.features.contains(feature));
            if let Some(watch) = session.watches.get_mut(&id).filter(|watch| watch.live && shown) {
                watch.expected.push((place, entry.clone()));
            }
        }
        self.job_mut(id).history.push(entry);
    }

    /// A session sent `job.subscribe` (§7.6).
    pub(in super::super) fn subscribe(&mut self, session: &str, name: &str, history: bool) {
        let known = self.named(name).filter(|_| self.sessions.contains_key(session));
        self.subscribing = known.map(|id| (session.to_owned(), id, history));
    }

    /// The subscription was decided.
    pub(in super::super) fn subscription(&mut self, granted: bool) {
        let Some((session, id, history)) = self.subscribing.take() else { return };
        let job = &self.jobs[&id];
        let may = self.may_decide(&self.sessions[&session].principal, job);
        rules::only_the_principal_watches(job, granted, may);
        if !granted {
            return;
        }
        let ended = job.state == State::Ended;
        let entries = job.history.clone();
        let features = self.sessions[&session].features.clone();
        let watch = self.watch_mut(&session, id);
        watch.decided += 1;
        if watch.live && !watch.subscriber {
            // A session's own live job is not shown twice.
            return;
        }
        // A replay that is repeated before it was over may start anywhere, and both share one terminal.
        if watch.subscriber && (watch.sent < watch.expected.len() || (watch.live && history)) {
            watch.unpredictable = true;
        }
        let again = watch.live && !history;
        watch.subscriber = true;
        watch.live = !ended;
        let shown = |(_, entry): &(usize, Entry)| entry.needs().is_none_or(|feature| features.contains(feature));
        let mut placed = entries.into_iter().enumerate();
        if history {
            watch.expected.extend(placed.filter(shown));
        } else if ended && !again {
            watch.expected.extend(placed.next_back());
        }
    }

    /// A session sent `job.unsubscribe`, which is silent and has no effect on an own job.
    pub(in super::super) fn unsubscribe(&mut self, session: &str, name: &str) {
        let Some(id) = self.named(name) else { return };
        let watch = self.sessions.get_mut(session).and_then(|session| session.watches.get_mut(&id));
        if let Some(watch) = watch.filter(|watch| watch.subscriber) {
            watch.live = false;
            watch.unpredictable = true;
        }
    }

    /// `job.subscribed` was sent.
    pub(in super::super) fn answered(&mut self, session: &str, name: &str) {
        let Some(id) = self.named(name).filter(|_| self.sessions.contains_key(session)) else { return };
        let watch = self.watch_mut(session, id);
        watch.answered += 1;
    }

    /// A history was truncated: it may start anywhere.
    pub(in super::super) fn history_truncated(&mut self, session: &str, name: &str) {
        if let Some(id) = self.named(name).filter(|_| self.sessions.contains_key(session)) {
            self.watch_mut(session, id).unpredictable = true;
        }
    }

    /// A part of a job's history could not be read back.
    pub(in super::super) fn history_unreadable(&mut self, id: JobUlid) {
        for session in self.sessions.values_mut() {
            if let Some(watch) = session.watches.get_mut(&id).filter(|watch| watch.subscriber) {
                watch.unpredictable = true;
            }
        }
    }

    /// A numbered frame was sent to a session for the first time.
    pub(in super::super) fn record_sent(&mut self, session: &str, frame: &Frame) {
        self.sent.push((session.to_owned(), frame.clone()));
    }

    /// Asserts that the frame is the next predicted entry.
    pub(super) fn compare(&mut self, name: &str, frame: &Frame) {
        let Some(session) = self.sessions.get_mut(name) else { return };
        let acked = session.acked;
        let id = JobUlid::parse(frame.job());
        let watch = id.and_then(|id| session.watches.get_mut(&id));
        let watch = watch.unwrap_or_else(|| panic!("§7.6: {name} does not watch this job: {frame:?}"));
        let entry = Entry::of(frame);
        if watch.unpredictable || (entry.is_phase("back_pressure") && acked) {
            return;
        }
        if entry.is_phase("subscription_dropped") && watch.subscriber {
            // Entries requested since cannot be distinguished from those that are no longer sent.
            watch.live = false;
            watch.unpredictable = true;
            return;
        }
        while let Some((_, expected)) = watch.expected.get(watch.sent) {
            watch.sent += 1;
            if expected.agrees(&entry) {
                return;
            }
            assert!(expected.may_be_left_out(), "model: {name} was sent {frame:?} and not {expected:?}");
        }
        panic!("model: {name} was sent {frame:?}, which nothing predicts");
    }

    /// Once no more faults occur, a session that is connected has been sent everything that was predicted.
    pub(in super::super) fn check_delivery(&self, name: &str) {
        let Some(session) = self.sessions.get(name) else { return };
        for (id, watch) in session.watches.iter().filter(|(_, watch)| !watch.unpredictable) {
            let missing = watch.expected.iter().skip(watch.sent).find(|(_, entry)| !entry.may_be_left_out());
            rules::everything_predicted_is_sent(name, &self.jobs[id], missing);
        }
    }
}
