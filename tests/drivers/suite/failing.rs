//! A journal that cannot be written, for a while or ever again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nuncio_shared::arcp::journal::{Journal, JournalError, MemoryJournal, Record, ReplayRange, Replayed};
use nuncio_shared::arcp::{
    ClientError, ErrorCode, Failure, JobContext, Level, ListQuery, Reconnect, RequestFailure, Submit,
};
use serde_json::{Value, json};

use super::client::Client;
use super::support::{builder, connect, memory_connector, within};

/// A journal whose commits fail with an error while there is one.
#[derive(Clone, Default)]
pub(super) struct Failing {
    inner: MemoryJournal,
    error: Arc<Mutex<Option<JournalError>>>,
    failed: Arc<AtomicUsize>,
}

impl Failing {
    pub(super) fn fail(&self, error: Option<JournalError>) {
        *self.error.lock().unwrap() = error;
    }

    /// Waits until the server has noticed: it has tried once more.
    pub(super) async fn noticed(&self) {
        let before = self.failed.load(Ordering::SeqCst);
        while self.failed.load(Ordering::SeqCst) < before + 2 {
            smol::future::yield_now().await;
        }
    }
}

impl Journal for Failing {
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        self.inner.load(each)
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        if let Some(error) = self.error.lock().unwrap().clone() {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(error);
        }
        self.inner.commit(records)
    }

    fn replay(&mut self, range: &ReplayRange, events: usize, bytes: usize) -> Result<Replayed, JournalError> {
        self.inner.replay(range, events, bytes)
    }
}

#[test]
fn a_session_with_waiting_events_is_answered_while_the_journal_fails() {
    within(async {
        let journal = Failing::default();
        let (tell, told) = smol::channel::unbounded::<()>();
        let agent = {
            let told = told.clone();
            move |_: Value, ctx: JobContext| {
                let told = told.clone();
                async move {
                    while told.recv().await.is_ok() {
                        ctx.log(Level::Info, "told").await?;
                    }
                    Ok::<_, Failure>(1_u64)
                }
            }
        };
        let server = builder().agent("tells", agent).journal(journal.clone()).build().unwrap();
        assert_eq!(server.journal_health().unwrap().failing_for, None);
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("tells")).await.unwrap();
        tell.send(()).await.unwrap();
        while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "log" {}
        // The client's first frame after the welcome proves its token.
        client.list(&ListQuery::default()).await.unwrap();

        journal.fail(Some(JournalError::Full));
        tell.send(()).await.unwrap();
        journal.noticed().await;
        let health = server.journal_health().unwrap();
        assert!(health.failing_for.is_some());
        assert_eq!(health.error, Some(JournalError::Full.to_string()));
        // The event waits, and everything that waits for no record is answered on the same connection.
        let jobs = client.list(&ListQuery::default()).await.unwrap();
        assert_eq!(jobs.jobs.len(), 1, "{jobs:?}");
        let refused = client.submit(&Submit::new("echo")).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = refused else { panic!("{refused}") };
        assert_eq!(fault.code, ErrorCode::InternalError.as_str());
        client.list(&ListQuery::default()).await.unwrap();

        journal.fail(None);
        while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "log" {}
        assert_eq!(server.journal_health().unwrap().failing_for, None);
        drop(tell);
        assert_eq!(job.result::<u64>().await.unwrap(), 1);
    });
}

/// A journal whose commits do not end while the gate is held.
struct Stuck {
    inner: MemoryJournal,
    gate: Arc<smol::lock::Mutex<()>>,
}

impl Journal for Stuck {
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        self.inner.load(each)
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        drop(self.gate.lock_blocking());
        self.inner.commit(records)
    }

    fn replay(&mut self, range: &ReplayRange, events: usize, bytes: usize) -> Result<Replayed, JournalError> {
        self.inner.replay(range, events, bytes)
    }
}

/// It takes as long as a commit may take.
#[test]
fn new_work_is_refused_while_a_commit_does_not_end() {
    within(async {
        let gate = Arc::new(smol::lock::Mutex::new(()));
        let journal = Stuck { inner: MemoryJournal::default(), gate: Arc::clone(&gate) };
        let server = builder().journal(journal).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        client.list(&ListQuery::default()).await.unwrap();
        let other = connect(&server, "tok-alice").await;
        other.list(&ListQuery::default()).await.unwrap();
        let stuck = gate.lock().await;
        let waiting = smol::spawn({
            let client = client.clone();
            async move { client.submit(&Submit::new("echo").input(&json!("first"))).await }
        });
        while server.journal_health().unwrap().failing_for.is_none() {
            smol::future::yield_now().await;
        }
        let health = server.journal_health().unwrap();
        assert!(health.error.unwrap().contains("a commit takes longer than"));
        let refused = other.submit(&Submit::new("echo")).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = refused else { panic!("{refused}") };
        assert_eq!(fault.code, ErrorCode::InternalError.as_str());

        drop(stuck);
        assert_eq!(waiting.await.unwrap().result::<Value>().await.unwrap()["echoed"], "first");
        while server.journal_health().unwrap().failing_for.is_some() {
            smol::future::yield_now().await;
        }
        let mut job = other.submit(&Submit::new("echo").input(&json!("second"))).await.unwrap();
        assert_eq!(job.result::<Value>().await.unwrap()["echoed"], "second");
    });
}

#[test]
fn a_server_ends_and_closes_a_journal_that_cannot_be_written() {
    within(async {
        let journal = Failing::default();
        let server = builder().journal(journal.clone()).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        client.list(&ListQuery::default()).await.unwrap();
        journal.fail(Some(JournalError::Full));
        let unanswered = smol::spawn(async move { client.submit(&Submit::new("echo")).await });
        journal.noticed().await;
        let _jobs = server.shutdown(Duration::ZERO).await;
        assert_eq!(Arc::strong_count(&journal.failed), 1, "the server has closed its journal");
        drop(unanswered);
    });
}

#[test]
fn a_lost_journal_ends_the_server_after_its_sessions_were_told() {
    within(async {
        let journal = Failing::default();
        let server = builder().journal(journal.clone()).build().unwrap();
        let client =
            Client::over(memory_connector(&server), "tok-alice").reconnect(Reconnect::never()).connect().await.unwrap();
        client.list(&ListQuery::default()).await.unwrap();
        journal.fail(Some(JournalError::Gone("the file".to_owned())));
        let unanswered = client.submit(&Submit::new("echo")).await;
        assert!(unanswered.is_err(), "a submit that is not stored is not answered");
        let lost = server.journal_lost().await;
        assert!(matches!(lost, JournalError::Gone(_)), "{lost}");
        // The server ends by itself.
        let again = Client::over(memory_connector(&server), "tok-alice").reconnect(Reconnect::never()).connect().await;
        assert!(again.is_err());
        while server.accepts_connections() {
            smol::future::yield_now().await;
        }
        let ended = server.serve("127.0.0.1:0").await;
        assert!(ended.unwrap_err().to_string().contains("deleted"), "whoever serves is told why");
    });
}
