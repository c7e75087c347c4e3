//! A journal file returns what was written to it, and is pruned of what is no longer needed.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod limit;
#[cfg(unix)]
mod place;
mod pruning;
mod restart;

use std::time::Duration;

use nuncio_shared::arcp::journal::{Journal, Record, ReplayRange, SqliteJournal, SqliteOptions, Sync};
use nuncio_shared::arcp::{FinalStatus, SessionUlid};
use nuncio_tests::temp_dir::TempDir;

const SESSION: &str = "sess_01J00000000000000000000000";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn open(directory: &TempDir, options: SqliteOptions) -> SqliteJournal {
    SqliteJournal::open(directory.file("journal"), options).unwrap()
}

fn options() -> SqliteOptions {
    SqliteOptions { sync: Sync::Normal, ..SqliteOptions::default() }
}

fn record(text: &str) -> Record {
    Record::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn job(number: u64) -> String {
    format!("job_01J0000000000000000{number:07}")
}

fn opened() -> Record {
    let token = "A".repeat(43);
    record(&format!(
        r#"{{"v":1,"t":"session_opened","session":"{SESSION}","principal":"p","features":[],"token":"{token}","at":1}}"#
    ))
}

fn accepted(job: &str) -> Record {
    record(&format!(
        r#"{{"v":1,"t":"job_accepted","job":"{job}","principal":"p","agent":"a","lease":{{}},"features":[],
            "trace":"{TRACE}","created_at":1,"at":1}}"#
    ))
}

fn event(job: &str, position: u64, seq: u64) -> Record {
    record(&format!(
        r#"{{"v":1,"t":"job_event","job":"{job}","trace":"{TRACE}","position":{position},"seq":{seq},
            "to":[{{"session":"{SESSION}","seq":{seq},"id":"01J00000000000000000000000"}}],
            "payload":{{"kind":"log","ts":"2026-01-01T00:00:00.000Z","body":{{"level":"info","message":"{}"}}}}}}"#,
        "x".repeat(200)
    ))
}

/// Returns an event that no session was shown live.
fn unwatched(job: &str, position: u64) -> Record {
    let text = String::from_utf8(event(job, position, position + 1).encode()).unwrap();
    let (before, rest) = text.split_once("\"to\":[").unwrap();
    record(&format!("{before}\"to\":[{}", &rest[rest.find(']').unwrap()..]))
}

fn about(kind: &str, member: &str, id: &str) -> Record {
    record(&format!(r#"{{"v":1,"t":"{kind}","{member}":"{id}"}}"#))
}

/// Returns a record about a credential of job 1.
fn credential(kind: &str, id: &str) -> Record {
    record(&format!(r#"{{"v":1,"t":"{kind}","job":"{}","id":"{id}"}}"#, job(1)))
}

/// Returns the records of a session with jobs of 100 events each.
fn history(jobs: u64) -> Vec<(u64, Record)> {
    let mut records = vec![opened()];
    let mut seq = 0;
    for number in 0..jobs {
        records.push(accepted(&job(number)));
        for position in 0..100 {
            seq += 1;
            records.push(event(&job(number), position, seq));
        }
    }
    (1..).zip(records).collect()
}

fn loaded(journal: &mut SqliteJournal) -> Vec<(u64, Record)> {
    let mut records = Vec::new();
    journal
        .load(&mut |seq, record| {
            records.push((seq, record));
            true
        })
        .unwrap();
    records
}

fn session() -> SessionUlid {
    SessionUlid::parse(SESSION).unwrap()
}

#[test]
fn committed_records_are_read_back() {
    let directory = TempDir::new();
    let records = history(7);
    let mut journal = open(&directory, options());
    for part in records.chunks(37) {
        journal.commit(part).unwrap();
    }
    assert_eq!(loaded(&mut journal), records);
    drop(journal);
    let mut journal = open(&directory, options());
    assert_eq!(loaded(&mut journal), records);
    let stats = journal.check().unwrap();
    assert_eq!((stats.records, stats.first, stats.last), (708, 1, 708));
    while journal.compact_step().unwrap() {}
    assert_eq!(loaded(&mut journal), records, "all records are needed");
    let stats = journal.compact().unwrap();
    assert_eq!(stats.records, 708);
}

#[test]
fn a_range_is_read_back() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    for part in history(9).chunks(50) {
        journal.commit(part).unwrap();
    }
    let numbers = |records: &[Record]| -> Vec<u64> { records.iter().map(|r| r.targets()[0].seq).collect() };
    for (after, before, max) in [(0, 901, 5), (499, 520, 100), (895, 900, 100), (0, 2, 1), (250, 901, 300)] {
        let range = ReplayRange::Session { session: session(), after, before };
        let read = journal.replay(&range, max, usize::MAX).unwrap();
        let expected: Vec<u64> = (after + 1..before).take(max).collect();
        assert_eq!(numbers(&read.records), expected);
    }
    let range = ReplayRange::Session { session: session(), after: 10, before: 900 };
    let few = journal.replay(&range, 500, 1).unwrap();
    assert_eq!(numbers(&few.records), [11], "the first record is always returned");
    let of_job = |position, after| ReplayRange::Job { job: accepted(&job(3)).job().unwrap(), position, after };
    let read = journal.replay(&of_job(0, 0), 1000, usize::MAX).unwrap();
    assert_eq!((read.records.len(), read.truncated), (100, false));
    let read = journal.replay(&of_job(40, 0), 1000, usize::MAX).unwrap();
    assert_eq!(read.records.len(), 60);
    let read = journal.replay(&of_job(0, 390), 1000, usize::MAX).unwrap();
    assert_eq!((numbers(&read.records), read.truncated), ((391..=400).collect(), false));
    for after in 300..400 {
        let read = journal.replay(&of_job(0, after), 1, usize::MAX).unwrap();
        assert_eq!((numbers(&read.records), read.truncated), (vec![after + 1], false), "after {after}");
    }
}

#[test]
fn a_history_with_a_gap_is_marked_truncated() {
    let directory = TempDir::new();
    let mut journal = open(&directory, SqliteOptions { retain: Duration::ZERO, ..options() });
    // The session is still at the first event.
    let mut records = vec![opened(), accepted(&job(0)), event(&job(0), 0, 1)];
    records.extend((1..100).map(|position| unwatched(&job(0), position)));
    journal.commit(&(1..).zip(records).collect::<Vec<_>>()).unwrap();
    let of = accepted(&job(0)).job().unwrap();
    let mut truncated = |after| {
        let read = journal.replay(&ReplayRange::Job { job: of, position: 0, after }, 1, usize::MAX).unwrap();
        read.truncated || read.records.is_empty()
    };
    assert!([0, 1, 50].into_iter().all(|after| !truncated(after)));
    journal.compact().unwrap();
    let mut truncated = |after| {
        let read = journal.replay(&ReplayRange::Job { job: of, position: 0, after }, 1, usize::MAX).unwrap();
        read.truncated || read.records.is_empty()
    };
    for after in [0, 1, 50] {
        assert!(truncated(after), "after {after}");
    }
}

/// Records that were committed with many that are still needed stay with them.
#[test]
fn a_history_whose_first_and_last_events_are_left_is_marked_truncated() {
    let directory = TempDir::new();
    let mut journal = open(&directory, SqliteOptions { retain: Duration::ZERO, ..options() });
    let needed = |jobs: std::ops::Range<u64>| jobs.map(|number| accepted(&job(number))).collect::<Vec<_>>();
    let first = [needed(0..20), vec![unwatched(&job(0), 0)]].concat();
    let middle: Vec<Record> = (1..99).map(|position| unwatched(&job(0), position)).collect();
    let last = [needed(20..40), vec![unwatched(&job(0), 99)]].concat();
    let mut numbers = 1..;
    for part in [first, middle, last] {
        journal.commit(&numbers.by_ref().zip(part).collect::<Vec<_>>()).unwrap();
    }
    let range = ReplayRange::Job { job: accepted(&job(0)).job().unwrap(), position: 0, after: 0 };
    let read = |journal: &mut SqliteJournal, max| {
        let read = journal.replay(&range, max, usize::MAX).unwrap();
        let positions = read.records.iter().filter_map(Record::position).map(|(position, _)| position);
        (positions.collect::<Vec<_>>(), read.truncated)
    };
    assert_eq!(read(&mut journal, 1), (vec![0], false));
    journal.compact().unwrap();
    assert_eq!(read(&mut journal, 9), (vec![0, 99], true));
    assert_eq!(read(&mut journal, 1), (vec![0], true), "the reader is told at once");
}

#[test]
fn a_reader_reads_every_record_once() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    let records = history(9);
    let (before, later) = records.split_at(700);
    for part in before.chunks(100) {
        journal.commit(part).unwrap();
    }
    let reader = SqliteJournal::look(directory.file("journal")).unwrap();
    let numbers = |from: u64| {
        let (mut at, mut numbers) = (from, Vec::new());
        while let Some(committed) = reader.after(at).unwrap() {
            numbers.extend(committed.records.iter().map(|(seq, _)| *seq));
            at = committed.last;
        }
        numbers
    };
    assert!(numbers(0).into_iter().eq(1..=700));
    assert!(numbers(350).into_iter().eq(351..=700), "from the middle of a commit");
    assert!(reader.after(700).unwrap().is_none());
    journal.commit(later).unwrap();
    let last = records.len() as u64;
    assert!(numbers(700).into_iter().eq(701..=last));
    // The reader continues where rows were rewritten.
    for number in 0..8 {
        journal.commit(&[(last + 1 + number, about("job_forgotten", "job", &job(number)))]).unwrap();
    }
    journal.commit(&[(last + 9, about("session_closed", "session", SESSION))]).unwrap();
    journal.compact().unwrap();
    assert_eq!(numbers(350).last(), loaded(&mut journal).last().map(|(seq, _)| seq));
}

#[test]
fn the_contents_of_a_journal_are_counted() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    let mut records = history(2);
    let mut push = |record| records.push((records.len() as u64 + 1, record));
    push(accepted(&job(7)));
    push(credential("credential_issued", "a"));
    push(credential("credential_issued", "b"));
    push(credential("credential_revoked", "a"));
    push(about("credentials_asked", "job", &job(1)));
    push(about("credentials_asked", "job", &job(2)));
    push(about("credentials_answered", "job", &job(2)));
    journal.commit(&records).unwrap();
    let contents = journal.contents().unwrap();
    assert_eq!((contents.sessions, contents.credentials_unrevoked, contents.credentials_unanswered), (1, 1, 1));
    assert!(contents.oldest_event.is_some());
    assert_eq!((contents.jobs_unfinished, contents.ended(FinalStatus::Success)), (3, 0));
    let events = records.iter().filter(|(_, record)| !record.targets().is_empty()).count() as u64;
    assert_eq!(contents.events, events);
    let last = records.len() as u64;
    journal.commit(&[(last + 1, about("session_closed", "session", SESSION))]).unwrap();
    journal.commit(&[(last + 2, about("job_forgotten", "job", &job(7)))]).unwrap();
    let contents = journal.contents().unwrap();
    assert_eq!((contents.sessions, contents.jobs_unfinished), (0, 2));
}
