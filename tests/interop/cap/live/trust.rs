//! Trust sessions and the production profile: a worker of the Python SDK 2.17.0 at our router.

use std::time::Duration;

use nuncio_core::cap::{
    AuthorityEvent, AuthorityRefused, ClientProduction, Enrollment, ErrorCode, Freshness, IdentityBinding, JobStatus,
    Keyring, Peers as Senders, Production, RouterEvent, WorkerHandshakeRejectionReason,
};
use nuncio_shared::cap::{MemoryRecords, ResultError, Sessions, Submit};
use nuncio_tests::peers::{CapSdk, Dialogue};
use serde_json::{Value, json};
use smol::channel::{Receiver, unbounded};

use super::on;
use super::python::{launch, start};
use super::router::signed;
use super::support::{Peers, client, connect, keys, signer, with_servers};

const TRUSTED: [(&str, u8); 2] = [("rust-client", 5), ("python-worker", 2)];
const RESULTS: [(&str, u8); 2] = [("python-worker", 2), ("rust-router", 4)];

/// The settings of a worker that proves itself in this mode. Its key is named `proof-1`, and that of the router `server-1`.
fn settings(mode: &str) -> Value {
    json!({"key": 2, "topics": ["job.echo", "job.echo.fail"], "trust": {
        "mode": mode, "tenant": "tenant-1", "agent": "agent-1", "scheduler": "rust-router",
        "server_key_id": "server-1", "server_key": 4, "proof_key_id": "proof-1", "timeout": 5, "retries": 10, "renew": 30,
    }})
}

fn enrollment() -> Enrollment {
    let (agent_id, tenant_id) = ("agent-1".to_owned(), "tenant-1".to_owned());
    Enrollment { agent_id, tenant_id, keys: keys(&[("proof-1", 2)]), topics: None }
}

fn sessions() -> Sessions {
    Sessions::new("server-1").worker("python-worker", enrollment())
}

/// A router that gives sessions, and what it says about them.
struct Scheduler {
    router: on::Router,
    told: Receiver<AuthorityEvent>,
}

impl Scheduler {
    fn start(peers: &Peers, sessions: Sessions, records: MemoryRecords) -> Scheduler {
        let (tell, told) = unbounded();
        let router = signed(&TRUSTED).sessions(sessions).records(records).on_event(move |event, _| {
            if let RouterEvent::Trust(event) = event {
                // A test need not wait for it.
                let _unheard = tell.try_send(event.clone());
            }
        });
        // A worker of the package runs a job again that it is sent again.
        let router = router.configure(|config| {
            config.workers_deduplicate = false;
            config.worker_wait = Duration::from_millis(500);
        });
        on::block_on(async {
            let router = router.start(peers.bus().await).unwrap();
            router.ready().await.unwrap();
            Scheduler { router, told }
        })
    }

    fn next(&self) -> AuthorityEvent {
        on::block_on(self.told.recv()).expect("the router runs")
    }

    /// Waits until the worker has a token, and returns whether that one has replaced another.
    fn trusts(&self) -> bool {
        match self.next() {
            AuthorityEvent::Trusted { worker, is_renewal, .. } if worker == "python-worker" => is_renewal,
            other => panic!("{other:?}"),
        }
    }
}

fn echo(client: &on::Client, input: &str) -> Result<Value, ResultError> {
    on::block_on(async { client.submit(Submit::new("job.echo").input(input)).await.unwrap().result().await })
}

#[track_caller]
fn assert_done(client: &on::Client, input: &str) {
    assert_eq!(echo(client, input).unwrap(), json!({ "echo": input }));
}

#[track_caller]
fn assert_no_worker(client: &on::Client) {
    match echo(client, "nobody") {
        Err(ResultError::Job(error)) => assert_eq!(error.code, ErrorCode::JOB_WORKER_UNAVAILABLE, "{error}"),
        other => panic!("{other:?}"),
    }
}

fn token(worker: &mut Dialogue) -> String {
    worker.ask(&json!({"do": "token"})).as_str().expect("a token").to_owned()
}

#[test]
fn a_python_worker_proves_itself_to_our_router_until_it_is_revoked() {
    with_servers("a_python_worker_proves_itself_to_our_router_until_it_is_revoked", |peers| {
        let scheduler = Scheduler::start(peers, sessions(), MemoryRecords::default());
        let mut worker = start(CapSdk::V2_17, "worker.py", peers, settings("enforce"));
        assert!(!scheduler.trusts());
        assert!(token(&mut worker).starts_with("cap_"));
        let client = client(peers, &RESULTS);
        assert_done(&client, "one");

        assert!(scheduler.router.revoke("python-worker"));
        assert_no_worker(&client);
        // It is enrolled again, and another process of it proves itself.
        scheduler.router.enroll("python-worker", enrollment()).unwrap();
        worker.kill();
        let _worker = start(CapSdk::V2_17, "worker.py", peers, settings("enforce"));
        assert!(!scheduler.trusts());
        assert_done(&client, "two");
        let nameless = scheduler.router.enroll("", enrollment());
        assert!(matches!(nameless, Err(AuthorityRefused::Name(_))), "{nameless:?}");
    });
}

#[test]
fn a_python_worker_renews_its_session_and_keeps_it_over_a_restart_of_our_router() {
    with_servers("a_python_worker_renews_its_session_and_keeps_it_over_a_restart_of_our_router", |peers| {
        let records = MemoryRecords::default();
        let scheduler = Scheduler::start(peers, sessions().lifetime(Duration::from_mins(1)), records.clone());
        let mut settings = settings("enforce");
        settings["trust"]["renew"] = json!(0.3);
        let mut worker = start(CapSdk::V2_17, "worker.py", peers, settings);
        assert!(!scheduler.trusts());
        let first = token(&mut worker);
        assert!(scheduler.trusts() && scheduler.trusts(), "renewals");
        assert_ne!(token(&mut worker), first);
        let client = client(peers, &RESULTS);
        assert_done(&client, "one");

        let Scheduler { router, .. } = scheduler;
        on::block_on(router.close());
        let scheduler = Scheduler::start(peers, sessions(), records);
        assert!(scheduler.trusts(), "a session of the router before is renewed");
        assert_done(&client, "two");
    });
}

#[test]
fn a_python_worker_renews_its_session_when_nats_comes_back() {
    with_servers("a_python_worker_renews_its_session_when_nats_comes_back", |peers| {
        let scheduler = Scheduler::start(peers, sessions(), MemoryRecords::default());
        let mut worker = start(CapSdk::V2_17, "worker.py", peers, settings("enforce"));
        assert!(!scheduler.trusts());
        peers.nats.restart();
        worker.await_event("reconnected");
        assert!(scheduler.trusts(), "a renewal");
        assert_done(&client(peers, &RESULTS), "again");
    });
}

#[test]
fn a_python_worker_whose_identity_is_wrong_gets_no_session() {
    with_servers("a_python_worker_whose_identity_is_wrong_gets_no_session", |peers| {
        let scheduler = Scheduler::start(peers, sessions(), MemoryRecords::default());
        let rejected = |change: &dyn Fn(&mut Value)| {
            let mut settings = settings("enforce");
            change(&mut settings);
            let event = launch(CapSdk::V2_17, "worker.py", peers, settings).await_event("rejected");
            event["cause"].as_str().expect("a cause").to_owned()
        };
        let reason = || match scheduler.next() {
            AuthorityEvent::Rejected { worker, reason } => (worker, reason),
            other => panic!("{other:?}"),
        };
        let failed = WorkerHandshakeRejectionReason::AUTHENTICATION_FAILED;
        let cause = rejected(&|settings| settings["id"] = json!("stranger"));
        assert!(cause.starts_with("WorkerHandshake"), "{cause}");
        assert_eq!(reason(), (None, failed), "the name of a stranger is not told");
        // Not even a worker that only warns goes on.
        let cause = rejected(&|settings| {
            settings["key"] = json!(9);
            settings["trust"]["mode"] = json!("warn");
        });
        assert!(cause.starts_with("WorkerHandshake"), "{cause}");
        assert_eq!(reason(), (Some("python-worker".to_owned()), failed));
        // It is enrolled for another tenant, and sees that in the challenge.
        let cause = rejected(&|settings| settings["trust"]["tenant"] = json!("tenant-2"));
        assert!(cause.starts_with("WorkerHandshakeBindingError"), "{cause}");
        // It has pinned another key of the router.
        let cause = rejected(&|settings| settings["trust"]["server_key"] = json!(9));
        assert!(cause.starts_with("WorkerHandshakePacketError"), "{cause}");
        assert_no_worker(&client(peers, &RESULTS));
    });
}

#[test]
fn a_python_worker_that_only_warns_gets_jobs_of_a_router_that_offers_sessions() {
    with_servers("a_python_worker_that_only_warns_gets_jobs_of_a_router_that_offers_sessions", |peers| {
        // No router is there when it starts.
        let mut warned = settings("warn");
        warned["trust"]["retries"] = json!(1);
        let mut worker = start(CapSdk::V2_17, "worker.py", peers, warned);
        assert_eq!(token(&mut worker), "");
        let scheduler = Scheduler::start(peers, sessions().optional(), MemoryRecords::default());
        let client = client(peers, &RESULTS);
        assert_done(&client, "without");
        worker.kill();
        let mut worker = start(CapSdk::V2_17, "worker.py", peers, settings("warn"));
        assert!(!scheduler.trusts());
        assert_ne!(token(&mut worker), "");
        assert_done(&client, "with");
    });
}

/// A client that seals its jobs for a tenant, and takes the results of the worker and of the router.
fn sealing(peers: &Peers, id: &str, tenant: &str, terms: Production) -> on::Client {
    let mut senders = Senders::default();
    senders.add("python-worker", tenant, keys(&[("proof-1", 2)]));
    senders.add("rust-router", tenant, keys(&[("server-1", 4)]));
    let identity = IdentityBinding { tenant_id: tenant.to_owned(), ..IdentityBinding::default() };
    let production = ClientProduction { key_id: "client-1".to_owned(), identity, terms, peers: senders };
    connect(on::Client::builder().id(id).signer(signer(5)).keys(Keyring::default()).production(production), peers)
}

#[test]
fn a_python_worker_runs_sealed_jobs_of_its_tenant() {
    with_servers("a_python_worker_runs_sealed_jobs_of_its_tenant", |peers| {
        let freshness = Freshness::new(Duration::from_mins(5), Duration::from_secs(1)).unwrap();
        let terms = Production { freshness, ..Production::default() };
        let mut submitters = Senders::default();
        for (id, tenant) in [("rust-client", "tenant-1"), ("other-client", "tenant-2")] {
            submitters.add(id, tenant, keys(&[("client-1", 5)]));
        }
        let sessions = sessions().production(terms, submitters);
        let scheduler = Scheduler::start(peers, sessions, MemoryRecords::default());
        let mut settings = settings("enforce");
        settings["production"] = json!(true);
        let _worker = start(CapSdk::V2_17, "worker.py", peers, settings);
        assert!(!scheduler.trusts());
        let client = sealing(peers, "rust-client", "tenant-1", terms);
        assert_done(&client, "sealed");
        let failed =
            on::block_on(async { client.submit(Submit::new("job.echo.fail")).await.unwrap().outcome().await.unwrap() });
        assert_eq!(failed.status, JobStatus::FAILED);
        // The worker is not one of this tenant.
        assert_no_worker(&sealing(peers, "other-client", "tenant-2", terms));
        // A job that is not sealed is not known to the router.
        let mut unsealed = on::block_on(
            super::support::client(peers, &RESULTS).submit(Submit::new("job.echo").wait(Duration::from_millis(200))),
        )
        .unwrap();
        assert!(on::block_on(unsealed.outcome()).is_err());
        assert!(scheduler.router.jobs().iter().all(|job| job.job_id != unsealed.job_id()));
    });
}
