//! A model of a power loss: everything in a journal file that was synced survives, and any part of what was written
//! later. After a restart, all records up to some commit are there, and none of the others.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use nuncio_core::arcp::{Config, Journaling, Output, Runtime};
use nuncio_core::time::Time;
use nuncio_shared::arcp::journal::{Journal, JournalError, Record, SqliteJournal, SqliteOptions, Sync};
use nuncio_tests::temp_dir::TempDir;
use nuncio_tests::world::World;
use serde_json::json;

/// The sizes of the header of a write-ahead log and of each of its frames, in the file format of `SQLite`.
const LOG_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
const FRAME: usize = FRAME_HEAD + 4096;

type Numbered = (u64, Record);

fn open(directory: &TempDir, sync: Sync) -> Result<SqliteJournal, JournalError> {
    SqliteJournal::open(directory.file("journal"), SqliteOptions { sync, ..SqliteOptions::default() })
}

/// The files of a journal.
#[derive(Clone)]
struct Files {
    data: Vec<u8>,
    log: Vec<u8>,
}

/// A journal whose files were read while it was open.
struct Written {
    files: Files,
    /// The records of each commit.
    commits: Vec<Vec<Numbered>>,
    /// The number of commits that are no longer in the log.
    before: usize,
    /// The offsets in the log at which the other commits end.
    ends: Vec<usize>,
}

impl Written {
    /// Writes commits, and reads the files while the journal is still open.
    fn of(sync: Sync, commits: Vec<Vec<Numbered>>) -> Written {
        let directory = TempDir::in_memory();
        let mut journal = open(&directory, sync).unwrap();
        for commit in &commits {
            journal.commit(commit).unwrap();
        }
        let files = Files::read(&directory);
        let mut ends = files.commits();
        // The remaining commits created the journal itself.
        let own = ends.len().saturating_sub(commits.len());
        ends.drain(..own);
        Written { before: commits.len() - ends.len(), files, commits, ends }
    }

    /// Returns the records that survive if the log is intact up to this offset.
    fn up_to(&self, whole: usize) -> Vec<Numbered> {
        let commits = self.before + self.ends.iter().filter(|end| **end <= whole).count();
        self.commits.iter().take(commits).flatten().cloned().collect()
    }

    /// Asserts what survives if the log is intact up to this offset.
    fn survives(&self, files: &Files, whole: usize, what: &str) {
        let records = files.loaded().unwrap_or_else(|error| panic!("{what}: {error}"));
        let expected = self.up_to(whole);
        let (found, wanted) = (records.len(), expected.len());
        assert!(records == expected, "{what}: {found} records instead of {wanted}");
    }

    /// Returns offsets in the log at which it is damaged: around every frame, in its header, and at some places within.
    fn places(&self) -> Vec<usize> {
        let end = self.ends.last().copied().unwrap();
        let near = |at: &usize| {
            let within = at.saturating_sub(LOG_HEAD) % FRAME;
            *at <= LOG_HEAD || within <= FRAME_HEAD || within > FRAME - 2 || within.is_multiple_of(997)
        };
        // The last commit is tested at more offsets.
        let last = self.ends.iter().rev().nth(1).copied().unwrap_or(0);
        let places = (0..=end)
            .filter(|at| near(at) && (*at >= last || at.is_multiple_of(11) || at.saturating_sub(LOG_HEAD) % FRAME < 2));
        places.collect()
    }
}

impl Files {
    fn read(directory: &TempDir) -> Files {
        let read = |name| std::fs::read(directory.file(name)).unwrap();
        Files { data: read("journal"), log: read("journal-wal") }
    }

    /// Returns the offsets at which the commits in the log end.
    fn commits(&self) -> Vec<usize> {
        let number = |at: usize| u32::from_be_bytes(self.log[at..at + 4].try_into().unwrap());
        let salts = &self.log[16..24];
        let frames = (LOG_HEAD..).step_by(FRAME).take_while(|at| at + FRAME <= self.log.len());
        // Frames left over from before the log was restarted have different salts.
        let own = frames.take_while(|at| &self.log[at + 8..at + 16] == salts);
        own.filter(|at| number(at + 4) != 0).map(|at| at + FRAME).collect()
    }

    /// Writes the files to another directory, opens the journal, and reads it.
    fn loaded(&self) -> Result<Vec<Numbered>, JournalError> {
        let directory = TempDir::in_memory();
        std::fs::write(directory.file("journal"), &self.data).unwrap();
        std::fs::write(directory.file("journal-wal"), &self.log).unwrap();
        load(&mut open(&directory, Sync::Normal)?)
    }
}

fn load(journal: &mut SqliteJournal) -> Result<Vec<Numbered>, JournalError> {
    let mut records = Vec::new();
    journal.load(&mut |seq, record| {
        records.push((seq, record));
        true
    })?;
    Ok(records)
}

/// Returns what a runtime stores during many operations, in commits of different sizes.
fn run(jobs: usize, events: usize) -> Vec<Vec<Numbered>> {
    let mut w = World::with(|config| config.journal = Journaling::Kept);
    let a = w.login("tok-alice");
    let b = w.login("tok-alice2");
    let mut cuts = vec![w.stored.len()];
    for number in 0..jobs {
        let submit =
            json!({"agent": "slow", "idempotency_key": number.to_string(), "lease_request": {"agent.delegate": ["*"]}});
        let job = w.submit(a, submit);
        cuts.push(w.stored.len());
        w.subscribe(b, json!({"job_id": job.id, "history": true}));
        for event in 0..events {
            w.log(&job, &format!("event {event}"));
            cuts.push(w.stored.len());
        }
        w.delegate(&job, &json!({"agent": "slow"})).unwrap();
        w.finish(&job, "1");
        w.drain(a);
        w.drain(b);
        w.send(a, "session.ack", json!({"last_processed_seq": 2}));
        cuts.push(w.stored.len());
    }
    cuts.dedup();
    let records = w.records(w.stored.len());
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let commits = starts.zip(&cuts).map(|(from, to)| records[from..*to].to_vec());
    commits.filter(|commit| !commit.is_empty()).collect()
}

fn young(sync: Sync) -> Written {
    let written = Written::of(sync, run(2, 3));
    assert_eq!(written.before, 0, "all commits are in the log");
    written
}

/// Returns a journal whose log was restarted.
fn old(sync: Sync) -> Written {
    let written = Written::of(sync, run(3, 55));
    assert!(written.before > 0 && written.ends.len() > 2, "{} {}", written.before, written.ends.len());
    written
}

#[test]
fn a_truncated_log_keeps_every_commit_before_its_end() {
    for (written, step) in [(young(Sync::Full), 1), (young(Sync::Normal), 5), (old(Sync::Full), 11)] {
        for at in written.places().into_iter().step_by(step) {
            let mut files = written.files.clone();
            files.log.truncate(at);
            written.survives(&files, at, &format!("cut at {at}"));
        }
    }
}

#[test]
fn anything_after_the_intact_part_is_ignored() {
    for written in [young(Sync::Full), old(Sync::Full)] {
        let frames = (LOG_HEAD..*written.ends.last().unwrap()).step_by(FRAME);
        let mut whole = written.files.clone();
        // A few of the frames from before the log was restarted are enough.
        whole.log.truncate(written.ends.last().unwrap() + 2 * FRAME);
        for at in frames.flat_map(|frame| [frame, frame + 7, frame + FRAME_HEAD, frame + FRAME / 2]) {
            let mut files = whole.clone();
            // The file was extended, but the new part was never written.
            files.log[at..].fill(0);
            written.survives(&files, at, &format!("zeros from {at}"));
            // The new part contains old data.
            let mut junk = 7_u8;
            files.log[at..].fill_with(|| {
                junk = junk.wrapping_mul(31).wrapping_add(17);
                junk
            });
            written.survives(&files, at, &format!("junk from {at}"));
            // The frames were written in a different order.
            let mut files = whole.clone();
            let (first, rest) = files.log[at..].split_at_mut((FRAME / 2).min(whole.log.len() - at));
            let length = first.len().min(rest.len());
            first[..length].swap_with_slice(&mut rest[..length]);
            let same = files.log.iter().zip(&whole.log).take_while(|(now, before)| now == before).count();
            written.survives(&files, same, &format!("swapped from {at}"));
        }
    }
}

#[test]
fn a_hole_in_the_log_ends_it() {
    let written = young(Sync::Normal);
    // Without syncs, blocks reach the disk in any order.
    for at in (0..written.files.log.len()).step_by(512) {
        let mut files = written.files.clone();
        let end = (at + 4096).min(files.log.len());
        files.log[at..end].fill(0);
        let same = files.log.iter().zip(&written.files.log).take_while(|(now, before)| now == before).count();
        written.survives(&files, same, &format!("a hole at {at}"));
    }
}

#[test]
fn a_flipped_bit_ends_the_log() {
    let written = young(Sync::Full);
    for at in written.places().into_iter().filter(|at| *at < written.files.log.len()) {
        let mut files = written.files.clone();
        files.log[at] ^= 1 << (at % 8);
        match files.loaded() {
            // A damaged header may make the log unreadable or end it early, but never yields other records.
            Err(error) => assert!(at < LOG_HEAD, "{at}: {error}"),
            Ok(records) if at < LOG_HEAD => assert!(written.up_to(usize::MAX).starts_with(&records), "{at}"),
            Ok(records) => assert_eq!(records.len(), written.up_to(at).len(), "{at}"),
        }
    }
}

#[test]
fn a_torn_checkpoint_is_repeated() {
    let written = young(Sync::Full);
    let whole = *written.ends.last().unwrap();
    // The pages of the log are copied into the file.
    let log = &written.files.log;
    let frames: Vec<usize> = (LOG_HEAD..whole).step_by(FRAME).collect();
    let page = |frame: &usize| u32::from_be_bytes(log[*frame..frame + 4].try_into().unwrap()) as usize - 1;
    for done in 0..=frames.len() {
        for torn in [4096, 512, 0] {
            let mut files = written.files.clone();
            for (index, frame) in frames.iter().enumerate().take(done) {
                let start = page(frame) * 4096;
                files.data.resize(files.data.len().max(start + 4096), 0);
                // The last page was written only in part.
                let length = if index + 1 == done { torn } else { 4096 };
                files.data[start..start + length].copy_from_slice(&log[frame + FRAME_HEAD..][..length]);
            }
            written.survives(&files, whole, &format!("{done} pages, {torn} bytes of the last"));
        }
    }
}

#[test]
fn a_runtime_is_restored_from_every_surviving_commit() {
    let written = young(Sync::Full);
    for at in std::iter::once(0).chain(written.ends.iter().copied()) {
        let mut files = written.files.clone();
        files.log.truncate(at);
        let directory = TempDir::in_memory();
        std::fs::write(directory.file("journal"), &files.data).unwrap();
        std::fs::write(directory.file("journal-wal"), &files.log).unwrap();
        let mut journal = open(&directory, Sync::Full).unwrap();
        let mut records = load(&mut journal).unwrap();
        let config = Config::default().with(|config| config.journal = Journaling::Kept);
        let (mut runtime, restored) = Runtime::restore(config, [], [3; 32], Time(0), records.clone()).unwrap();
        assert!(restored.is_clean(), "{at}: {restored:?}");
        assert_eq!(restored.last_store, records.len() as u64);
        let mut stores = Vec::new();
        while let Some(output) = runtime.poll_output() {
            if let Output::Store { seq, record } = output {
                stores.push((seq, record));
            }
        }
        journal.commit(&stores).unwrap();
        drop(journal);
        records.append(&mut stores);
        let mut journal = open(&directory, Sync::Full).unwrap();
        journal.check().unwrap();
        assert_eq!(load(&mut journal).unwrap(), records, "{at}");
    }
}
