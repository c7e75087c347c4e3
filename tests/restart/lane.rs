//! One journal, the servers that live on it one after the other, and their clients.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nuncio_shared::arcp::Time;
use nuncio_shared::arcp::journal::{Journal as _, Record, SqliteJournal, SqliteOptions};
use nuncio_tests::raw::PATIENCE;
use serde_json::Value;

use super::client::{Client, Habits, TALKER, WATCHER};
use super::server::Serve;
use super::trap::{Point, Trap};
use super::upstream::Upstream;

/// What the threads of a lane share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) trap: Arc<Trap>,
    board: Mutex<Vec<(Value, String)>>,
}

impl Shared {
    /// The keyed submits of one principal, and the jobs they were answered with.
    pub(crate) fn board(&self) -> MutexGuard<'_, Vec<(Value, String)>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a lane has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: usize,
    pub(crate) jobs: usize,
    /// Numbered frames that clients have seen.
    pub(crate) events: usize,
    /// How often they saw one again, and it was the same.
    pub(crate) compared: u64,
    pub(crate) credentials: u64,
    pub(crate) records: u64,
}

const ACKER: Habits =
    Habits { name: "acker", acks: true, agents: &["delegate", "talk", "stream"], at_once: 2, ..TALKER };
const HOLDER: Habits = Habits {
    name: "holder",
    token: "tok-bob",
    acks: false,
    credentials: true,
    agents: &["rotate", "talk", "delegate"],
    at_once: 3,
};

/// Kills a server at every one of these points, one after the other, and looks at what is left.
pub(crate) fn run(mut serve: Serve, points: &[(Point, u32)]) -> Tally {
    let shared = Arc::new(Shared::default());
    let (upstream, address) = Upstream::open(&shared.trap);
    serve.upstream = address;
    let mut workers = [TALKER, ACKER, HOLDER].map(|habits| Client::new(habits, &shared));
    let mut watcher = Client::new(WATCHER, &shared);
    for point in points {
        let url = shared.trap.start(&serve, Some(*point)).unwrap_or_else(|why| panic!("{point:?}: {why}"));
        if let Some(url) = &url {
            thread::scope(|scope| {
                for worker in &mut workers {
                    let shared = &shared;
                    scope.spawn(move || {
                        let _guard = Guard { trap: &shared.trap, serve: point };
                        worker.work(url);
                    });
                }
                scope.spawn(|| {
                    let _guard = Guard { trap: &shared.trap, serve: point };
                    watcher.watch(url);
                });
                scope.spawn(|| {
                    let _guard = Guard { trap: &shared.trap, serve: point };
                    Client::new(Habits { name: "newcomer", ..WATCHER }, &shared).drop_in(url);
                });
            });
        }
        shared.trap.kill();
    }

    upstream.relent();
    let url = shared.trap.start(&serve, None).unwrap().unwrap();
    thread::scope(|scope| {
        for worker in &mut workers {
            let (url, shared) = (&url, &shared);
            scope.spawn(move || {
                let _guard = Guard { trap: &shared.trap, serve: &(Point::Ready, 0) };
                worker.finish(url);
            });
        }
    });
    assert!(SqliteJournal::open(&serve.journal, SqliteOptions::default()).is_err(), "the server has it");
    let [talker, acker, holder] = &mut workers;
    assert_eq!(listed(talker, &url), wanted(&[talker, acker]), "every submit is one job");
    assert_eq!(listed(holder, &url), wanted(&[holder]), "every submit is one job");
    watcher.look_back(&url);
    whole_histories(talker, &watcher, Client::new(WATCHER, &shared), &url);
    let credentials = upstream.all_revoked(PATIENCE);
    shared.trap.kill();

    let clients = [&*talker, acker, holder, &watcher];
    for client in &clients {
        complete(client);
    }
    let mut tally = Tally { kills: points.len(), credentials, records: sound(&serve.journal), ..Tally::default() };
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
    assert_eq!(jobs.len(), submits.len(), "every submit has a job of its own");
    jobs
}

/// A job that succeeded has said everything before.
fn complete(client: &Client) {
    let talks = client.submits.iter().filter(|submit| submit.payload["agent"] == "talk");
    for submit in talks {
        let job = client.ledger.job(submit.job.as_ref().unwrap()).unwrap();
        let succeeded =
            job.terminal.as_ref().is_some_and(|(_, payload)| payload.contains(r#""final_status":"success""#));
        let said = job.events.iter().filter(|event| event.contains(r#""kind":"log""#)).count() as u64;
        let wanted = submit.payload["input"]["events"].as_u64().unwrap();
        assert!(said == wanted || (!succeeded && said < wanted), "{} has said {said}", submit.payload);
    }
}

/// Who subscribes later is shown what the owner was shown.
fn whole_histories(owner: &Client, watcher: &Client, mut late: Client, url: &str) {
    let jobs: Vec<&String> = owner.submits.iter().filter_map(|submit| submit.job.as_ref()).collect();
    for job in jobs.iter().step_by((jobs.len() / 8).max(1)) {
        let seen = owner.ledger.job(job).unwrap();
        let (events, end) = late.history(url, job);
        assert_eq!(events, seen.events, "the events of {job}");
        assert_eq!(Some(end), seen.terminal.clone().map(|(_, payload)| payload), "the end of {job}");
    }
    for (job, seen) in watcher.ledger.jobs() {
        // Of other owners' jobs nothing is known here.
        let Some(own) = owner.ledger.job(job) else { continue };
        for event in &seen.events {
            assert!(own.events.contains(event), "{job} was shown {event}, its owner was not");
        }
    }
}

/// The file has no fault, and every record in it fits; returns how many there are.
pub(crate) fn sound(journal: &Path) -> u64 {
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
    let (_, restored) = nuncio_core::arcp::Runtime::restore(config, [7; 32], Time(0), records);
    assert!(restored.is_clean(), "{restored:?}");
    assert_eq!((restored.interrupted, restored.unrevoked), (0, 0), "all jobs have ended, all credentials are revoked");
    stats.records
}

/// A failed client takes the server with it, so that the others do not wait for it.
struct Guard<'a> {
    trap: &'a Trap,
    serve: &'a (Point, u32),
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("at {:?}", self.serve);
            self.trap.kill();
        }
    }
}

/// A directory that is gone after the test.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("nuncio-restart-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("journal")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left lies in the directory of temporary files.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}
