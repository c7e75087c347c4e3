//! Routers between clients and workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::StreamExt as _;
use serde_json::Value;

use super::cap::{
    Bus as _, Client, Decision, Dispatch, JobContext, JobStatus, MemoryBus, MemoryRecords, MemoryStore, PolicyCheck,
    RecordKind, Records, RecordsError, Router, RouterBuilder, RouterEvent, RouterRecord, SqliteRecords, Submit, Worker,
};
use crate::on::within;

/// A bus and a store, without anything on it.
struct Net {
    bus: MemoryBus,
    store: MemoryStore,
}

impl Net {
    fn new() -> Net {
        Net { bus: MemoryBus::new(), store: MemoryStore::new() }
    }

    async fn router(&self, builder: RouterBuilder) -> Router {
        let router = builder.start(self.bus.another()).unwrap();
        router.ready().await.unwrap();
        router
    }

    async fn echo(&self, id: &str) -> Worker {
        let echo = |_: JobContext, input: Value| async move { Ok(input) };
        let worker = Worker::builder().id(id).heartbeat_interval(Duration::from_millis(5)).job("job.echo", echo);
        let worker = worker.start(self.bus.another(), self.store.clone()).unwrap();
        worker.ready().await.unwrap();
        worker
    }

    fn client(&self) -> Client {
        Client::builder().id("client-1").connect(self.bus.another(), self.store.clone()).unwrap()
    }
}

#[test]
fn a_router_brings_a_job_to_a_worker_by_queue_or_by_load() {
    within(async {
        for dispatch in [Dispatch::Queue, Dispatch::LeastLoaded] {
            let net = Net::new();
            let router = net.router(Router::builder().id("router-1").dispatch(dispatch)).await;
            let _worker = net.echo("worker-1").await;
            let mut job = net.client().submit(Submit::new("job.echo").input("hello")).await.unwrap();
            assert_eq!(job.result::<String>().await.unwrap(), "hello");
            while router.live() > 0 {
                smol::future::yield_now().await;
            }
            let jobs = router.jobs();
            assert_eq!((jobs.len(), jobs[0].job_id.as_str()), (1, job.job_id()));
        }
    });
}

#[test]
fn a_router_knows_the_workers_that_have_announced_themselves() {
    within(async {
        let net = Net::new();
        let router = net.router(Router::builder()).await;
        assert_eq!((router.live(), router.jobs().len(), router.workers().len()), (0, 0, 0));
        let _worker = net.echo("worker-1").await;
        // It is known from its first packet, and says with a heartbeat how many jobs it runs at the same time.
        while router.workers().first().is_none_or(|worker| worker.max_parallel == 0) {
            smol::future::yield_now().await;
        }
        let workers = router.workers();
        assert_eq!((workers.len(), workers[0].id.as_str(), workers[0].active), (1, "worker-1", 0));
    });
}

#[test]
fn a_policy_allows_denies_and_leaves_it_to_a_person() {
    within(async {
        let net = Net::new();
        let policy = |check: PolicyCheck| async move {
            match check.request.labels.get("risk").map(String::as_str) {
                None => Decision::Allow,
                Some("high") => Decision::RequireHuman { reason: "it is risky".into() },
                Some("panic") => panic!("the policy is broken"),
                Some(_) => Decision::Deny { reason: "no".into() },
            }
        };
        let waiting = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&waiting);
        let builder = Router::builder().policy(policy).on_event(move |event, job_id| {
            if let RouterEvent::Approval { .. } = event {
                told.lock().unwrap().push(job_id.unwrap().to_owned());
            }
        });
        let router = net.router(builder).await;
        let _worker = net.echo("worker-1").await;
        let client = net.client();
        let mut allowed = client.submit(Submit::new("job.echo").input(&1)).await.unwrap();
        assert_eq!(allowed.result::<u8>().await.unwrap(), 1);
        for risk in ["some", "panic"] {
            let mut denied = client.submit(Submit::new("job.echo").label("risk", risk)).await.unwrap();
            assert_eq!(denied.outcome().await.unwrap().status, JobStatus::DENIED);
        }
        let mut held = client.submit(Submit::new("job.echo").label("risk", "high").input(&2)).await.unwrap();
        let progress = held.progress().next().await.unwrap();
        assert!(progress.message.contains("it is risky"), "{progress:?}");
        while waiting.lock().unwrap().is_empty() {
            smol::future::yield_now().await;
        }
        assert_eq!(*waiting.lock().unwrap(), [held.job_id().to_owned()]);
        router.decide(held.job_id(), Decision::Allow).unwrap();
        assert_eq!(held.result::<u8>().await.unwrap(), 2);
        assert!(router.decide(held.job_id(), Decision::Allow).is_err(), "an ended job awaits no decision");
    });
}

/// Submits a job that waits for a worker, starts the router again, and sees that the job runs once.
async fn restart(mut keeping: impl FnMut() -> RouterBuilder) {
    let net = Net::new();
    let (accepted, is_accepted) = smol::channel::bounded(1);
    let told = move |event: &RouterEvent, _: Option<&str>| {
        if let RouterEvent::Accepted { .. } = event {
            accepted.try_send(()).unwrap();
        }
    };
    // The bus loses the request that the first router sends, so it is sent again once nothing is heard of the job.
    let mut patient = move || {
        keeping().configure(|config| {
            (config.dispatch_timeout, config.redispatches) = (Duration::from_millis(50), 10_000);
            config.max_backoff = Duration::from_millis(1);
        })
    };
    let first = net.router(patient().on_event(told)).await;
    let calls = Arc::new(AtomicUsize::new(0));
    // The request is sent once, so that only the router can know of it.
    let waits = |config: &mut super::cap::ClientConfig| config.resubmissions = 0;
    let client = Client::builder().configure(waits).connect(net.bus.another(), net.store.clone()).unwrap();
    let mut job = client.submit(Submit::new("job.count")).await.unwrap();
    is_accepted.recv().await.unwrap();
    first.close().await;
    let counted = Arc::clone(&calls);
    let worker = Worker::builder().job("job.count", move |_: JobContext, (): ()| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(call) }
    });
    let worker = worker.start(net.bus.another(), net.store.clone()).unwrap();
    worker.ready().await.unwrap();
    let second = net.router(patient()).await;
    assert_eq!(job.result::<usize>().await.unwrap(), 0);
    while second.live() > 0 {
        smol::future::yield_now().await;
    }
    second.close().await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_router_that_is_started_again_goes_on_with_what_it_has_accepted() {
    within(async {
        let records = MemoryRecords::default();
        restart(|| Router::builder().id("router-1").records(records.clone())).await;
        assert_eq!(records.jobs(), 1, "an ended job is remembered");
        let directory = nuncio_tests::temp_dir::TempDir::new();
        let file = directory.file("records");
        restart(|| Router::builder().id("router-1").records(SqliteRecords::open(&file).unwrap())).await;
    });
}

/// Records in memory, and all that was ever written.
#[derive(Clone, Default)]
struct Noted(MemoryRecords, Arc<Mutex<Vec<(u64, RouterRecord)>>>);

impl Records for Noted {
    fn load(&mut self) -> Result<Vec<(u64, RouterRecord)>, RecordsError> {
        self.0.load()
    }

    fn commit(&mut self, records: &[(u64, RouterRecord)]) -> Result<(), RecordsError> {
        self.1.lock().unwrap().extend_from_slice(records);
        self.0.commit(records)
    }
}

#[test]
fn a_file_has_the_records_that_are_needed_at_each_moment() {
    within(async {
        let noted = Noted::default();
        restart(|| Router::builder().id("router-1").records(noted.clone())).await;
        let all = std::mem::take(&mut *noted.1.lock().unwrap());
        for kind in [RecordKind::Accepted, RecordKind::Moved, RecordKind::Ended] {
            assert!(all.iter().any(|(_, record)| record.kind() == kind), "{kind:?}");
        }
        let directory = nuncio_tests::temp_dir::TempDir::new();
        let (mut memory, mut file) =
            (MemoryRecords::default(), SqliteRecords::open(directory.file("records")).unwrap());
        for record in all {
            let kind = record.1.kind();
            memory.commit(std::slice::from_ref(&record)).unwrap();
            file.commit(&[record]).unwrap();
            assert!(file.load().unwrap() == memory.load().unwrap(), "after {kind:?}");
        }
    });
}

#[test]
fn a_result_that_was_missed_comes_soon_although_the_router_is_back_later_than_the_client() {
    within(async {
        let net = Net::new();
        let (of_client, of_router) = (net.bus.another(), net.bus.another());
        let router = Router::builder().start(of_router.clone()).unwrap();
        router.ready().await.unwrap();
        let (open, gate) = smol::channel::bounded::<()>(1);
        let worker = Worker::builder().job("job.gate", move |ctx: JobContext, (): ()| {
            let gate = gate.clone();
            async move {
                ctx.progress(1).await?;
                gate.recv().await?;
                Ok("open")
            }
        });
        let worker = worker.start(net.bus.another(), net.store.clone()).unwrap();
        worker.ready().await.unwrap();
        let soon = |config: &mut super::cap::ClientConfig| {
            (config.resubmit_after, config.reconnected_after) = (Duration::from_hours(1), Duration::from_millis(1));
        };
        let client = Client::builder().configure(soon).connect(of_client.clone(), net.store.clone()).unwrap();
        client.ready().await.unwrap();
        let mut job = client.submit(Submit::new("job.gate")).await.unwrap();
        job.progress().next().await.expect("the job runs");
        // The server takes everybody's connection; the result comes while the client is away.
        of_client.cut();
        open.send(()).await.unwrap();
        while router.live() > 0 {
            smol::future::yield_now().await;
        }
        of_router.cut();
        // The client is back first, and the router does not get its request.
        let witness = net.bus.another();
        let mut requests = witness.subscribe("sys.job.submit", None).await.unwrap();
        of_client.restore();
        requests.next().await.expect("the client asks");
        of_router.restore();
        assert_eq!(job.result::<String>().await.unwrap(), "open");
    });
}

#[test]
fn a_job_waits_while_the_router_is_cut_off() {
    within(async {
        let net = Net::new();
        let bus = net.bus.another();
        let router = Router::builder().start(bus.clone()).unwrap();
        router.ready().await.unwrap();
        let _worker = net.echo("worker-1").await;
        let often = |config: &mut super::cap::ClientConfig| {
            (config.resubmit_after, config.resubmissions) = (Duration::from_millis(10), 10_000);
        };
        let client = Client::builder().configure(often).connect(net.bus.another(), net.store.clone()).unwrap();
        bus.cut();
        let mut job = client.submit(Submit::new("job.echo").input("hello")).await.unwrap();
        client.ready().await.unwrap();
        assert!(!job.has_ended());
        bus.restore();
        assert_eq!(job.result::<String>().await.unwrap(), "hello");
        bus.close().await;
    });
}
