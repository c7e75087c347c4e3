//! What is no longer needed is pruned, and nothing else.

use nuncio_core::arcp::Runtime;
use nuncio_shared::arcp::{Config, Time};

use super::*;

#[test]
fn acknowledged_events_of_forgotten_jobs_are_pruned() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    let mut records = history(9);
    let mut push = |record| records.push((records.len() as u64 + 1, record));
    push(record(&format!(r#"{{"v":1,"t":"acknowledged","session":"{SESSION}","seq":650}}"#)));
    for number in 0..8 {
        push(about("job_forgotten", "job", &job(number)));
    }
    journal.commit(&records).unwrap();
    journal.compact().unwrap();
    let left = loaded(&mut journal);
    let events: Vec<u64> = left.iter().filter_map(|(_, record)| Some(record.targets().first()?.seq)).collect();
    // A row is rewritten only if much of it can be pruned.
    assert!(events.len() < 500, "{}", events.len());
    assert!((651..=900).all(|seq| events.contains(&seq)), "unacknowledged events are kept");
    let accepted = left.iter().filter(|(_, record)| record.kind() == "job_accepted").count();
    assert!(accepted < 9);
    assert!(left.windows(2).all(|pair| pair[0].0 < pair[1].0), "the order is kept");
    // A replay of pruned events is marked as truncated.
    let range = ReplayRange::Job { job: about("job_forgotten", "job", &job(0)).job().unwrap(), position: 0, after: 0 };
    assert!(journal.replay(&range, 10, 1000).unwrap().truncated);

    let last = records.len() as u64;
    journal.commit(&[(last + 1, about("session_closed", "session", SESSION))]).unwrap();
    journal.commit(&[(last + 2, about("job_forgotten", "job", &job(8)))]).unwrap();
    assert!(journal.compact().unwrap().records < 40);
}

#[test]
fn a_session_keeps_its_last_number_when_all_its_events_are_too_old() {
    let directory = TempDir::new();
    let mut journal = open(&directory, SqliteOptions { retain: Duration::ZERO, ..options() });
    let mut records = history(9);
    for number in 0..9 {
        records.push((records.len() as u64 + 1, about("job_forgotten", "job", &job(number))));
    }
    for part in records.chunks(100) {
        journal.commit(part).unwrap();
    }
    journal.compact().unwrap();
    let left = loaded(&mut journal);
    assert!(left.len() < 150, "{}", left.len());
    assert!(left.iter().any(|(_, record)| record.targets().iter().any(|target| target.seq == 900)));
    assert!(left.iter().any(|(_, record)| record.kind() == "session_opened"));
}

#[test]
fn a_journal_written_in_small_parts_is_pruned_too() {
    let directory = TempDir::new();
    let too_old = SqliteOptions { retain: Duration::ZERO, ..options() };
    let mut records = history(9);
    for number in 0..9 {
        records.push((records.len() as u64 + 1, about("job_forgotten", "job", &job(number))));
    }
    for part in records.chunks(100) {
        // Each part is written by a process of its own.
        let mut journal = open(&directory, too_old);
        loaded(&mut journal);
        journal.commit(part).unwrap();
        while journal.compact_step().unwrap() {}
    }
    let mut journal = open(&directory, too_old);
    loaded(&mut journal);
    while journal.compact_step().unwrap() {}
    assert!(loaded(&mut journal).len() < 150);
}

#[test]
fn pruning_revives_nothing_that_has_ended() {
    const OTHER: &str = "sess_01J00000000000000000000001";
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    // The first records are in a commit that must be kept, the last ones in one that need not be.
    let mut records: Vec<Record> = history(1).into_iter().map(|(_, record)| record).collect();
    let text = String::from_utf8(opened().encode()).unwrap();
    records.push(record(&text.replace(SESSION, OTHER)));
    records.push(about("credentials_asked", "job", &job(7)));
    records.push(record(&format!(r#"{{"v":1,"t":"credential_issued","job":"{}","id":"c"}}"#, job(7))));
    records.push(accepted(&job(7)));
    let begun = records.len();
    records.push(about("credentials_answered", "job", &job(7)));
    records.push(record(&format!(
        r#"{{"v":1,"t":"job_ended","job":"{}","trace":"{TRACE}","at":1,"status":"success","kind":"job.result","seq":1,
            "to":[],"payload":{{"final_status":"success"}}}}"#,
        job(7)
    )));
    records.push(record(&format!(r#"{{"v":1,"t":"credential_revoked","job":"{}","id":"c"}}"#, job(7))));
    records.push(about("job_forgotten", "job", &job(7)));
    records.push(about("session_closed", "session", OTHER));
    let records: Vec<(u64, Record)> = (1..).zip(records).collect();
    journal.commit(&records[..begun]).unwrap();
    journal.commit(&records[begun..]).unwrap();
    for _ in 0..2 {
        loaded(&mut journal);
        while journal.compact_step().unwrap() {}
        let left = loaded(&mut journal);
        let (runtime, restored) = Runtime::restore(Config::default(), [], [1; 32], Time(0), left).unwrap();
        assert_eq!(
            (restored.interrupted, restored.unrevoked, restored.unanswered),
            (1, 0, 0),
            "only the first job is unfinished"
        );
        assert_eq!(runtime.stats().sessions_detached, 1);
    }
    // A compaction prunes all of it that can be pruned.
    journal.compact().unwrap();
    let begins = loaded(&mut journal).iter().filter(|(_, record)| record.kind() == "session_opened").count();
    assert!((1..=2).contains(&begins));
}

#[test]
fn beyond_the_size_limit_the_oldest_events_are_pruned() {
    const MAX: u64 = 1 << 20;
    let directory = TempDir::new();
    let mut journal = open(&directory, SqliteOptions { max_bytes: Some(MAX), ..options() });
    for part in history(200).chunks(100) {
        journal.commit(part).unwrap();
        while journal.compact_step().unwrap() {}
    }
    // The size is checked again only after some growth.
    let stats = journal.stats().unwrap();
    assert!(stats.bytes < MAX + (8 << 20), "{stats:?}");
    let stats = journal.compact().unwrap();
    assert!(stats.bytes < MAX + MAX / 2, "{stats:?}");
    let left = loaded(&mut journal);
    let events: Vec<u64> = left.iter().filter_map(|(_, record)| Some(record.targets().first()?.seq)).collect();
    assert_eq!(events.last(), Some(&20_000));
    let first = events[0];
    // The last event of each job is kept.
    let first = *events.iter().find(|seq| **seq % 100 != 0).unwrap_or(&first);
    let gaps = (first..=20_000).filter(|seq| !events.contains(seq)).count();
    assert!((1..=200).all(|job| events.contains(&(job * 100))));
    assert!(gaps < 300, "the remaining events are contiguous: {gaps} gaps");
    assert_eq!(left.iter().filter(|(_, record)| record.kind() == "job_accepted").count(), 200, "the jobs are kept");
}

#[test]
fn a_credential_request_is_kept_until_it_is_answered() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    let records = [
        about("credentials_asked", "job", &job(1)),
        about("credentials_asked", "job", &job(2)),
        about("credentials_answered", "job", &job(1)),
    ];
    journal.commit(&(1..).zip(records).collect::<Vec<_>>()).unwrap();
    journal.compact().unwrap();
    let kept: Vec<Record> = loaded(&mut journal).into_iter().map(|(_, record)| record).collect();
    assert_eq!(kept, [about("credentials_asked", "job", &job(2))]);
}

/// Otherwise the history, the terminal or both would be sent again after a restart.
#[test]
fn the_last_event_of_a_job_that_a_session_was_shown_is_kept() {
    let directory = TempDir::new();
    let mut journal = open(&directory, SqliteOptions { retain: Duration::ZERO, ..options() });
    let mut records = vec![opened(), accepted(&job(0)), accepted(&job(1))];
    for position in 0..100 {
        records.push(unwatched(&job(0), position));
    }
    let shown = |seq: u64| {
        record(&format!(
            r#"{{"v":1,"t":"session_event","job":"{}","trace":"{TRACE}","kind":"job.event","position":{seq},
                "to":{{"session":"{SESSION}","seq":{seq},"id":"01J00000000000000000000000"}},
                "payload":{{"kind":"log","ts":"2026-01-01T00:00:00.000Z","body":{{"message":"{}"}}}}}}"#,
            job(0),
            "x".repeat(200)
        ))
    };
    records.extend((1..=50).map(shown));
    records.extend((51..=80).map(|seq| event(&job(1), seq - 51, seq)));
    records.push(record(&format!(r#"{{"v":1,"t":"acknowledged","session":"{SESSION}","seq":80}}"#)));
    journal.commit(&(1..).zip(records).collect::<Vec<_>>()).unwrap();
    journal.compact().unwrap();
    let left: Vec<Record> = loaded(&mut journal).into_iter().map(|(_, record)| record).collect();
    let events = |kind: &str| left.iter().filter(|record| record.kind() == kind).collect::<Vec<_>>();
    let numbers =
        |kind: &str| events(kind).iter().filter_map(|record| Some(record.targets().first()?.seq)).collect::<Vec<_>>();
    assert_eq!(numbers("session_event"), [50]);
    assert_eq!(numbers("job_event"), [80]);
    let positions: Vec<u64> = events("job_event").iter().filter_map(|record| Some(record.position()?.0)).collect();
    assert_eq!(positions, [99, 29]);
}

/// Otherwise a run after a restart would ask again what was answered.
#[test]
fn the_questions_of_a_job_are_kept_until_it_has_ended() {
    let directory = TempDir::new();
    let mut journal = open(&directory, SqliteOptions { retain: Duration::ZERO, ..options() });
    let about_question = |position: u64, kind: &str, members: &str| {
        record(&format!(
            r#"{{"v":1,"t":"job_event","job":"{}","trace":"{TRACE}","position":{position},"seq":{position},{members},
                "to":[],"payload":{{"kind":"x-vendor.nuncio.{kind}","ts":"2026-01-01T00:00:00.000Z","body":{{}}}}}}"#,
            job(0)
        ))
    };
    let mut records = vec![opened(), accepted(&job(0))];
    records.push(about_question(0, "question", r##""asked":"#1","until":7"##));
    records.push(about_question(1, "answered", r#""settled":true"#));
    records.extend((2..100).map(|position| unwatched(&job(0), position)));
    journal.commit(&(1..).zip(records).collect::<Vec<_>>()).unwrap();
    journal.compact().unwrap();
    let questions = |journal: &mut SqliteJournal| loaded(journal).iter().filter(|(_, it)| it.is_question()).count();
    assert_eq!(questions(&mut journal), 2);
    let ended = record(&format!(
        r#"{{"v":1,"t":"job_ended","job":"{}","trace":"{TRACE}","at":1,"status":"success","kind":"job.result","seq":100,
            "to":[],"payload":{{"final_status":"success"}}}}"#,
        job(0)
    ));
    let at = journal.stats().unwrap().last;
    journal.commit(&[(at + 1, ended)]).unwrap();
    journal.compact().unwrap();
    assert_eq!(questions(&mut journal), 0);
}

/// Returns a record of how a session watches a job.
fn watching(job: &str, more: &str) -> Record {
    record(&format!(r#"{{"v":1,"t":"watching","session":"{SESSION}","job":"{job}"{more}}}"#))
}

/// Otherwise repeated subscriptions would make the journal grow for as long as the job and its session exist.
#[test]
fn repeated_subscriptions_are_pruned() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    let unwatched = || record(&format!(r#"{{"v":1,"t":"unwatched","session":"{SESSION}","job":"{}"}}"#, job(1)));
    let owner = watching(&job(0), r#","role":"owner","request_id":"m0","announced":"01J00000000000000000000000""#);
    let from = watching(&job(1), r#","role":"subscriber","from":3"#);
    let again = watching(&job(1), r#","role":"subscriber""#);
    let mut records = vec![opened(), accepted(&job(0)), accepted(&job(1)), owner.clone()];
    for _ in 0..500 {
        records.push(watching(&job(1), r#","role":"subscriber","from":0"#));
        records.push(unwatched());
    }
    for _ in 0..500 {
        records.push(from.clone());
        records.push(again.clone());
    }
    for number in 0..3_000 {
        records.push(watching(&job(0), &format!(r#","role":"owner","request_id":"again {number}""#)));
    }
    journal.commit(&(1..).zip(records).collect::<Vec<_>>()).unwrap();
    journal.compact().unwrap();
    let left: Vec<Record> = loaded(&mut journal).into_iter().map(|(_, record)| record).collect();
    assert!(left.len() < 1_700, "{}", left.len());
    let of = |number: u64| left.iter().filter(move |record| record.job() == accepted(&job(number)).job());
    let (gone, stays): (Vec<_>, Vec<_>) = of(1).partition(|record| record.kind() == "unwatched");
    assert!(gone.len() < 256, "{}", gone.len());
    assert!(stays.ends_with(&[&from, &again]), "the current subscription is kept");
    let last = watching(&job(0), r#","role":"owner","request_id":"again 2999""#);
    assert_eq!(of(0).next_back(), Some(&last));

    // The subscriptions are pruned with their session.
    let at = journal.stats().unwrap().last;
    journal.commit(&[(at + 1, about("session_closed", "session", SESSION))]).unwrap();
    assert!(journal.compact().unwrap().records < 10);
}

#[test]
fn credentials_are_kept_until_they_are_revoked() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    let records: Vec<(u64, Record)> = (1..)
        .zip([
            credential("credential_issued", "a"),
            credential("credential_issued", "b"),
            credential("credential_issued", "b"),
            credential("credential_revoked", "b"),
            credential("credential_issued", "c"),
            credential("credential_revoked", "c"),
        ])
        .collect();
    journal.commit(&records).unwrap();
    let one = journal.compact().unwrap();
    assert!(one.records >= 4);
    let kept = loaded(&mut journal);
    let text = |(_, record): &(u64, Record)| String::from_utf8(record.encode()).unwrap();
    assert!(kept.iter().any(|record| text(record).contains("\"a\"")));
    assert_eq!(kept.iter().filter(|record| text(record).contains("\"b\"")).count(), 3);
}
