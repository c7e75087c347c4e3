//! Servers that shut down: what still happens during the drain, and what the end is called.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::client::Client;
use super::server::Server;
use super::support::{builder, connect, echoes, memory_connector, within};
use nuncio_shared::arcp::journal::{Journal, JournalError, MemoryJournal, Record, ReplayRange, Replayed};
use nuncio_shared::arcp::{
    Access, Config, Delegation, ErrorCode, Failure, FinalStatus, JobContext, Level, ListQuery, Policy, Reconnect,
    Shutdown, Submit, Subscribe,
};
use serde_json::{Value, json};
use smol::future::zip;
use smol::lock::Semaphore;
use smol::net::TcpStream;

/// Connects a client that does not connect again.
async fn once(url: &str) -> Client {
    Client::builder(url, "tok-alice").unwrap().reconnect(Reconnect::never()).connect().await.unwrap()
}

/// Begins a shutdown that waits for the jobs, and returns once new jobs of this client are refused.
async fn shut_down(server: &Server, client: &Client) -> smol::Task<Shutdown> {
    let server = server.clone();
    let ending = smol::spawn(async move { server.shutdown(Duration::from_secs(50)).await });
    while let Ok(mut job) = client.submit(&Submit::new("echo")).await {
        job.outcome().await.unwrap();
    }
    ending
}

async fn waits(_: Value, ctx: JobContext) -> Result<(), Failure> {
    ctx.cancelled().await;
    Err(Failure::new(ErrorCode::Cancelled, "it was cancelled"))
}

#[test]
fn a_shutdown_lets_running_jobs_end_and_refuses_new_ones() {
    within(async {
        let gate = Arc::new(Semaphore::new(0));
        let inside = Arc::clone(&gate);
        let waits = move |_: Value, ctx: JobContext| {
            let gate = Arc::clone(&inside);
            async move {
                gate.acquire().await.forget();
                ctx.log(Level::Info, "still here").await?;
                Ok(())
            }
        };
        let server = builder().agent("waits", waits).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = once(listening.url()).await;
        let mut job = client.submit(&Submit::new("waits")).await.unwrap();
        let ending = shut_down(&server, &client).await;
        gate.add_permits(1);
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        assert_eq!(ending.await, Shutdown::Drained);
        let refused = TcpStream::connect(listening.address()).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn clients_connect_list_and_cancel_during_the_drain_of_a_shutdown() {
    within(async {
        let server = builder().agent("waits", waits).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = once(listening.url()).await;
        let mut job = client.submit(&Submit::new("waits")).await.unwrap();
        let ending = shut_down(&server, &client).await;
        assert!(server.is_stopping() && server.accepts_connections());

        let late = once(listening.url()).await;
        let page = late.list(&ListQuery::default()).await.unwrap();
        assert!(page.jobs.iter().any(|row| row.job_id == *job.job_id()), "{page:?}");
        assert!(late.submit(&Submit::new("echo")).await.is_err());
        job.cancel(None).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);

        assert_eq!(ending.await, Shutdown::Drained);
        assert!(!server.accepts_connections());
        let refused = TcpStream::connect(listening.address()).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_session_is_resumed_during_the_drain_and_its_job_goes_on() {
    within(async {
        let server = builder().agent("waits", waits).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let (first, other) = (once(listening.url()).await, once(listening.url()).await);
        let job = first.submit(&Submit::new("waits")).await.unwrap();
        let point = first.resume_point().unwrap();
        let ending = shut_down(&server, &other).await;

        let resumed = Client::builder(listening.url(), "tok-alice").unwrap().resume(point).connect().await.unwrap();
        assert!(resumed.welcome().unwrap().resumed);
        let mut job = resumed.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
        job.cancel(None).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
        assert_eq!(ending.await, Shutdown::Drained);
    });
}

#[test]
fn a_job_delegates_during_the_drain() {
    within(async {
        let gate = Arc::new(Semaphore::new(0));
        let inside = Arc::clone(&gate);
        let parent = move |_: Value, ctx: JobContext| {
            let gate = Arc::clone(&inside);
            async move {
                gate.acquire().await.forget();
                let mut child = ctx.delegate(&Delegation::new("echo").input(&"late")).await?;
                let outcome = child.outcome().await;
                Ok(json!({"ended": outcome.status == FinalStatus::Success}))
            }
        };
        let server = builder().agent("parent", parent).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = once(listening.url()).await;
        let submit = Submit::new("parent").lease(&json!({"agent.delegate": ["echo"]}));
        let mut job = client.submit(&submit).await.unwrap();
        let ending = shut_down(&server, &client).await;
        gate.add_permits(1);
        let result: Value = job.collect(1_000).await.unwrap().json().unwrap();
        assert_eq!(result, json!({"ended": true}));
        assert_eq!(ending.await, Shutdown::Drained);
    });
}

#[test]
fn an_address_is_served_until_the_signal_and_the_end_of_the_jobs() {
    within(async {
        let (listens, url) = smol::channel::bounded(1);
        let (stop, signal) = smol::channel::bounded::<()>(1);
        let server = builder().build().unwrap();
        let serving = server
            .serve("127.0.0.1:0")
            .on_listening(move |listening| listens.try_send(listening.url().to_owned()).unwrap())
            .with_graceful_shutdown(async move { signal.recv().await.unwrap() });
        let using = async {
            echoes(&url.recv().await.unwrap()).await;
            stop.send(()).await.unwrap();
        };
        let (outcome, ()) = zip(serving.into_future(), using).await;
        assert_eq!(outcome.unwrap(), Shutdown::Drained);
    });
}

#[test]
fn an_address_is_served_until_the_server_ends() {
    within(async {
        let (listens, url) = smol::channel::bounded(1);
        let forever = |_: Value, _: JobContext| std::future::pending::<Result<(), Failure>>();
        let server = builder().agent("forever", forever).build().unwrap();
        let serving = server
            .serve("127.0.0.1:0")
            .on_listening(move |listening| listens.try_send(listening.url().to_owned()).unwrap());
        let until = server.serve("127.0.0.1:0").with_graceful_shutdown(std::future::pending());
        let using = async {
            let client = Client::builder(&url.recv().await.unwrap(), "tok-alice").unwrap().connect().await.unwrap();
            client.submit(&Submit::new("forever")).await.unwrap();
            assert_eq!(server.shutdown(Duration::ZERO).await, Shutdown::Aborted);
        };
        let ((outcome, until), ()) = zip(zip(serving.into_future(), until.into_future()), using).await;
        outcome.unwrap();
        assert_eq!(until.unwrap(), Shutdown::Aborted, "the outcome is that of the first shutdown");
    });
}

#[test]
fn a_shutdown_ends_jobs_that_do_not_end_by_themselves() {
    within(async {
        let forever = |_: Value, _: JobContext| async move {
            std::future::pending::<()>().await;
            Ok(())
        };
        let server = builder().agent("forever", forever).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("forever")).await.unwrap();
        assert_eq!(server.shutdown(Duration::ZERO).await, Shutdown::Aborted);
        let fault = job.outcome().await.unwrap().fault.unwrap();
        assert_eq!(fault.known(), Some(ErrorCode::InternalError));
    });
}

/// A journal whose commits can be held up.
#[derive(Clone, Default)]
struct Slow {
    inner: MemoryJournal,
    /// Whether commits wait, and whether one does.
    held: Arc<(Mutex<(bool, bool)>, Condvar)>,
}

impl Slow {
    fn hold(&self, hold: bool) {
        self.held.0.lock().unwrap().0 = hold;
        self.held.1.notify_all();
    }

    /// Waits until a commit waits.
    fn until_it_waits(&self) {
        drop(self.held.1.wait_while(self.held.0.lock().unwrap(), |(_, waits)| !*waits));
    }
}

impl Journal for Slow {
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        self.inner.load(each)
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        let mut held = self.held.0.lock().unwrap();
        while held.0 {
            held.1 = true;
            self.held.1.notify_all();
            held = self.held.1.wait(held).unwrap();
        }
        drop(held);
        self.inner.commit(records)
    }

    fn replay(&mut self, range: &ReplayRange, events: usize, bytes: usize) -> Result<Replayed, JournalError> {
        self.inner.replay(range, events, bytes)
    }
}

/// Shows jobs to everyone, and tells that it was asked.
struct Asked(smol::channel::Sender<()>);

impl Policy for Asked {
    fn access(&self, _: &str, _: &str, _: &str) -> Access {
        self.0.try_send(()).unwrap();
        Access::Observed
    }
}

#[test]
fn records_that_come_before_history_is_read_are_on_record_at_the_end() {
    within(async {
        let journal = Slow::default();
        let config = Config::default().with(|config| {
            config.limits.history_events = 10;
            config.linger = Duration::from_millis(1);
        });
        let (tell, told) = smol::channel::unbounded::<()>();
        let agent = move |_: Value, ctx: JobContext| {
            let told = told.clone();
            async move {
                while told.recv().await.is_ok() {
                    ctx.log(Level::Info, "told").await?;
                }
                Ok::<_, Failure>(())
            }
        };
        let (ask, asked) = smol::channel::unbounded();
        let builder = builder().config(config).agent("tells", agent).policy(Asked(ask)).journal(journal.clone());
        let server = builder.build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("tells")).await.unwrap();
        for _ in 0..50 {
            tell.send(()).await.unwrap();
            while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "log" {}
        }
        let late = Client::over(memory_connector(&server), "tok-bob").reconnect(Reconnect::never());
        let late = late.connect().await.unwrap();
        late.list(&ListQuery::default()).await.unwrap();
        while asked.try_recv().is_ok() {}

        // While an event is being committed, a subscription asks for events that are read back after the commit.
        journal.hold(true);
        tell.send(()).await.unwrap();
        journal.until_it_waits();
        let (id, history) = (job.job_id().to_owned(), Subscribe { history: true, ..Subscribe::default() });
        let subscribing = smol::spawn(async move { late.subscribe(&id, history).await.map(drop) });
        asked.recv().await.unwrap();
        let serving = async {
            server.serve("127.0.0.1:0").await.unwrap();
            // The connections are closed, and the end of the job waits for its commit.
            journal.hold(false);
        };
        let ((), ended) = zip(serving, server.shutdown(Duration::ZERO)).await;
        assert_eq!(ended, Shutdown::Aborted);
        assert!(subscribing.await.is_err());
        let records = journal.inner.records();
        assert!(records.iter().any(|(_, record)| matches!(record, Record::JobEnded(_))), "{:?}", records.last());
    });
}
