//! What a server says of itself: whether it responds, and what it has counted.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::support::{builder, connect, within};
use nuncio_shared::arcp::journal::MemoryJournal;
use nuncio_shared::arcp::{Access, FinalStatus, ListQuery, Policy, Shutdown, Submit};
use smol::future::poll_once;

/// Tells that it was asked, and holds the machine until it is let go.
struct Holding {
    asked: smol::channel::Sender<()>,
    free: Arc<(Mutex<bool>, Condvar)>,
}

impl Policy for Holding {
    fn access(&self, _: &str, _: &str, _: &str) -> Access {
        self.asked.try_send(()).unwrap();
        drop(self.free.1.wait_while(self.free.0.lock().unwrap(), |free| !*free).unwrap());
        Access::Observed
    }
}

#[test]
fn a_server_does_not_respond_while_its_machine_is_held() {
    within(async {
        let (asked, was_asked) = smol::channel::unbounded();
        let free = Arc::new((Mutex::new(false), Condvar::new()));
        let server = builder().policy(Holding { asked, free: Arc::clone(&free) }).build().unwrap();
        assert!(server.responds().await);
        let (alice, bob) = (connect(&server, "tok-alice").await, connect(&server, "tok-bob").await);
        let mut job = alice.submit(&Submit::new("echo").input(&1)).await.unwrap();
        job.outcome().await.unwrap();

        let listing = smol::spawn(async move { bob.list(&ListQuery::default()).await });
        was_asked.recv().await.unwrap();
        let mut responds = Box::pin(server.responds());
        assert_eq!(poll_once(&mut responds).await, None);
        *free.0.lock().unwrap() = true;
        free.1.notify_all();
        assert!(responds.await);
        assert_eq!(listing.await.unwrap().jobs.len(), 1);
    });
}

#[test]
fn a_server_that_has_ended_does_not_respond() {
    within(async {
        let server = builder().build().unwrap();
        assert!(server.responds().await);
        assert_eq!(server.shutdown(Duration::ZERO).await, Shutdown::Drained);
        assert!(!server.responds().await);
    });
}

#[test]
fn a_server_counts_the_jobs_of_each_agent_and_the_commits_of_its_journal() {
    within(async {
        let server = builder().journal(MemoryJournal::new()).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("echo").input(&1)).await.unwrap();
        job.outcome().await.unwrap();
        let [echo] = server.agent_stats().try_into().unwrap();
        assert_eq!((&*echo.name, echo.counts.jobs, echo.counts.ended(FinalStatus::Success)), ("echo", 1, 1));
        assert_eq!((echo.counts.waits.count(), echo.counts.runs.count()), (1, 1));
        let commits = server.journal_health().unwrap().commits;
        assert!(commits.count() > 0 && commits.sum() > Duration::ZERO, "{commits:?}");
    });
}
