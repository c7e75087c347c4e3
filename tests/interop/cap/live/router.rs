//! Our router, with its records in a file, so that it can be killed and go on from them.

use std::time::Duration;

use nuncio_core::cap::{JobStatus, RouterEvent};
use nuncio_shared::cap::{Bus, SqliteRecords};
use nuncio_tests::temp_dir::TempDir;
use smol::channel::{Receiver, unbounded};

use super::on;
use super::support::{Peers, keys, signer};

/// A router. Dropping it is its crash.
pub(super) struct RunningRouter {
    _router: on::Router,
    ended: Receiver<(String, JobStatus)>,
}

impl RunningRouter {
    /// Waits until the router knows that a job has ended, and returns how.
    pub(super) fn ended(&self, job: &str) -> JobStatus {
        loop {
            let (ended, status) = self.next_end();
            if ended == job {
                return status;
            }
        }
    }

    /// Waits for the next job that ends, and returns its id and how it has ended.
    pub(super) fn next_end(&self) -> (String, JobStatus) {
        on::block_on(self.ended.recv()).expect("the router runs")
    }

    /// Returns how many jobs have ended that [`next_end`](RunningRouter::next_end) has not returned.
    pub(super) fn more_ends(&self) -> usize {
        self.ended.len()
    }
}

/// The file of a router. A router that is started with that of another one goes on from it.
pub(super) struct Records(TempDir);

impl Default for Records {
    fn default() -> Records {
        Records(TempDir::new())
    }
}

/// A router that signs, and accepts the packets of these senders.
pub(super) fn signed(trusted: &[(&str, u8)]) -> on::RouterBuilder {
    unsigned().keys(keys(trusted)).signer(signer(4))
}

/// A router that neither signs nor verifies.
pub(super) fn unsigned() -> on::RouterBuilder {
    on::Router::builder().id("rust-router").configure(|config| {
        // What is lost while the server is away is sent again after this.
        config.dispatch_timeout = Duration::from_secs(1);
        config.redispatches = 30;
        config.backoff = Duration::from_millis(10);
        config.max_backoff = Duration::from_millis(10);
        config.heartbeat_interval = Duration::from_millis(200);
    })
}

/// Starts a router, and waits until it misses no job.
pub(super) fn run(peers: &Peers, router: on::RouterBuilder, records: &Records) -> RunningRouter {
    // A router that was dropped may use its file for a moment longer, which opening it waits for.
    let router = router.records(SqliteRecords::open(records.0.file("router.db")).unwrap());
    started(router, on::block_on(peers.bus()))
}

/// Starts a router on a bus, and waits until it misses no job.
pub(super) fn started(router: on::RouterBuilder, bus: impl Bus) -> RunningRouter {
    let (sender, ended) = unbounded();
    let router = router.on_event(move |event, job| {
        if let (RouterEvent::Ended { status, .. }, Some(job)) = (event, job) {
            // A test need not wait for it.
            let _unheard = sender.try_send((job.to_owned(), *status));
        }
    });
    on::block_on(async {
        let router = router.start(bus).unwrap();
        router.ready().await.unwrap();
        RunningRouter { _router: router, ended }
    })
}
