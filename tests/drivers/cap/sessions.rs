//! A router that gives trust sessions to its workers, with every packet signed.

use std::sync::Arc;
use std::time::Duration;

use super::cap::{
    AuthorityEvent, Client, ClientProduction, Enrollment, IdentityBinding, JobContext, Keyring, MemoryBus,
    MemoryRecords, MemoryStore, Peers, Production, RingSigner, Router, RouterEvent, Sessions, Submit, TrustNames,
    TrustSettings, Worker, WorkerTrust,
};
use super::trust::ring;
use super::{arcp, bridge};
use crate::on::within;

/// A bus with a router that signs, and the keys of everyone on it.
struct Pool {
    bus: MemoryBus,
    store: MemoryStore,
    keys: Keyring,
    worker_key: String,
    router_key: String,
    client_key: String,
}

impl Pool {
    fn new() -> Pool {
        let mut keys = Keyring::default();
        let mut key_of = |name: &str| {
            let (signer, pem) = RingSigner::generate().unwrap();
            keys.add(name, signer.public_key()).unwrap();
            pem.to_string()
        };
        let (worker_key, router_key, client_key) = (key_of("worker-1"), key_of("router-1"), key_of("client-1"));
        Pool { bus: MemoryBus::new(), store: MemoryStore::new(), keys, worker_key, router_key, client_key }
    }

    fn enrollment(&self) -> Enrollment {
        let keys = ring("proof", &RingSigner::from_pem(&self.worker_key).unwrap());
        Enrollment { agent_id: "agent".into(), tenant_id: "tenant".into(), keys, topics: None }
    }

    fn sessions(&self) -> Sessions {
        Sessions::new("server").worker("worker-1", self.enrollment())
    }

    /// Starts a router that tells which workers it trusts.
    async fn router(&self, records: MemoryRecords, tell: smol::channel::Sender<String>) -> Router {
        self.router_of(self.sessions(), records, tell).await
    }

    async fn router_of(
        &self,
        sessions: Sessions,
        records: MemoryRecords,
        tell: smol::channel::Sender<String>,
    ) -> Router {
        let router = Router::builder()
            .id("router-1")
            .signer(RingSigner::from_pem(&self.router_key).unwrap())
            .keys(self.keys.clone())
            .sessions(sessions)
            .records(records)
            .on_event(move |event, _| {
                if let RouterEvent::Trust(AuthorityEvent::Trusted { worker, .. }) = event {
                    tell.try_send(worker.clone()).unwrap();
                }
            });
        let router = router.start(self.bus.another()).unwrap();
        router.ready().await.unwrap();
        router
    }

    fn trust(&self) -> TrustSettings {
        let names = TrustNames {
            agent_id: "agent".into(),
            tenant_id: "tenant".into(),
            proof_key_id: "proof".into(),
            scheduler_id: "router-1".into(),
        };
        let proof = Arc::new(RingSigner::from_pem(&self.worker_key).unwrap());
        let server = RingSigner::from_pem(&self.router_key).unwrap();
        TrustSettings::new(names, proof, ring("server", &server)).unwrap()
    }

    fn worker(&self, trust: WorkerTrust) -> Worker {
        let worker = Worker::builder()
            .id("worker-1")
            .signer(RingSigner::from_pem(&self.worker_key).unwrap())
            .keys(self.keys.clone())
            .heartbeat_interval(Duration::from_millis(5))
            .job("job.echo", |_: JobContext, text: Option<String>| async move { Ok(text) })
            .job("job.whose", |ctx: JobContext, _: Option<String>| async move {
                Ok(ctx.labels().get("x-arcp-principal").cloned())
            })
            .trust(trust);
        worker.start(self.bus.another(), self.store.clone()).unwrap()
    }

    fn client(&self) -> Client {
        let client = Client::builder().id("client-1").keys(self.keys.clone());
        let client = client.signer(RingSigner::from_pem(&self.client_key).unwrap());
        client.connect(self.bus.another(), self.store.clone()).unwrap()
    }

    /// Returns a client of the production profile that speaks for a principal.
    fn sealing_client(&self, principal: &str) -> Client {
        let key = |pem: &str| RingSigner::from_pem(pem).unwrap();
        let mut peers = Peers::default();
        peers.add("router-1", "tenant", ring("server", &key(&self.router_key)));
        peers.add("worker-1", "tenant", ring("proof", &key(&self.worker_key)));
        let identity =
            IdentityBinding { tenant_id: "tenant".into(), principal_id: principal.into(), ..Default::default() };
        let production = ClientProduction { key_id: "own".into(), identity, terms: Production::default(), peers };
        let client = Client::builder().id("client-1").keys(Keyring::default()).signer(key(&self.client_key));
        client.production(production).connect(self.bus.another(), self.store.clone()).unwrap()
    }

    /// Returns the sessions of a router that takes the jobs of the client `client-1` in the production profile.
    fn sealed_sessions(&self) -> Sessions {
        let mut submitters = Peers::default();
        submitters.add("client-1", "tenant", ring("own", &RingSigner::from_pem(&self.client_key).unwrap()));
        self.sessions().production(Production::default(), submitters)
    }
}

#[test]
fn s14_a_router_keeps_the_sessions_of_its_workers_over_a_restart() {
    within(async {
        let pool = Pool::new();
        let records = MemoryRecords::default();
        let (tell, trusted) = smol::channel::unbounded();
        let router = pool.router(records.clone(), tell.clone()).await;
        let _worker = pool.worker(WorkerTrust::Enforce(Arc::new(pool.trust())));
        assert_eq!(trusted.recv().await.unwrap(), "worker-1");
        let client = pool.client();
        let mut job = client.submit(Submit::new("job.echo").input("one")).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "one");

        router.close().await;
        let router = pool.router(records, tell).await;
        let mut job = client.submit(Submit::new("job.echo").input("two")).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "two");
        assert!(trusted.is_empty(), "the worker did not have to prove itself again");

        assert!(router.revoke_session("worker-1"));
        assert!(!router.revoke_session("worker-1"));
        assert!(router.revoke("worker-1"));
        assert!(!router.revoke_session("worker-1"));
        assert!(router.workers().is_empty());
    });
}

#[test]
fn s14_a_worker_that_is_enrolled_later_is_trusted() {
    within(async {
        let pool = Pool::new();
        let (tell, trusted) = smol::channel::unbounded();
        let router = pool.router_of(Sessions::new("server"), MemoryRecords::default(), tell).await;
        router.enroll("worker-1", pool.enrollment()).unwrap();
        let _worker = pool.worker(WorkerTrust::Enforce(Arc::new(pool.trust())));
        assert_eq!(trusted.recv().await.unwrap(), "worker-1");
        assert!(router.enroll("a worker", pool.enrollment()).is_err(), "the name is not valid");
    });
}

#[test]
fn s14_a_worker_needs_no_session_where_they_are_optional() {
    within(async {
        let pool = Pool::new();
        let (tell, _trusted) = smol::channel::unbounded();
        let _router = pool.router_of(pool.sessions().optional(), MemoryRecords::default(), tell).await;
        let worker = pool.worker(WorkerTrust::Off);
        worker.ready().await.unwrap();
        let mut job = pool.client().submit(Submit::new("job.echo").input("one")).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "one");
    });
}

#[test]
fn s14_a_worker_without_a_session_gets_no_job() {
    within(async {
        let pool = Pool::new();
        let (tell, _trusted) = smol::channel::unbounded();
        let router = pool.router(MemoryRecords::default(), tell).await;
        let outsider = pool.worker(WorkerTrust::Off);
        outsider.ready().await.unwrap();
        let client = pool.client();
        let mut job = client.submit(Submit::new("job.echo").input("one")).await.unwrap();
        while router.live() == 0 {
            smol::future::yield_now().await;
        }
        assert!(router.workers().is_empty());
        drop(outsider);
        let _worker = pool.worker(WorkerTrust::Enforce(Arc::new(pool.trust())));
        assert_eq!(job.result::<String>().await.unwrap(), "one");
    });
}

#[test]
fn s19_a_job_of_the_production_profile_ends_with_a_sealed_result_also_after_a_restart() {
    within(async {
        let pool = Pool::new();
        let records = MemoryRecords::default();
        let (tell, _trusted) = smol::channel::unbounded();
        let router = pool.router_of(pool.sealed_sessions(), records.clone(), tell.clone()).await;
        let _worker = pool.worker(WorkerTrust::Production(Arc::new(pool.trust()), Production::default()));
        let client = pool.sealing_client("me");
        let mut job = client.submit(Submit::new("job.echo").input("one")).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "one");

        // A client that does not seal its requests is not heard.
        let mut unsealed = pool.client().submit(Submit::new("job.echo").input("none")).await.unwrap();
        router.close().await;
        let router = pool.router_of(pool.sealed_sessions(), records, tell).await;
        let mut job = client.submit(Submit::new("job.echo").input("two")).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "two");
        let of = |id: &str| router.jobs().iter().any(|job| job.job_id == id);
        assert!(of(job.job_id()) && !of(unsealed.job_id()));
        assert!(smol::future::poll_once(unsealed.result::<String>()).await.is_none());
    });
}

#[test]
fn s19_sealed_jobs_of_an_arcp_server_name_its_principal_in_a_label() {
    within(async {
        let pool = Pool::new();
        let (tell, _trusted) = smol::channel::unbounded();
        let _router = pool.router_of(pool.sealed_sessions(), MemoryRecords::default(), tell).await;
        let _worker = pool.worker(WorkerTrust::Production(Arc::new(pool.trust()), Production::default()));
        let tokens = nuncio_shared::auth::StaticTokens::new().with("tok-alice", "alice").with("tok-front", "front");
        let server = arcp::Server::builder().verifier(tokens);
        let server = bridge::Pool::new(pool.sealing_client("front")).serve(server, "whose", "job.whose").unwrap();
        let server = server.build().unwrap();
        for (token, label) in [("tok-alice", Some("alice")), ("tok-front", None)] {
            let client = arcp::Client::over(server.memory_connector(), token).connect().await.unwrap();
            let mut job = client.submit(&arcp::Submit::new("whose")).await.unwrap();
            assert_eq!(job.result::<Option<String>>().await.unwrap().as_deref(), label);
        }
    });
}

#[test]
fn a_router_that_gives_sessions_needs_a_key_and_valid_names() {
    within(async {
        let pool = Pool::new();
        let refused =
            |sessions| Router::builder().id("router-1").sessions(sessions).start(pool.bus.another()).unwrap_err();
        assert!(refused(pool.sessions()).to_string().contains("needs a key"));
        let signed = Router::builder().signer(RingSigner::from_pem(&pool.router_key).unwrap());
        let unnamed = signed.sessions(Sessions::new("server").worker("a worker", Enrollment::default()));
        assert!(unnamed.start(pool.bus.another()).unwrap_err().to_string().contains("cannot be enrolled"));
    });
}
