//! The journal of a world, and restarts from it.

use nuncio_core::arcp::{Config, Event, Record, ReplayId, ReplayRange, Restored, Runtime};

use super::{START, World};

/// How [`Event::Replay`] is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReplay {
    /// At once, from the stored records.
    Answer,
    /// At once, from the stored records without this many at the front, which are pruned.
    Pruned(usize),
    /// At once: the journal cannot be read.
    Fail,
    /// Not at all: the test answers.
    Hold,
}

impl World {
    /// Replaces the runtime with one restored from all stored records. All connections are lost.
    pub fn restart(&mut self) -> Restored {
        self.restart_with(|_| {})
    }

    /// Restarts with another configuration.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut Config)) -> Restored {
        let conns: Vec<_> = self.transports.keys().copied().collect();
        for conn in conns {
            self.checker.closed(conn);
            self.transport(conn).gone = true;
        }
        // The new runtime assigns connection ids anew, so the old ones are dropped.
        self.transports.clear();
        self.events.clear();
        let mut config = self.runtime.config().clone();
        change(&mut config);
        let records = self.records(self.stored.len());
        let (runtime, restored) =
            Runtime::restore(config, self.agents.clone(), self.seed(), self.now, records).expect("good agents");
        self.runtime = runtime;
        self.pump();
        restored
    }

    /// Returns another world whose runtime is restored from the first `stores` records of this one.
    pub fn crashed_at(&self, stores: usize) -> (World, Restored) {
        let mut world = World::with(|config| *config = self.runtime.config().clone());
        let records = self.records(stores);
        let now = self.now.max(START);
        let (runtime, restored) =
            Runtime::restore(self.runtime.config().clone(), self.agents.clone(), self.seed(), now, records)
                .expect("good agents");
        world.runtime = runtime;
        world.agents.clone_from(&self.agents);
        world.now = now;
        world.stored = self.stored.iter().take(stores).cloned().collect();
        world.last_store = stores as u64;
        let frames = self.history.iter().filter(|(after, ..)| *after <= stores as u64);
        world.checker.inherit(&self.checker, frames.map(|(_, _, frame)| frame));
        world.pump();
        (world, restored)
    }

    /// Continues with a runtime that was restored elsewhere.
    pub fn adopt(&mut self, mut runtime: Runtime) {
        for spec in &self.agents {
            runtime.register(spec.clone()).expect("an agent");
        }
        self.runtime = runtime;
        self.transports.clear();
        // Its store numbers continue after the records it was restored from.
        self.strict = false;
        self.pump();
    }

    /// Processes the effects of commands that were given to the runtime directly.
    pub fn settle(&mut self) {
        self.pump();
    }

    /// Returns the first `stores` records as a journal reads them back.
    pub fn records(&self, stores: usize) -> Vec<(u64, Record)> {
        let numbered = self.stored.iter().take(stores).zip(1..);
        numbered
            .map(|((_, record), seq)| {
                let bytes = record.encode();
                let read = Record::decode(&bytes).unwrap_or_else(|error| panic!("{error}: {record:?}"));
                assert_eq!(read, *record, "a record is read back unchanged");
                (seq, read)
            })
            .collect()
    }

    /// Returns a seed that differs from those of all earlier runtimes of this world.
    fn seed(&self) -> [u8; 32] {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&self.last_store.to_be_bytes());
        seed
    }

    pub(super) fn answer_replay(&mut self, event: &Event) {
        let Event::Replay { replay, range, max_events, max_bytes } = event else { return };
        let pruned = match self.on_replay {
            OnReplay::Answer => 0,
            OnReplay::Pruned(records) => records,
            OnReplay::Fail => {
                self.runtime.replay_failed(self.now, *replay).expect("the runtime is waiting for this replay");
                return;
            }
            OnReplay::Hold => return,
        };
        self.read_back(*replay, range, pruned, *max_events, *max_bytes);
    }

    /// Answers a replay request from the stored records.
    pub fn read_back(
        &mut self,
        replay: ReplayId,
        range: &ReplayRange,
        pruned: usize,
        max_events: usize,
        max_bytes: usize,
    ) {
        let before: Vec<&Record> = self.stored.iter().take(pruned).map(|(_, record)| record).collect();
        let truncated = before.iter().any(|record| in_range(record, range));
        let mut bytes = 0;
        let mut records = Vec::new();
        for (_, record) in self.stored.iter().skip(pruned).filter(|(_, record)| in_range(record, range)) {
            if records.len() == max_events || bytes > max_bytes {
                break;
            }
            bytes += record.encode().len();
            records.push(record.clone());
        }
        self.replayed += records.len();
        self.runtime.replay(self.now, replay, &records, truncated).expect("the runtime is waiting for this replay");
    }
}

/// Returns whether a replay of the range contains the record.
pub(crate) fn in_range(record: &Record, range: &ReplayRange) -> bool {
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
