//! What nobody needs goes, and nothing else.

use nuncio_core::arcp::Runtime;
use nuncio_shared::arcp::{Config, Time};

use super::*;

#[test]
fn what_was_acknowledged_and_forgotten_goes() {
    let place = Place::new();
    let mut journal = place.open(options());
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
    // A row is written anew only if much of it goes.
    assert!(events.len() < 500, "{}", events.len());
    assert!((651..=900).all(|seq| events.contains(&seq)), "nobody has acknowledged these");
    let accepted = left.iter().filter(|(_, record)| record.kind() == "job_accepted").count();
    assert!(accepted < 9);
    assert!(left.windows(2).all(|pair| pair[0].0 < pair[1].0), "the order stays");
    // What is gone is known to be gone.
    let range = ReplayRange::Job { job: about("job_forgotten", "job", &job(0)).job().unwrap(), position: 0, after: 0 };
    assert!(journal.replay(&range, 10, 1000).unwrap().truncated);

    let last = records.len() as u64;
    journal.commit(&[(last + 1, about("session_closed", "session", SESSION))]).unwrap();
    journal.commit(&[(last + 2, about("job_forgotten", "job", &job(8)))]).unwrap();
    assert!(journal.compact().unwrap().records < 40);
}

#[test]
fn a_session_counts_on_though_all_its_events_are_too_old() {
    let place = Place::new();
    let mut journal = place.open(SqliteOptions { retain: Duration::ZERO, ..options() });
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
fn a_server_that_never_writes_much_at_a_time_lets_go_all_the_same() {
    let place = Place::new();
    let too_old = SqliteOptions { retain: Duration::ZERO, ..options() };
    let mut records = history(9);
    for number in 0..9 {
        records.push((records.len() as u64 + 1, about("job_forgotten", "job", &job(number))));
    }
    for part in records.chunks(100) {
        // Every part by a process of its own.
        let mut journal = place.open(too_old);
        loaded(&mut journal);
        journal.commit(part).unwrap();
        while journal.tend().unwrap() {}
    }
    let mut journal = place.open(too_old);
    loaded(&mut journal);
    while journal.tend().unwrap() {}
    assert!(loaded(&mut journal).len() < 150);
}

#[test]
fn nothing_comes_to_life_again() {
    const OTHER: &str = "sess_01J00000000000000000000001";
    let place = Place::new();
    let mut journal = place.open(options());
    // What begins is among much that stays, what ends is not.
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
        while journal.tend().unwrap() {}
        let left = loaded(&mut journal);
        let (runtime, restored) = Runtime::restore(Config::default(), [1; 32], Time(0), left);
        assert_eq!((restored.interrupted, restored.unrevoked, restored.unanswered), (1, 0, 0), "but for the first job");
        assert_eq!(runtime.stats().sessions_detached, 1);
    }
    // All of it goes where it can.
    journal.compact().unwrap();
    let begins = loaded(&mut journal).iter().filter(|(_, record)| record.kind() == "session_opened").count();
    assert!((1..=2).contains(&begins));
}

#[test]
fn beyond_its_size_the_oldest_events_go() {
    const MAX: u64 = 1 << 20;
    let place = Place::new();
    let mut journal = place.open(SqliteOptions { max_bytes: Some(MAX), ..options() });
    for part in history(200).chunks(100) {
        journal.commit(part).unwrap();
        while journal.tend().unwrap() {}
    }
    // It is looked at again after some growth.
    let stats = journal.stats().unwrap();
    assert!(stats.bytes < MAX + (8 << 20), "{stats:?}");
    let stats = journal.compact().unwrap();
    assert!(stats.bytes < MAX + MAX / 2, "{stats:?}");
    let left = loaded(&mut journal);
    let events: Vec<u64> = left.iter().filter_map(|(_, record)| Some(record.targets().first()?.seq)).collect();
    assert_eq!(events.last(), Some(&20_000));
    let first = events[0];
    // Of every job the last event stays.
    let first = *events.iter().find(|seq| **seq % 100 != 0).unwrap_or(&first);
    let gaps = (first..=20_000).filter(|seq| !events.contains(seq)).count();
    assert!((1..=200).all(|job| events.contains(&(job * 100))));
    assert!(gaps < 300, "what is left hangs together: {gaps}");
    assert_eq!(left.iter().filter(|(_, record)| record.kind() == "job_accepted").count(), 200, "jobs stay");
}

#[test]
fn what_was_asked_for_stays_until_it_is_answered() {
    let place = Place::new();
    let mut journal = place.open(options());
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

/// Else a restart would show it once more: the history, the terminal, or both.
#[test]
fn what_a_session_was_shown_last_of_a_job_stays() {
    let place = Place::new();
    let mut journal = place.open(SqliteOptions { retain: Duration::ZERO, ..options() });
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

/// What says how a session is shown a job.
fn watching(job: &str, more: &str) -> Record {
    record(&format!(r#"{{"v":1,"t":"watching","session":"{SESSION}","job":"{job}"{more}}}"#))
}

/// Else a peer that subscribes again and again would make the journal grow for as long as the job and its session last.
#[test]
fn what_was_subscribed_again_and_again_goes() {
    let place = Place::new();
    let mut journal = place.open(options());
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
    assert!(stays.ends_with(&[&from, &again]), "the session is shown it from there");
    let last = watching(&job(0), r#","role":"owner","request_id":"again 2999""#);
    assert_eq!(of(0).next_back(), Some(&last));

    // They go with the session.
    let at = journal.stats().unwrap().last;
    journal.commit(&[(at + 1, about("session_closed", "session", SESSION))]).unwrap();
    assert!(journal.compact().unwrap().records < 10);
}

#[test]
fn credentials_stay_until_they_are_revoked() {
    let place = Place::new();
    let mut journal = place.open(options());
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
