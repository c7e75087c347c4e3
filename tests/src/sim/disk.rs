//! The journal: what a driver does between a record and the outputs that depend on it, on a disk that may be slow,
//! stalled or pruned.

use std::collections::{HashMap, HashSet, VecDeque};

use nuncio_core::arcp::{ConnId, JobUlid, Journaling, Output, Record, Refused, ReplayId, ReplayRange, SessionUlid};

use super::Sim;
use crate::seeded::Draw;
use crate::seeded::note;
use crate::world::{Frame, in_range};

pub(super) struct Disk {
    kind: Journaling,
    /// All records that no crash has lost, including those that were pruned.
    pub(super) records: Vec<(u64, Record)>,
    /// Events up to this number were pruned, except those that [`Disk::required`] names.
    pub(super) pruned: u64,
    /// Records up to this number are durable.
    pub(super) committed: u64,
    /// Whether commits fail.
    pub(super) stalled: bool,
    /// Whether the runtime was told that commits fail.
    pub(super) paused: bool,
    /// Outputs that wait for a commit, in order.
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
            stalled: false,
            paused: false,
            held: VecDeque::new(),
            last_ended: None,
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kind.is_kept()
    }

    /// Returns the number of the record of a numbered frame.
    pub(super) fn record_of(&self, frame: &[u8]) -> Option<u64> {
        let frame = Frame::parse(std::str::from_utf8(frame).ok()?);
        let (session, numbered) = (frame["session_id"].as_str()?, frame.seq()?);
        let session = SessionUlid::parse(session)?;
        let is_it = |record: &Record| record.targets().iter().any(|to| (to.session, to.seq) == (session, numbered));
        self.records.iter().rev().find_map(|(seq, record)| is_it(record).then_some(*seq))
    }

    /// Returns whether some records are not committed yet.
    pub(super) fn is_behind(&self) -> bool {
        self.records.last().is_some_and(|(seq, _)| *seq > self.committed)
    }

    /// Returns the records as a journal reads them back: without old events, except those that sessions still count
    /// from.
    pub(super) fn read(&self) -> Vec<(u64, Record)> {
        let required = self.required();
        let kept = self.records.iter().filter(|(seq, record)| {
            *seq > self.pruned || record.targets().is_empty() && record.position().is_none() || required.contains(seq)
        });
        kept.map(|(seq, record)| {
            let bytes = record.encode();
            let read = Record::decode(&bytes).unwrap_or_else(|error| panic!("{error}: {record:?}"));
            assert_eq!(read.encode(), bytes, "a record is read back unchanged");
            (*seq, read)
        })
        .collect()
    }

    /// Returns the records that may not be pruned by the rules of [`Record`]: the last number of each session, and of
    /// each of its jobs; the last event of each job, and its terminal; the last
    /// event of a job that begins a run, and its last chunk; and what was spent.
    fn required(&self) -> HashSet<u64> {
        let mut last: HashMap<SessionUlid, u64> = HashMap::new();
        let mut of_job: HashMap<(Option<SessionUlid>, JobUlid), u64> = HashMap::new();
        let mut required = HashSet::new();
        let (mut runs, mut chunks) = (HashMap::new(), HashMap::new());
        for (seq, record) in &self.records {
            for target in record.targets() {
                last.insert(target.session, *seq);
                of_job.extend(record.job().map(|job| ((Some(target.session), job), *seq)));
            }
            match (record.kind(), record.job()) {
                ("job_ended", _) => drop(required.insert(*seq)),
                ("job_event", Some(job)) => {
                    of_job.insert((None, job), *seq);
                    if record.begins_run() {
                        runs.insert(job, *seq);
                    }
                    if record.is_chunk() {
                        chunks.insert(job, *seq);
                    }
                    if record.has_cost() || record.is_question() {
                        required.insert(*seq);
                    }
                }
                _ => {}
            }
        }
        required.extend(
            last.into_values().chain(of_job.into_values()).chain(runs.into_values()).chain(chunks.into_values()),
        );
        required
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

    /// Commits all records if the disk can; returns whether it did.
    pub(super) fn commit(&mut self) -> bool {
        if !self.disk.is_behind() {
            return false;
        }
        if self.disk.stalled {
            if !self.disk.paused {
                self.count("journal stalled");
                note(|| "  the journal has stalled".to_owned());
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
            self.count("journal recovered");
            self.disk.paused = false;
            self.runtime.proceed(self.now);
        }
        self.drain();
        if let Some(keep) = self.params.retention {
            let pruned = self.disk.committed.saturating_sub(keep);
            if pruned > self.disk.pruned + keep {
                self.count("old events pruned");
                self.disk.pruned = pruned;
            }
        }
        true
    }

    /// Performs the outputs whose records are committed, in order for each connection and for the host.
    pub(super) fn release_held(&mut self) {
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
                self.deliver(output);
            }
        }
    }

    /// Answers a replay request of the runtime.
    pub(super) fn read_back(
        &mut self,
        replay: ReplayId,
        range: &ReplayRange,
        max_events: usize,
        max_bytes: usize,
        draw: &mut Draw<'_, '_>,
    ) {
        self.host.reads.retain(|(_, read, _)| *read != replay);
        let answer = if !self.converging && draw.chance(self.params.declines) {
            self.count("disk unreadable");
            self.history_unreadable(range);
            self.runtime.replay_failed(self.now, replay)
        } else {
            let (records, truncated) = self.disk.range(range, max_events, max_bytes);
            note(|| format!("  {} records are read back, truncated: {truncated}", records.len()));
            self.count(if records.is_empty() { "nothing left on disk" } else { "replayed from disk" });
            if truncated || records.is_empty() {
                self.count("replay truncated");
                self.history_unreadable(range);
            }
            self.runtime.replay(self.now, replay, &records, truncated)
        };
        assert!(matches!(answer, Ok(()) | Err(Refused::Stale)), "{answer:?}");
    }

    fn history_unreadable(&mut self, range: &ReplayRange) {
        if let ReplayRange::Job { job, .. } = range {
            self.model.history_unreadable(*job);
        }
    }

    /// Registers replays whose answer comes too late, which has the same effect as a failed read.
    pub(super) fn overdue_replays(&mut self) {
        let timeout = self.runtime.config().replay_timeout;
        for (since, _, job) in &self.host.reads {
            if since.plus(timeout) <= self.now {
                self.model.history_unreadable(*job);
            }
        }
    }
}

impl Disk {
    /// Returns the first records of a range, and whether earlier ones were pruned.
    fn range(&self, range: &ReplayRange, max_events: usize, max_bytes: usize) -> (Vec<Record>, bool) {
        let required = self.required();
        let mut truncated = false;
        let mut bytes = 0;
        let mut records = Vec::new();
        let durable = self.records.iter().take_while(|(seq, _)| *seq <= self.committed);
        for (seq, record) in durable.filter(|(_, record)| in_range(record, range)) {
            if *seq <= self.pruned && !required.contains(seq) {
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
