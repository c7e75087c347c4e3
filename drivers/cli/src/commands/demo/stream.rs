//! The stream of a session's events over a kill of its server: what the client received, against what the journal says was
//! sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nuncio_core::arcp::Transcript;
use nuncio_tokio::arcp::SessionUlid;
use nuncio_tokio::arcp::journal::{JournalError, SqliteJournal};
use serde_json::Value;

use super::narration::narrate;
use super::session::SessionReport;
use crate::text::count;

/// A numbered frame in the journal.
pub(super) struct Sent {
    pub(super) seq: u64,
    /// The body, if the frame is an event.
    pub(super) body: Option<Value>,
}

/// The frames that a session was sent, according to the journal.
pub(super) fn sent(journal: &Path, session: SessionUlid) -> Result<Vec<Sent>, JournalError> {
    let journal = SqliteJournal::look(journal)?;
    let mut transcript = Transcript::new(session);
    let (mut sent, mut at) = (Vec::new(), 0);
    while let Some(committed) = journal.after(at)? {
        at = committed.last;
        for frame in committed.records.iter().filter_map(|(_, record)| transcript.take(record)) {
            let envelope: Value = serde_json::from_slice(&frame.frame).unwrap_or_default();
            sent.push(Sent { seq: frame.seq, body: envelope.pointer("/payload/body").cloned() });
        }
    }
    Ok(sent)
}

/// What the client received.
#[derive(Default)]
pub(super) struct Stream {
    /// The bodies of events, by the number of their frame.
    received: BTreeMap<u64, Option<Value>>,
    twice: u64,
    resumed: u64,
    kills: u64,
    /// Frames in the journal at the kill.
    stored: usize,
    /// Frames that the client had received at the kill.
    seen: usize,
    /// Those of them that the journal did not have.
    unstored: usize,
}

impl Stream {
    pub(super) fn receive(&mut self, seq: u64, body: Option<Value>) {
        self.twice += u64::from(self.received.insert(seq, body).is_some());
    }

    pub(super) fn session(&mut self, report: &SessionReport) {
        match report {
            SessionReport::Resumed => self.resumed += 1,
            SessionReport::Lost(_) | SessionReport::Trouble(_) => {}
        }
    }

    pub(super) fn resumed(&self) -> bool {
        self.resumed > 0
    }

    /// Compares what the client has received with what the killed server has left in the journal.
    pub(super) fn killed(&mut self, left: &[Sent]) {
        let stored: BTreeSet<u64> = left.iter().map(|sent| sent.seq).collect();
        self.kills += 1;
        self.stored = stored.len();
        self.seen = self.received.len();
        self.unstored = self.received.keys().filter(|seq| !stored.contains(seq)).count();
    }

    /// The journal and the client at the kill, in a sentence.
    pub(super) fn at_the_kill(&self) -> String {
        format!(
            "the journal has {} of the session, the client has received {}",
            count(self.stored as u64, "event"),
            self.seen
        )
    }

    /// Prints what was received and checks it. The error is the first thing that is wrong.
    pub(super) fn check(&self, sent: &[Sent]) -> Result<(), &'static str> {
        let lost = sent.iter().filter(|sent| !self.received.contains_key(&sent.seq)).count();
        let changed = sent.iter().filter(|sent| self.received.get(&sent.seq).is_some_and(|body| *body != sent.body));
        let (changed, gapless) = (changed.count(), sent.iter().map(|sent| sent.seq).eq(1..=sent.len() as u64));
        let received = self.received.len();
        narrate(
            "journal",
            &format!(
                "has all {} that the session was sent, {} before the kill",
                count(sent.len() as u64, "event"),
                self.stored
            ),
        );
        narrate(
            "client",
            &format!("received {received}; {lost} were lost, {} came twice, {changed} were changed", self.twice),
        );
        let checks = [
            (self.kills == 1, "the server was not killed exactly once"),
            (self.resumed >= 1, "the client did not resume its session"),
            (self.unstored == 0, "the client had received events that the journal did not have"),
            (gapless, "the numbers of the session have a gap"),
            (lost == 0, "events were lost"),
            (self.twice == 0, "events were received twice"),
            (changed == 0, "events were changed"),
            (received == sent.len(), "the client received events that were never sent"),
        ];
        checks.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, sentence)| Err(sentence))
    }

    /// How often the server was killed and the session resumed, for the last line.
    pub(super) fn summary(&self) -> String {
        format!("killed {}, restarted {}, resumed {}", self.kills, self.kills, self.resumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(seqs: &[u64]) -> Vec<Sent> {
        seqs.iter().map(|seq| Sent { seq: *seq, body: Some(Value::from(*seq)) }).collect()
    }

    /// The result for a client that has received these frames, if `seqs` were sent, `before` of them before the kill.
    fn check(received: &[(u64, u64)], seqs: &[u64], before: usize) -> Result<(), &'static str> {
        let mut stream = Stream::default();
        stream.session(&SessionReport::Resumed);
        for (seq, body) in received {
            stream.receive(*seq, Some(Value::from(*body)));
        }
        stream.killed(&sent(&seqs[..before]));
        stream.check(&sent(seqs))
    }

    #[test]
    fn an_event_missing_from_the_journal_is_noticed() {
        let error = "the client had received events that the journal did not have";
        assert_eq!(check(&[(1, 1), (2, 2)], &[1, 2], 1), Err(error));
    }

    #[test]
    fn a_gap_in_the_journal_is_noticed() {
        assert_eq!(check(&[(1, 1)], &[1, 3], 2), Err("the numbers of the session have a gap"));
    }

    #[test]
    fn a_missing_event_is_a_loss() {
        assert_eq!(check(&[(1, 1), (3, 3)], &[1, 2, 3], 3), Err("events were lost"));
    }

    #[test]
    fn a_repeated_event_is_noticed() {
        assert_eq!(check(&[(1, 1), (1, 1)], &[1], 1), Err("events were received twice"));
    }

    #[test]
    fn a_changed_event_is_noticed() {
        assert_eq!(check(&[(1, 1), (2, 7)], &[1, 2], 2), Err("events were changed"));
    }

    #[test]
    fn a_stream_without_a_fault_passes() {
        assert_eq!(check(&[(1, 1), (2, 2)], &[1, 2], 2), Ok(()));
    }
}
