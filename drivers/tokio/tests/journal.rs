//! What was acknowledged survives the server.
#![allow(clippy::unwrap_used, reason = "what a test cannot do without fails it")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nuncio_shared::{SqliteJournal, SqliteOptions, Sync};
use nuncio_tokio::{
    Body, BuildError, Client, ClientError, Config, ErrorCode, Failure, FinalStatus, JobContext, Journal, JournalError,
    ListQuery, MemoryJournal, Reconnect, Record, ReplayRange, Replayed, RequestFailure, Server, ServerBuilder, Submit,
    Subscribe, Transport,
};
use serde_json::Value;
use support::{builder, connect, within};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

const EVENTS: u64 = 300;

/// A directory that is gone after the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("nuncio-journal-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left lies in the directory of temporary files.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// The file as a crash would leave it.
fn crash(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        std::fs::copy(name(from), name(to)).unwrap();
    }
}

fn sqlite(path: &Path) -> SqliteJournal {
    SqliteJournal::open(path, SqliteOptions::default()).unwrap()
}

/// Emits, then waits for ever.
async fn counts(_: Value, ctx: JobContext) -> Result<u64, Failure> {
    for number in 0..EVENTS {
        ctx.emit(&Body::metric("n", &number.into(), None, None)?).await?;
    }
    std::future::pending().await
}

fn server(journal: impl Journal) -> ServerBuilder {
    builder().agent("counts", counts).journal(journal)
}

/// Where a client is led to, and how it is cut off from there.
#[derive(Clone, Default)]
struct Road {
    server: Arc<Mutex<Option<Server>>>,
    proxies: Arc<Mutex<Vec<AbortHandle>>>,
    open: Arc<Notify>,
    closed: Arc<AtomicBool>,
}

impl Road {
    fn to(server: &Server) -> Road {
        let road = Road::default();
        road.lead(server);
        road
    }

    fn lead(&self, server: &Server) {
        *self.server.lock().unwrap() = Some(server.clone());
        self.closed.store(false, Ordering::SeqCst);
        self.open.notify_waiters();
    }

    /// Nothing comes through any more, and the server is not told why.
    fn cut(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for proxy in self.proxies.lock().unwrap().drain(..) {
            proxy.abort();
        }
        *self.server.lock().unwrap() = None;
    }

    async fn client(&self, token: &str) -> Client {
        let road = self.clone();
        let connector = move || {
            let road = road.clone();
            async move {
                loop {
                    let open = road.open.notified();
                    let server = road.server.lock().unwrap().clone();
                    match server.filter(|_| !road.closed.load(Ordering::SeqCst)) {
                        Some(server) => {
                            let (ours, theirs) = tokio::io::duplex(4096);
                            let (mut far, far_end) = tokio::io::duplex(4096);
                            server.accept_lines(far_end, nuncio_tokio::Via::Memory);
                            let mut theirs = theirs;
                            let proxy = tokio::spawn(async move {
                                // An end is an end.
                                drop(tokio::io::copy_bidirectional(&mut theirs, &mut far).await);
                            });
                            road.proxies.lock().unwrap().push(proxy.abort_handle());
                            return Ok(Transport::lines(ours));
                        }
                        None => open.await,
                    }
                }
            }
        };
        let quick =
            Reconnect { first: Duration::from_micros(1), longest: Duration::from_millis(1), ..Reconnect::default() };
        Client::over(connector, token).reconnect(Some(quick)).connect().await.unwrap()
    }
}

/// Reads events up to the last number; panics where one is missing or repeated.
async fn read_numbers(job: &mut nuncio_tokio::JobHandle) -> u64 {
    let mut expected = 0;
    while let Some(event) = job.events().next().await {
        if event.kind.as_str() == "metric" {
            let body: Value = event.body.parse().unwrap();
            assert_eq!(body["value"], expected);
            expected += 1;
            if expected == EVENTS {
                break;
            }
        }
    }
    expected
}

#[tokio::test]
async fn a_session_goes_on_after_a_crash() {
    within(async {
        let directory = Directory::new();
        let (first, second) = (directory.file("first"), directory.file("second"));
        let server_a = server(sqlite(&first)).build().unwrap();
        let road = Road::to(&server_a);
        let client = road.client("tok-alice").await;
        let submit = Submit::new("counts").idempotency_key("once");
        let mut job = client.submit(&submit).await.unwrap();
        let id = job.job_id().to_owned();
        assert_eq!(read_numbers(&mut job).await, EVENTS);

        road.cut();
        crash(&first, &second);
        let server_b = server(sqlite(&second)).build().unwrap();
        road.lead(&server_b);

        let outcome = job.outcome().await.unwrap();
        assert_eq!(outcome.status, FinalStatus::Error);
        let again = client.submit(&submit).await.unwrap();
        assert_eq!(again.job_id(), id, "an idempotent retry is the same job");
        // And the session works.
        let mut echo = client.submit(&Submit::new("echo")).await.unwrap();
        assert_eq!(echo.outcome().await.unwrap().status, FinalStatus::Success);
        let page = client.list(&ListQuery::default()).await.unwrap();
        assert_eq!(page.jobs.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_was_shut_down_is_restored_from_its_file() {
    within(async {
        let directory = Directory::new();
        let file = directory.file("journal");
        let mut first_job = None;
        for round in 0..3 {
            let server = server(sqlite(&file)).build().unwrap();
            let client = connect(&server, "tok-alice").await;
            let submit = Submit::new("echo").idempotency_key("once");
            let mut job = client.submit(&submit).await.unwrap();
            assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
            let id = job.job_id().to_owned();
            assert_eq!(first_job.get_or_insert(id.clone()), &id, "round {round}");
            client.close().await;
            server.shutdown(Duration::from_secs(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn events_reach_back_into_the_file() {
    within(async {
        let directory = Directory::new();
        let config = || Config { log_events: 50, history_events: 50, ..Config::default() };
        let file = directory.file("journal");
        let journal = SqliteJournal::open(&file, SqliteOptions { sync: Sync::Normal, ..Default::default() }).unwrap();
        let server = builder().config(config()).agent("counts", counts).journal(journal).build().unwrap();
        let road = Road::to(&server);
        let client = road.client("tok-alice").await;
        let mut job = client.submit(&Submit::new("counts")).await.unwrap();
        let id = job.job_id().to_owned();
        // The client is away while the job goes on far beyond what is held in memory.
        road.cut();
        let other = connect(&server, "tok-alice").await;
        let mut watching = other.subscribe(&id, Subscribe { history: true, ..Subscribe::default() }).await.unwrap();
        let mut seen = 0;
        while seen < EVENTS {
            let event = watching.events().next().await.unwrap();
            seen += u64::from(event.kind.as_str() == "metric");
        }
        road.lead(&server);
        assert_eq!(read_numbers(&mut job).await, EVENTS);
        // A late subscriber reads all of the history.
        let late = connect(&server, "tok-alice").await;
        let mut late = late.subscribe(&id, Subscribe { history: true, ..Subscribe::default() }).await.unwrap();
        for expected in 0..EVENTS {
            loop {
                let event = late.events().next().await.unwrap();
                if event.kind.as_str() == "metric" {
                    assert_eq!(event.body.parse::<Value>().unwrap()["value"], expected);
                    break;
                }
            }
        }
    })
    .await;
}

/// A journal that can be told to fail.
struct Fragile {
    inner: MemoryJournal,
    fails: Arc<AtomicBool>,
    failed: Arc<Semaphore>,
}

impl Journal for Fragile {
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        self.inner.load(each)
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        if self.fails.load(Ordering::SeqCst) {
            self.failed.add_permits(1);
            return Err(JournalError::Full);
        }
        self.inner.commit(records)
    }

    fn replay(&mut self, range: &ReplayRange, events: usize, bytes: usize) -> Result<Replayed, JournalError> {
        self.inner.replay(range, events, bytes)
    }
}

#[tokio::test]
async fn a_full_disk_refuses_new_work_and_loses_nothing() {
    within(async {
        let inner = MemoryJournal::new();
        let (fails, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
        let journal = Fragile { inner: inner.clone(), fails: Arc::clone(&fails), failed: Arc::clone(&failed) };
        let server = server(journal).build().unwrap();
        let bystander = connect(&server, "tok-alice").await;
        let client = connect(&server, "tok-alice").await;
        // Its first frame proves its token, so that its next one stores nothing.
        bystander.list(&ListQuery::default()).await.unwrap();
        fails.store(true, Ordering::SeqCst);
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.submit(&Submit::new("echo")).await }
        });
        // The server has noticed once it tries again.
        failed.acquire_many(2).await.unwrap().forget();
        let refused = bystander.submit(&Submit::new("echo")).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = refused else { panic!("{refused}") };
        assert_eq!(fault.code, ErrorCode::InternalError.as_str());
        assert!(!asking.is_finished(), "what is not stored is not acknowledged");
        fails.store(false, Ordering::SeqCst);
        let mut job = asking.await.unwrap().unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        let mut later = loop {
            // The server goes on with the commit that succeeds.
            match bystander.submit(&Submit::new("echo")).await {
                Ok(job) => break job,
                Err(ClientError::Failed(RequestFailure::Refused(_))) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(later.outcome().await.unwrap().status, FinalStatus::Success);
        assert!(inner.records().windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "every record, once, in order");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_used_is_said_at_the_start() {
    let directory = Directory::new();
    let file = directory.file("journal");
    let open = || SqliteJournal::open(&file, SqliteOptions::default());
    let held = open().unwrap();
    assert!(matches!(open().unwrap_err(), JournalError::Locked(_)));
    drop(held);

    let server = server(open().unwrap()).build().unwrap();
    let client = connect(&server, "tok-alice").await;
    for _ in 0..50 {
        client.submit(&Submit::new("echo")).await.unwrap().outcome().await.unwrap();
    }
    client.close().await;
    server.shutdown(Duration::from_secs(5)).await;
    let sound = std::fs::read(&file).unwrap();

    let with = |at: usize, bytes: &[u8]| {
        let mut changed = sound.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        std::fs::write(&file, changed).unwrap();
    };
    // The version and the owner stand in the header of an SQLite file.
    with(60, &9_u32.to_be_bytes());
    assert!(matches!(open().unwrap_err(), JournalError::Version { found: 9, known: 1 }));
    with(68, &7_u32.to_be_bytes());
    assert!(matches!(open().unwrap_err(), JournalError::Damaged(_)));
    std::fs::write(&file, b"this has never been a database, but it is long enough to be taken for one".repeat(20))
        .unwrap();
    assert!(matches!(open().unwrap_err(), JournalError::Damaged(_)));

    // Damage in the middle shows when the records are read.
    let mut changed = sound.clone();
    let places: Vec<usize> = (0..sound.len() - 10).filter(|at| sound[*at..].starts_with(b"job_accept")).collect();
    for at in places {
        // A disk that changes a letter makes a kind that nobody knows.
        changed[at] = b'J';
    }
    std::fs::write(&file, changed).unwrap();
    let error = builder().journal(open().unwrap()).build().unwrap_err();
    assert!(matches!(error, BuildError::Journal(JournalError::Damaged(_))), "{error}");
    std::fs::write(&file, &sound).unwrap();
    builder().journal(open().unwrap()).build().unwrap();
    let nowhere = SqliteJournal::open(directory.file("no/such/place"), SqliteOptions::default());
    assert!(matches!(nowhere.unwrap_err(), JournalError::Io(_)));
}
