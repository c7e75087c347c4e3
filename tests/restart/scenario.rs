//! A scenario: one journal, the servers that run on it one after the other, and their clients.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nuncio_shared::arcp::Time;
use nuncio_shared::arcp::journal::{Journal as _, Record, SqliteJournal, SqliteOptions};
use nuncio_tests::raw::PATIENCE;
use serde_json::Value;

use super::client::{Client, Profile, TALKER, WATCHER};
use super::issuer::Issuer;
use super::process::{KillPoint, ServerProcess};
use super::server::Serve;

/// What the threads of a scenario share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) process: Arc<ServerProcess>,
    accepted: Mutex<Vec<(Value, String)>>,
}

impl Shared {
    /// The submits with keys of one principal, with the jobs they were answered with.
    pub(crate) fn accepted_submits(&self) -> MutexGuard<'_, Vec<(Value, String)>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a scenario has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: usize,
    pub(crate) jobs: usize,
    /// The number of numbered frames that clients received.
    pub(crate) events: usize,
    /// How often a frame was received again, unchanged.
    pub(crate) compared: u64,
    pub(crate) credentials: u64,
    /// How often a job was run again.
    pub(crate) reruns: u64,
    pub(crate) records: u64,
}

const ACKER: Profile = Profile {
    name: "acker",
    acks: true,
    agents: &["delegate", "queue", "talk", "again", "stream"],
    concurrent: 3,
    ..TALKER
};
const HOLDER: Profile = Profile {
    name: "holder",
    token: "tok-bob",
    acks: false,
    credentials: true,
    agents: &["rotate", "talk", "delegate"],
    concurrent: 3,
};

/// Kills a server at each of these points, one after the other, and checks what is left.
pub(crate) fn run(mut serve: Serve, points: &[(KillPoint, u32)]) -> Tally {
    let shared = Arc::new(Shared::default());
    let (issuer, address) = Issuer::open(&shared.process);
    serve.issuer = address;
    let mut workers = [TALKER, ACKER, HOLDER].map(|profile| Client::new(profile, &shared));
    let mut watcher = Client::new(WATCHER, &shared);
    for point in points {
        let url = shared.process.start(&serve, Some(*point)).unwrap_or_else(|why| panic!("{point:?}: {why}"));
        if let Some(url) = &url {
            thread::scope(|scope| {
                for worker in &mut workers {
                    let shared = &shared;
                    scope.spawn(move || {
                        let _guard = Guard { process: &shared.process, serve: point };
                        worker.work(url);
                    });
                }
                scope.spawn(|| {
                    let _guard = Guard { process: &shared.process, serve: point };
                    watcher.watch(url);
                });
                scope.spawn(|| {
                    let _guard = Guard { process: &shared.process, serve: point };
                    Client::new(Profile { name: "newcomer", ..WATCHER }, &shared).visit(url);
                });
            });
        }
        shared.process.kill();
    }

    issuer.stop_failing();
    let url = shared.process.start(&serve, None).unwrap().unwrap();
    thread::scope(|scope| {
        for worker in &mut workers {
            let (url, shared) = (&url, &shared);
            scope.spawn(move || {
                let _guard = Guard { process: &shared.process, serve: &(KillPoint::Ready, 0) };
                worker.finish(url);
            });
        }
    });
    assert!(
        SqliteJournal::open(&serve.journal, SqliteOptions::default()).is_err(),
        "a second process cannot open the journal"
    );
    let [talker, acker, holder] = &mut workers;
    assert_eq!(listed(talker, &url), wanted(&[talker, acker]), "every submit is one job");
    assert_eq!(listed(holder, &url), wanted(&[holder]), "every submit is one job");
    watcher.read_again(&url);
    assert_whole_histories(talker, &watcher, Client::new(WATCHER, &shared), &url);
    let credentials = issuer.all_revoked(PATIENCE);
    shared.process.kill();

    let clients = [&*talker, acker, holder, &watcher];
    let mut reruns = 0;
    for client in &clients {
        assert_complete(client);
        reruns += assert_gone_on(client);
    }
    let mut tally = Tally {
        kills: points.len(),
        reruns,
        credentials,
        records: serve.journals().map(|journal| check_journal(&journal)).sum(),
        ..Tally::default()
    };
    for client in clients {
        tally.jobs += client.submits.len();
        tally.events += client.ledger.len();
        tally.compared += client.ledger.compared;
    }
    tally
}

fn listed(client: &mut Client, url: &str) -> BTreeSet<String> {
    client.list(url).into_iter().filter_map(|(job, root)| root.then_some(job)).collect()
}

fn wanted(clients: &[&Client]) -> BTreeSet<String> {
    let submits: Vec<_> = clients.iter().flat_map(|client| &client.submits).collect();
    let jobs: BTreeSet<String> = submits.iter().filter_map(|submit| submit.job.clone()).collect();
    assert_eq!(jobs.len(), submits.len(), "each submit has its own job");
    jobs
}

/// Asserts that a job that succeeded has emitted all its events.
fn assert_complete(client: &Client) {
    let talks = client.submits.iter().filter(|submit| submit.payload["agent"] == "talk");
    for submit in talks {
        let job = client.ledger.job(submit.job.as_ref().unwrap()).unwrap();
        let succeeded =
            job.terminal.as_ref().is_some_and(|(_, payload)| payload.contains(r#""final_status":"success""#));
        let said = job.events.iter().filter(|event| event.contains(r#""kind":"log""#)).count() as u64;
        let wanted = submit.payload["input"]["events"].as_u64().unwrap();
        assert!(said == wanted || (!succeeded && said < wanted), "{} has emitted {said} events", submit.payload);
    }
}

/// Asserts that jobs of the agent that is run again have succeeded, and that no job has ended before it ran. Returns how
/// often a job was run again.
fn assert_gone_on(client: &Client) -> u64 {
    let mut reruns = 0;
    for submit in &client.submits {
        let job = client.ledger.job(submit.job.as_ref().unwrap()).unwrap();
        let terminal = &job.terminal.as_ref().unwrap().1;
        let restarts = job.events.iter().filter(|event| event.contains(r#""phase":"restarted""#)).count() as u64;
        match submit.payload["agent"].as_str() {
            Some("again") => {
                assert!(terminal.contains(&format!(r#""result":{{"restarts":{restarts}}}"#)), "{terminal}");
                let said = job.events.iter().filter(|event| event.contains(r#""kind":"log""#)).count() as u64;
                assert!(
                    said >= submit.payload["input"]["events"].as_u64().unwrap(),
                    "{} has emitted {said} events",
                    submit.payload
                );
                reruns += restarts;
            }
            Some("queue") => {
                assert_eq!(restarts, 0, "{}", submit.payload);
                let ran = job.events.iter().any(|event| event.contains(r#""phase":"running""#));
                assert!(ran || !terminal.contains("runtime restarted"), "{} ended before it ran", submit.payload);
            }
            _ => assert_eq!(restarts, 0, "{}", submit.payload),
        }
    }
    reruns
}

/// Asserts that later subscribers are shown the same events as the owner.
fn assert_whole_histories(owner: &Client, watcher: &Client, mut late: Client, url: &str) {
    let jobs: Vec<&String> = owner.submits.iter().filter_map(|submit| submit.job.as_ref()).collect();
    for job in jobs.iter().step_by((jobs.len() / 8).max(1)) {
        let seen = owner.ledger.job(job).unwrap();
        let (events, end) = late.history(url, job);
        assert_eq!(events, seen.events, "the events of {job}");
        assert_eq!(Some(end), seen.terminal.clone().map(|(_, payload)| payload), "the terminal of {job}");
    }
    for (job, seen) in watcher.ledger.jobs() {
        // The owner knows nothing about other owners' jobs.
        let Some(own) = owner.ledger.job(job) else { continue };
        for event in &seen.events {
            // Only the watcher is told that it does not keep up, as it may on a busy machine.
            let is_for_watcher = event.contains(r#""phase":"subscription_dropped""#);
            assert!(
                is_for_watcher || own.events.contains(event),
                "a watcher of {job} was shown {event}, but its owner was not"
            );
        }
    }
}

/// Asserts that a journal file has no faults and that all its records apply; returns how many there are.
pub(crate) fn check_journal(journal: &Path) -> u64 {
    let mut journal = SqliteJournal::open(journal, SqliteOptions::default()).unwrap();
    let stats = journal.check().unwrap();
    let mut records: Vec<(u64, Record)> = Vec::new();
    journal
        .load(&mut |seq, record| {
            records.push((seq, record));
            true
        })
        .unwrap();
    let config = nuncio_shared::arcp::Config::default();
    let (_, restored) = nuncio_core::arcp::Runtime::restore(config, [], [7; 32], Time(0), records).unwrap();
    assert!(restored.is_clean(), "{restored:?}");
    assert_eq!((restored.interrupted, restored.unrevoked), (0, 0), "all jobs have ended, all credentials are revoked");
    stats.records
}

/// Kills the server if a client fails, so that the other clients do not wait for it.
struct Guard<'a> {
    process: &'a ServerProcess,
    serve: &'a (KillPoint, u32),
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("at {:?}", self.serve);
            self.process.kill();
        }
    }
}
