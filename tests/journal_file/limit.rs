//! A journal that is larger than it may be: only events are given up before their time, and nothing that was accepted.

use std::collections::BTreeSet;

use arbitrary::Unstructured;
use nuncio_core::arcp::{AgentSpec, JobState, JobUlid, OnRestart, Restored, Runtime};
use nuncio_shared::arcp::{Config, Time};
use nuncio_tests::{seeded, sim};

use super::*;

/// The agents of the simulator. Those that may be are run again after a restart.
fn agents() -> [AgentSpec; 4] {
    [("echo", false), ("slow", true), ("narrow", false), ("again", true)].map(|(name, is_rerun)| AgentSpec {
        on_restart: if is_rerun { OnRestart::Rerun } else { OnRestart::Fail },
        ..AgentSpec::new(name)
    })
}

/// What a restart finds of a job: its state, and if it goes on, how often it was run, what is left of its budget, and its input.
type Found = (JobState, Option<(u32, String, Option<String>)>);

/// What a restart finds of all jobs, by their ids.
type Jobs = Vec<(JobUlid, Option<Found>)>;

/// Restarts a runtime when the last record was made. Returns what it restored, the number of sessions and of open questions,
/// and what it found of each job.
fn restart(config: &Config, all: &[(u64, Record)], left: &[(u64, Record)]) -> (Restored, [usize; 2], Jobs) {
    let (runtime, restored) =
        Runtime::restore(config.clone(), agents(), [1; 32], Time(0), left.iter().cloned()).unwrap();
    let accepted = all.iter().filter(|(_, record)| record.kind() == "job_accepted");
    let ids: BTreeSet<JobUlid> = accepted.filter_map(|(_, record)| record.job()).collect();
    let found = |id: JobUlid| {
        let view = runtime.job(runtime.find(id)?)?;
        let input = view.input.map(|input| input.get().to_owned());
        Some((view.state, view.state.is_live().then(|| (view.restarts, format!("{:?}", view.budget), input))))
    };
    let jobs = ids.into_iter().map(|id| (id, found(id))).collect();
    let stats = runtime.stats();
    (restored, [stats.sessions_detached, stats.questions_open], jobs)
}

#[test]
fn a_journal_beyond_its_limit_takes_every_record_and_loses_nothing_that_was_accepted() {
    let (mut pruned, mut going_on, mut questions) = (0, 0, 0);
    for seed in 0..60 {
        let bytes = seeded::bytes_of(seed);
        let (config, records) = sim::journal(&mut Unstructured::new(&bytes), 1_500);
        let directory = TempDir::new();
        let mut journal = open(&directory, SqliteOptions { retain: Duration::MAX, max_bytes: Some(1), ..options() });
        for part in records.chunks(7) {
            // What does not fit is taken as well: refusing it would refuse the end of what was accepted.
            journal.commit(part).unwrap();
            while journal.compact_step().unwrap() {}
        }
        journal.compact().unwrap();
        let left = loaded(&mut journal);
        let (whole, rest) = (restart(&config, &records, &records), restart(&config, &records, &left));
        assert!(rest.0.is_clean(), "seed {seed}: {:?}", rest.0);
        let counts = |restored: &Restored| {
            [restored.interrupted, restored.rerun, restored.waiting, restored.unrevoked, restored.unanswered]
        };
        assert_eq!(counts(&rest.0), counts(&whole.0), "seed {seed}");
        assert_eq!(rest.1, whole.1, "seed {seed}: sessions and open questions");
        assert_eq!(rest.2, whole.2, "seed {seed}: jobs");
        let events =
            |records: &[(u64, Record)]| records.iter().filter(|(_, record)| record.kind() == "job_event").count();
        pruned += events(&records) - events(&left);
        going_on += rest.0.rerun + rest.0.waiting;
        questions += rest.1[1];
    }
    println!("{pruned} events are pruned, {going_on} jobs go on, {questions} questions are open");
    assert!(pruned > 500 && going_on > 5 && questions > 0, "{pruned} {going_on} {questions}");
}
