//! The journal: a driver's part between the runtime's records and what depends on them, on a disk that may be slow, stuck
//! or short of room.

use std::collections::{HashMap, HashSet, VecDeque};

use nuncio_core::arcp::{ConnId, JobUlid, Journaling, Output, Record, Refused, ReplayId, ReplayRange, SessionId};

use super::draw::Draw;
use super::{Sim, note};
use crate::world::Frame;

pub(super) struct Disk {
    kind: Journaling,
    /// All that the runtime has stored and no crash has lost; what a retention has let go is still here.
    pub(super) records: Vec<(u64, Record)>,
    /// Old events up to this number were let go.
    pub(super) pruned: u64,
    /// Everything up to this number is durable.
    pub(super) committed: u64,
    /// Commits fail.
    pub(super) stuck: bool,
    /// The runtime knows.
    pub(super) paused: bool,
    /// Outputs that wait for a commit, in their order.
    pub(super) held: VecDeque<Output>,
    /// The job whose terminal was stored last.
    pub(super) last_ended: Option<JobUlid>,
}

impl Disk {
    pub(super) fn new(kind: Journaling) -> Disk {
        Disk {
            kind,
            records: Vec::new(),
            pruned: 0,
            committed: 0,
            stuck: false,
            paused: false,
            held: VecDeque::new(),
            last_ended: None,
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kind.is_kept()
    }

    /// The record of a numbered frame.
    pub(super) fn record_of(&self, frame: &[u8]) -> Option<u64> {
        let frame = Frame::parse(std::str::from_utf8(frame).ok()?);
        let (session, numbered) = (frame["session_id"].as_str()?, frame.seq()?);
        let session = SessionId::parse(session)?;
        let is_it = |record: &Record| record.targets().iter().any(|to| (to.session, to.seq) == (session, numbered));
        self.records.iter().rev().find_map(|(seq, record)| is_it(record).then_some(*seq))
    }

    /// Whether something is stored that is not committed.
    pub(super) fn is_behind(&self) -> bool {
        self.records.last().is_some_and(|(seq, _)| *seq > self.committed)
    }

    /// The records as a journal gives them back: old events are gone, but for those that sessions count on from.
    pub(super) fn read(&self) -> Vec<(u64, Record)> {
        let counted = self.counted();
        let kept = self.records.iter().filter(|(seq, record)| {
            *seq > self.pruned || record.targets().is_empty() && record.position().is_none() || counted.contains(seq)
        });
        kept.map(|(seq, record)| {
            let bytes = record.encode();
            let read = Record::decode(&bytes).unwrap_or_else(|error| panic!("{error}: {record:?}"));
            assert_eq!(read.encode(), bytes, "a record is read as it was written");
            (*seq, read)
        })
        .collect()
    }

    /// What may not be let go by the rules of [`Record`]: of every session the last number, also of each of its jobs; of
    /// every job the last event, and its terminal.
    fn counted(&self) -> HashSet<u64> {
        let mut last: HashMap<SessionId, u64> = HashMap::new();
        let mut of_job: HashMap<(Option<SessionId>, JobUlid), u64> = HashMap::new();
        let mut counted = HashSet::new();
        for (seq, record) in &self.records {
            for target in record.targets() {
                last.insert(target.session, *seq);
                of_job.extend(record.job().map(|job| ((Some(target.session), job), *seq)));
            }
            match (record.kind(), record.job()) {
                ("job_ended", _) => drop(counted.insert(*seq)),
                ("job_event", Some(job)) => drop(of_job.insert((None, job), *seq)),
                _ => {}
            }
        }
        counted.extend(last.into_values().chain(of_job.into_values()));
        counted
    }
}

impl Sim {
    pub(super) fn stored(&mut self, seq: u64, record: &Record) {
        note(|| format!("  runtime stores {seq}: {}", String::from_utf8_lossy(&record.encode())));
        match (record.kind(), record.job()) {
            ("job_ended", job) => self.disk.last_ended = job,
            ("credential_issued", Some(job)) => {
                let new = self.host.minted.values_mut().find(|minted| minted.job == job && minted.stored.is_none());
                if let Some(minted) = new {
                    minted.stored = Some(seq);
                }
            }
            _ => {}
        }
        if self.disk.is_kept() {
            self.disk.records.push((seq, record.clone()));
        } else {
            self.disk.committed = seq;
        }
    }

    /// Everything that waits becomes durable, if the disk can; whether anything has.
    pub(super) fn commit(&mut self) -> bool {
        if !self.disk.is_behind() {
            return false;
        }
        if self.disk.stuck {
            if !self.disk.paused {
                self.count("journal stuck");
                note(|| "  the journal is stuck".to_owned());
                self.disk.paused = true;
                self.runtime.pause(self.now);
                self.drain();
            }
            return false;
        }
        self.disk.committed = self.last_store;
        note(|| format!("  committed up to {}", self.last_store));
        self.runtime.handle_stored(self.now, self.disk.committed);
        if self.disk.paused {
            self.count("journal healed");
            self.disk.paused = false;
            self.runtime.proceed(self.now);
        }
        self.drain();
        if let Some(keep) = self.params.retention {
            let pruned = self.disk.committed.saturating_sub(keep);
            if pruned > self.disk.pruned + keep {
                self.count("old events let go");
                self.disk.pruned = pruned;
            }
        }
        true
    }

    /// What waits for a commit happens, once that is done: what is for one connection in its order, and so is what is for
    /// the host.
    pub(super) fn let_go(&mut self) {
        let mut behind: HashSet<Option<ConnId>> = HashSet::new();
        for output in std::mem::take(&mut self.disk.held) {
            let (whom, after) = match &output {
                Output::Store { .. } => continue,
                Output::Send { conn, after, .. } => (Some(*conn), *after),
                Output::Reading { conn } | Output::Close { conn, .. } => (Some(*conn), 0),
                Output::Event { after, .. } => (None, *after),
            };
            if after > self.disk.committed || behind.contains(&whom) {
                behind.insert(whom);
                self.disk.held.push_back(output);
            } else {
                self.act(output);
            }
        }
    }

    /// Reads events back for the runtime.
    pub(super) fn read_back(
        &mut self,
        replay: ReplayId,
        range: &ReplayRange,
        max_events: usize,
        max_bytes: usize,
        draw: &mut Draw<'_, '_>,
    ) {
        self.host.reads.retain(|(_, read, _)| *read != replay);
        let answer = if !self.healing && draw.chance(self.params.declines) {
            self.count("disk unreadable");
            self.unread(range);
            self.runtime.replay_failed(self.now, replay)
        } else {
            let (records, truncated) = self.disk.range(range, max_events, max_bytes);
            note(|| format!("  {} records are read back, truncated: {truncated}", records.len()));
            self.count(if records.is_empty() { "nothing left on disk" } else { "replayed from disk" });
            if truncated || records.is_empty() {
                self.count("replay truncated");
                self.unread(range);
            }
            self.runtime.replay(self.now, replay, &records, truncated)
        };
        assert!(matches!(answer, Ok(()) | Err(Refused::Stale)), "{answer:?}");
    }

    fn unread(&mut self, range: &ReplayRange) {
        if let ReplayRange::Job { job, .. } = range {
            self.model.unread(*job);
        }
    }

    /// Answers that come too late are like none.
    pub(super) fn overdue_replays(&mut self) {
        let timeout = self.runtime.config().replay_timeout;
        for (since, _, job) in &self.host.reads {
            if since.plus(timeout) <= self.now {
                self.model.unread(*job);
            }
        }
    }
}

impl Disk {
    /// The first records of a range, and whether some before them were let go.
    fn range(&self, range: &ReplayRange, max_events: usize, max_bytes: usize) -> (Vec<Record>, bool) {
        let counted = self.counted();
        let mut truncated = false;
        let mut bytes = 0;
        let mut records = Vec::new();
        let durable = self.records.iter().take_while(|(seq, _)| *seq <= self.committed);
        for (seq, record) in durable.filter(|(_, record)| wanted(record, range)) {
            if *seq <= self.pruned && !counted.contains(seq) {
                truncated = true;
                continue;
            }
            if records.len() >= max_events || bytes > max_bytes {
                break;
            }
            bytes += record.payload_len();
            records.push(record.clone());
        }
        (records, truncated)
    }
}

fn wanted(record: &Record, range: &ReplayRange) -> bool {
    match range {
        ReplayRange::Session { session, after, before } => record
            .targets()
            .iter()
            .any(|target| target.session == *session && target.seq > *after && target.seq < *before),
        ReplayRange::Job { job, position, after } => {
            record.job() == Some(*job) && record.position().is_some_and(|(at, seq)| at >= *position && seq > *after)
        }
    }
}
