//! A restart from a journal that was pruned is a restart from the whole journal.

use arbitrary::Unstructured;
use nuncio_core::arcp::{Restored, Runtime};
use nuncio_shared::arcp::{Config, Time};
use nuncio_tests::{seeded, sim};

use super::*;

const LATER: Time = Time(1 << 60);

/// Restarts a runtime. Returns what it restored, and how many sessions and jobs it has.
fn restart(config: &Config, records: &[(u64, Record)]) -> (Restored, [usize; 2]) {
    let (runtime, restored) = Runtime::restore(config.clone(), [], [1; 32], LATER, records.iter().cloned()).unwrap();
    let stats = runtime.stats();
    (restored, [stats.sessions_detached, stats.jobs_kept])
}

#[test]
fn a_pruned_journal_restarts_without_a_fault() {
    let mut pruned = 0;
    for (seed, part) in (0..60).zip((1..=40).cycle()) {
        let bytes = seeded::bytes_of(seed);
        let (config, records) = sim::journal(&mut Unstructured::new(&bytes), 1_500);
        let directory = TempDir::new();
        let retain = if seed % 2 == 0 { Duration::ZERO } else { Duration::MAX };
        let mut journal = open(&directory, SqliteOptions { retain, ..options() });
        for (number, part) in records.chunks(part).enumerate() {
            journal.commit(part).unwrap();
            if number % 16 == 0 {
                while journal.compact_step().unwrap() {}
            }
        }
        for _ in 0..4 {
            let left = loaded(&mut journal);
            let (whole, pruned) = (restart(&config, &records), restart(&config, &left));
            assert!(whole.0.is_clean(), "seed {seed}: {:?}", whole.0);
            assert!(pruned.0.is_clean(), "seed {seed}: {:?}", pruned.0);
            assert_eq!(pruned.0.interrupted, whole.0.interrupted, "seed {seed}");
            assert_eq!(pruned.1, whole.1, "seed {seed}");
            journal.compact().unwrap();
        }
        pruned += records.len() - loaded(&mut journal).len();
    }
    assert!(pruned > 500, "{pruned}");
}

/// Otherwise a resume and `nuncio replay` would send the events of a job that was never announced.
#[test]
fn a_job_that_was_forgotten_is_on_record_while_a_session_is_owed_its_end() {
    let directory = TempDir::new();
    let mut journal = open(&directory, options());
    let mut records: Vec<Record> = history(9).into_iter().map(|(_, record)| record).collect();
    let ended = |number: u64, seq: u64| {
        record(&format!(
            r#"{{"v":1,"t":"job_ended","job":"{}","trace":"{TRACE}","at":1,"status":"success","kind":"job.result","seq":{seq},
                "to":[{{"session":"{SESSION}","seq":{seq},"id":"01J00000000000000000000000"}}],
                "payload":{{"final_status":"success"}}}}"#,
            job(number)
        ))
    };
    for number in 0..9 {
        records.push(ended(number, 901 + number));
        records.push(about("job_forgotten", "job", &job(number)));
    }
    records.push(record(&format!(r#"{{"v":1,"t":"acknowledged","session":"{SESSION}","seq":908}}"#)));
    journal.commit(&(1..).zip(records.clone()).collect::<Vec<_>>()).unwrap();
    journal.compact().unwrap();
    let left = loaded(&mut journal);
    let kinds: Vec<&str> =
        left.iter().filter(|(_, of)| of.job() == accepted(&job(8)).job()).map(|(_, of)| of.kind()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"job_accepted"), Some(&"job_forgotten")));
    assert!(restart(&Config::default(), &left).0.is_clean());

    journal.commit(&[(records.len() as u64 + 1, about("session_closed", "session", SESSION))]).unwrap();
    assert_eq!(journal.compact().unwrap().records, 0);
}
