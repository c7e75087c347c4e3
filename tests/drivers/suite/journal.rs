//! What was acknowledged survives the server.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_shared::arcp::journal::{
    Journal, JournalError, MemoryJournal, Record, ReplayRange, Replayed, SqliteJournal, SqliteOptions, Sync,
};
use nuncio_shared::arcp::{
    Body, BuildError, ClientError, ClientOptions, Config, ErrorCode, Failure, FinalStatus, JobContext, ListQuery,
    Reconnect, RequestFailure, Shutdown, Submit, Subscribe, Transport,
};
use nuncio_tests::temp_dir::TempDir;
use serde_json::Value;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;

use super::client::Client;
use super::server::{Server, ServerBuilder};
use super::support::{builder, connect, memory_connector, within};

const EVENTS: u64 = 300;

/// Copies the file as a crash would leave it.
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

/// Emits events and then never ends.
async fn counts(_: Value, ctx: JobContext) -> Result<u64, Failure> {
    for number in 0..EVENTS {
        ctx.emit(&Body::metric("n", &number.into(), None, None)?).await?;
    }
    std::future::pending().await
}

fn server(journal: impl Journal) -> ServerBuilder {
    builder().agent("counts", counts).journal(journal)
}

/// A stream that can be broken.
struct Breakable {
    stream: TcpStream,
    breaker: Arc<Breaker>,
}

#[derive(Default)]
struct Breaker {
    broken: AtomicBool,
    reader: Mutex<Option<std::task::Waker>>,
}

impl Breaker {
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        *self.reader.lock().unwrap() = Some(cx.waker().clone());
        if self.broken.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Breakable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.breaker.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.breaker.broken.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// The server that a client is connected to, with a way to cut it off.
#[derive(Clone, Default)]
struct Route {
    state: Arc<Mutex<RouteState>>,
}

#[derive(Default)]
struct RouteState {
    url: Option<String>,
    connections: Vec<Arc<Breaker>>,
}

impl Route {
    async fn to(server: &Server) -> Route {
        let route = Route::default();
        route.lead_to(server).await;
        route
    }

    async fn lead_to(&self, server: &Server) {
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        self.state.lock().unwrap().url = Some(listening.url().to_owned());
    }

    /// Cuts all connections, and refuses new ones.
    fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.url = None;
        for breaker in state.connections.drain(..) {
            breaker.broken.store(true, Ordering::SeqCst);
            if let Some(reader) = breaker.reader.lock().unwrap().take() {
                reader.wake();
            }
        }
    }

    async fn connect(self) -> io::Result<Transport> {
        let url = self.state.lock().unwrap().url.clone().ok_or(io::ErrorKind::ConnectionRefused)?;
        let options = ClientOptions::new(&url).map_err(io::Error::other)?;
        let stream = TcpStream::connect((options.host(), options.port())).await?;
        let breaker = Arc::new(Breaker::default());
        self.state.lock().unwrap().connections.push(Arc::clone(&breaker));
        Ok(Transport::websocket(Box::pin(Breakable { stream, breaker }), options))
    }

    async fn client(&self, token: &str) -> Client {
        let route = self.clone();
        let (first, longest) = (Duration::from_micros(1), Duration::from_millis(1));
        let quick = Reconnect::default().first_pause(first).longest_pause(longest);
        Client::over(move || route.clone().connect(), token).reconnect(quick).connect().await.unwrap()
    }
}

/// Reads all numbers; panics if one is missing or repeated.
async fn read_numbers(job: &mut nuncio_shared::arcp::JobHandle) -> u64 {
    let mut expected = 0;
    while let Some(event) = job.events().try_next().await.unwrap() {
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

#[test]
fn a_session_continues_after_a_crash() {
    within(async {
        let directory = TempDir::new();
        let (first, second) = (directory.file("first"), directory.file("second"));
        let server_a = server(sqlite(&first)).build().unwrap();
        let route = Route::to(&server_a).await;
        let client = route.client("tok-alice").await;
        let submit = Submit::new("counts").idempotency_key("once");
        let mut job = client.submit(&submit).await.unwrap();
        let id = job.job_id().to_owned();
        assert_eq!(read_numbers(&mut job).await, EVENTS);

        route.cut();
        crash(&first, &second);
        let server_b = server(sqlite(&second)).build().unwrap();
        route.lead_to(&server_b).await;

        let outcome = job.outcome().await.unwrap();
        assert_eq!(outcome.status, FinalStatus::Error);
        let again = client.submit(&submit).await.unwrap();
        assert_eq!(*again.job_id(), id, "an idempotent retry is the same job");
        // The resumed session can be used.
        let mut echo = client.submit(&Submit::new("echo")).await.unwrap();
        assert_eq!(echo.outcome().await.unwrap().status, FinalStatus::Success);
        let page = client.list(&ListQuery::default()).await.unwrap();
        assert_eq!(page.jobs.len(), 2);
    });
}

#[test]
fn a_server_that_was_shut_down_is_restored_from_its_file() {
    within(async {
        let directory = TempDir::new();
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
            assert_eq!(server.shutdown(Duration::from_secs(5)).await, Shutdown::Drained);
        }
    });
}

#[test]
fn older_events_are_read_from_the_file() {
    within(async {
        let directory = TempDir::new();
        let config = || {
            Config::default().with(|config| {
                config.limits.log_events = 50;
                config.limits.history_events = 50;
            })
        };
        let file = directory.file("journal");
        let journal = SqliteJournal::open(&file, SqliteOptions { sync: Sync::Normal, ..Default::default() }).unwrap();
        let (done, counted) = smol::channel::unbounded();
        let counts = move |_: Value, ctx: JobContext| {
            let done = done.clone();
            async move {
                for number in 0..EVENTS {
                    ctx.emit(&Body::metric("n", &number.into(), None, None)?).await?;
                }
                done.try_send(()).unwrap();
                std::future::pending::<Result<u64, Failure>>().await
            }
        };
        let server = builder().config(config()).agent("counts", counts).journal(journal).build().unwrap();
        let route = Route::to(&server).await;
        let client = route.client("tok-alice").await;
        let mut job = client.submit(&Submit::new("counts")).await.unwrap();
        let id = job.job_id().to_owned();
        // The client is disconnected while the job emits far more events than are held in memory.
        route.cut();
        counted.recv().await.unwrap();
        route.lead_to(&server).await;
        assert_eq!(read_numbers(&mut job).await, EVENTS);
        // A late subscriber reads the whole history.
        let late = connect(&server, "tok-alice").await;
        let mut late = late.subscribe(&id, Subscribe { history: true, ..Subscribe::default() }).await.unwrap();
        for expected in 0..EVENTS {
            loop {
                let event = late.events().try_next().await.unwrap().unwrap();
                if event.kind.as_str() == "metric" {
                    assert_eq!(event.body.parse::<Value>().unwrap()["value"], expected);
                    break;
                }
            }
        }
    });
}

/// A journal whose commits can be made to fail.
struct Fragile {
    inner: MemoryJournal,
    fails: Arc<AtomicBool>,
    failed: Arc<smol::lock::Semaphore>,
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

#[test]
fn a_full_disk_refuses_new_work_and_loses_nothing() {
    within(async {
        let inner = MemoryJournal::new();
        let (fails, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(smol::lock::Semaphore::new(0)));
        let journal = Fragile { inner: inner.clone(), fails: Arc::clone(&fails), failed: Arc::clone(&failed) };
        let server = server(journal).build().unwrap();
        let bystander = connect(&server, "tok-alice").await;
        let client = connect(&server, "tok-alice").await;
        // The bystander's first frame proves its token, so that its next one stores nothing.
        bystander.list(&ListQuery::default()).await.unwrap();
        fails.store(true, Ordering::SeqCst);
        let asking = smol::spawn({
            let client = client.clone();
            async move { client.submit(&Submit::new("echo")).await }
        });
        // When the server commits again, it has noticed the failure.
        for _ in 0..2 {
            failed.acquire().await.forget();
        }
        let refused = bystander.submit(&Submit::new("echo")).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = refused else { panic!("{refused}") };
        assert_eq!(fault.code, ErrorCode::InternalError.as_str());
        let refused = Client::over(memory_connector(&server), "tok-alice")
            .reconnect(Reconnect::never())
            .connect()
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("cannot store"), "new connections are refused at once: {refused}");
        assert!(!asking.is_finished(), "a submit that is not stored is not answered");
        fails.store(false, Ordering::SeqCst);
        let mut job = asking.await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        let mut later = loop {
            // The server accepts new work once a commit has succeeded.
            match bystander.submit(&Submit::new("echo")).await {
                Ok(job) => break job,
                Err(ClientError::Failed(RequestFailure::Refused(_))) => smol::future::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(later.outcome().await.unwrap().status, FinalStatus::Success);
        assert!(
            inner.records().windows(2).all(|pair| pair[0].0 + 1 == pair[1].0),
            "every record is stored once and in order"
        );
    });
}

#[test]
fn an_unusable_file_is_reported_at_the_start() {
    within(async {
        let directory = TempDir::new();
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
        assert_eq!(server.shutdown(Duration::from_secs(5)).await, Shutdown::Drained);
        let sound = std::fs::read(&file).unwrap();

        let with = |at: usize, bytes: &[u8]| {
            let mut changed = sound.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            std::fs::write(&file, changed).unwrap();
        };
        // The version and the application id are in the header of an SQLite file.
        with(60, &9_u32.to_be_bytes());
        assert!(matches!(open().unwrap_err(), JournalError::Version { found: 9, known: 1 }));
        with(68, &7_u32.to_be_bytes());
        assert!(matches!(open().unwrap_err(), JournalError::Damaged(_)));
        std::fs::write(&file, b"this has never been a database, but it is long enough to be taken for one".repeat(20))
            .unwrap();
        assert!(matches!(open().unwrap_err(), JournalError::Damaged(_)));

        // Damage within the file is found when the records are read.
        let mut changed = sound.clone();
        let places: Vec<usize> = (0..sound.len() - 10).filter(|at| sound[*at..].starts_with(b"job_accept")).collect();
        for at in places {
            // A changed letter leads to an unknown kind of record.
            changed[at] = b'J';
        }
        std::fs::write(&file, changed).unwrap();
        let error = builder().journal(open().unwrap()).build().unwrap_err();
        assert!(matches!(error, BuildError::Journal(JournalError::Damaged(_))), "{error}");
        std::fs::write(&file, &sound).unwrap();
        builder().journal(open().unwrap()).build().unwrap();
        let nowhere = SqliteJournal::open(directory.file("no/such/place"), SqliteOptions::default());
        assert!(matches!(nowhere.unwrap_err(), JournalError::Io(_)));
    });
}

#[test]
fn others_may_read_while_a_server_writes() {
    within(async {
        let directory = TempDir::new();
        let path = directory.file("journal");
        let server = builder().journal(sqlite(&path)).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("echo")).await.unwrap();
        job.outcome().await.unwrap();
        let mut looking = SqliteJournal::look(&path).unwrap();
        let mut records = Vec::new();
        looking
            .load(&mut |seq, record| {
                records.push((seq, record));
                true
            })
            .unwrap();
        assert!(records.iter().any(|(_, record)| record.kind() == "job_ended"));
        let frames: Vec<String> = records
            .iter()
            .filter_map(|(_, record)| {
                let (_, frame) = record.frame(record.targets().first()?.session)?;
                Some(String::from_utf8(frame.to_vec()).unwrap())
            })
            .collect();
        assert!(frames.last().unwrap().contains(r#""type":"job.result""#), "{frames:?}");
        assert!(looking.commit(&records[..1]).is_err());
        assert!(matches!(SqliteJournal::open(&path, SqliteOptions::default()).unwrap_err(), JournalError::Locked(_)));
        assert_eq!(server.shutdown(Duration::from_secs(5)).await, Shutdown::Drained);
        sqlite(&path);
    });
}
