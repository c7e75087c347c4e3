//! Who is shown what (core/docs/arcp.md §7.6 and "Order of frames"), and the comparison with what was sent.

use nuncio_core::arcp::JobUlid;

use super::{Entry, Model, State};
use crate::world::Frame;

impl Model {
    /// An event of a job goes to everyone who is shown the job and has the feature it needs.
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

    /// `job.subscribe` of a session (§7.6).
    pub(in super::super) fn subscribe(&mut self, session: &str, name: &str, history: bool) {
        let known = self.named(name).filter(|_| self.sessions.contains_key(session));
        self.asking = known.map(|id| (session.to_owned(), id, history));
    }

    /// The subscription was decided.
    pub(in super::super) fn subscription(&mut self, granted: bool) {
        let Some((session, id, history)) = self.asking.take() else { return };
        let job = &self.jobs[&id];
        let same = self.sessions[&session].principal == job.principal;
        assert_eq!(granted, same, "§7.6: only the submitter's principal may watch {}", job.id);
        if !granted {
            return;
        }
        let ended = job.state == State::Ended;
        let entries = job.history.clone();
        let features = self.sessions[&session].features.clone();
        let watch = self.watch_mut(&session, id);
        watch.decided += 1;
        if watch.live && !watch.subscriber {
            // One's own live job: nothing comes twice.
            return;
        }
        // A replay that is repeated before it was over may begin again anywhere, and share its terminal.
        if watch.subscriber && (watch.seen < watch.expected.len() || (watch.live && history)) {
            watch.loose = true;
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

    /// `job.unsubscribe` of a session: silent, and no effect on one's own job.
    pub(in super::super) fn unsubscribe(&mut self, session: &str, name: &str) {
        let Some(id) = self.named(name) else { return };
        let watch = self.sessions.get_mut(session).and_then(|session| session.watches.get_mut(&id));
        if let Some(watch) = watch.filter(|watch| watch.subscriber) {
            watch.live = false;
            watch.loose = true;
        }
    }

    /// The answer to a subscription has left the runtime.
    pub(in super::super) fn answered(&mut self, session: &str, name: &str) {
        let Some(id) = self.named(name).filter(|_| self.sessions.contains_key(session)) else { return };
        let watch = self.watch_mut(session, id);
        watch.answered += 1;
    }

    /// A history is not whole any more: it begins anywhere.
    pub(in super::super) fn truncated(&mut self, session: &str, name: &str) {
        if let Some(id) = self.named(name).filter(|_| self.sessions.contains_key(session)) {
            self.watch_mut(session, id).loose = true;
        }
    }

    /// Of a job's history something could not be read back.
    pub(in super::super) fn unread(&mut self, id: JobUlid) {
        for session in self.sessions.values_mut() {
            if let Some(watch) = session.watches.get_mut(&id).filter(|watch| watch.subscriber) {
                watch.loose = true;
            }
        }
    }

    /// A numbered frame that a session had not been sent before.
    pub(in super::super) fn saw(&mut self, session: &str, frame: &Frame) {
        self.seen.push((session.to_owned(), frame.clone()));
    }

    /// What was sent is the next thing that was foretold.
    pub(super) fn compare(&mut self, name: &str, frame: &Frame) {
        let Some(session) = self.sessions.get_mut(name) else { return };
        let acked = session.acked;
        let id = JobUlid::parse(frame.job());
        let watch = id.and_then(|id| session.watches.get_mut(&id));
        let watch = watch.unwrap_or_else(|| panic!("§7.6 no_leak: {name} is not shown this job: {frame:?}"));
        let entry = Entry::of(frame);
        if watch.loose || (entry.is_phase("back_pressure") && acked) {
            return;
        }
        if entry.is_phase("subscription_dropped") && watch.subscriber {
            // What was asked for since is not told apart from what will not come any more.
            watch.live = false;
            watch.loose = true;
            return;
        }
        while let Some((_, expected)) = watch.expected.get(watch.seen) {
            watch.seen += 1;
            if expected.agrees(&entry) {
                return;
            }
            assert!(expected.may_be_left_out(), "model: {name} expected {expected:?} and was sent {frame:?}");
        }
        panic!("model: {name} expected nothing more of this job and was sent {frame:?}");
    }

    /// After healing: everything that was foretold to these sessions was sent.
    pub(in super::super) fn delivered(&self, name: &str) {
        let Some(session) = self.sessions.get(name) else { return };
        for (id, watch) in session.watches.iter().filter(|(_, watch)| !watch.loose) {
            let missing = watch.expected.iter().skip(watch.seen).find(|(_, entry)| !entry.may_be_left_out());
            let job = &self.jobs[id].id;
            assert!(missing.is_none(), "live_after_healing: {name} was never sent {missing:?} of {job}");
        }
    }
}
