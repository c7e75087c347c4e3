//! ARCP servers whose jobs run on workers of CAP.

mod jobs;
mod limits;
mod restart;
mod status;

use serde_json::{Value, json};

use super::arcp::{self, Server, ServerBuilder};
use super::bridge::Pool;
use super::cap::{Client, MemoryBus, MemoryStore, Router, Worker, WorkerBuilder};

/// A bus, a store, and a router between clients and workers.
struct Net {
    bus: MemoryBus,
    store: MemoryStore,
    _router: Router,
}

impl Net {
    async fn new() -> Net {
        let bus = MemoryBus::new();
        let router = Router::builder().id("router").start(bus.another()).unwrap();
        router.ready().await.unwrap();
        Net { bus, store: MemoryStore::new(), _router: router }
    }

    async fn worker(&self, builder: WorkerBuilder) -> Worker {
        let worker = builder.start(self.bus.another(), self.store.clone()).unwrap();
        worker.ready().await.unwrap();
        worker
    }

    /// Returns a server with the agent `work`, whose jobs run on the workers of `job.work`.
    fn front(&self) -> ServerBuilder {
        self.front_on(self.bus.another())
    }

    fn front_on(&self, bus: MemoryBus) -> ServerBuilder {
        self.front_as("front", bus)
    }

    /// Returns the same with another id of its client.
    fn front_as(&self, id: &str, bus: MemoryBus) -> ServerBuilder {
        let client = Client::builder().id(id).connect(bus, self.store.clone()).unwrap();
        let tokens = nuncio_shared::auth::StaticTokens::new().with("tok-alice", "alice");
        Pool::new(client).serve(Server::builder().verifier(tokens), "work@2", "job.work").unwrap()
    }
}

async fn connect(server: &Server) -> arcp::Client {
    arcp::Client::over(server.memory_connector(), "tok-alice").connect().await.unwrap()
}

/// Reads the events of a job to its end. Returns kind and body of those of the pool.
async fn events(job: &mut arcp::JobHandle) -> Vec<(String, Value)> {
    let mut seen = Vec::new();
    while let Some(event) = job.events().try_next().await.unwrap() {
        let body: Value = event.body.parse().unwrap();
        if event.kind.as_str() != "status" {
            seen.push((event.kind.as_str().to_owned(), body));
        }
    }
    seen
}

fn progress(percent: u64, message: &str) -> (String, Value) {
    ("progress".to_owned(), json!({"current": percent, "total": 100, "message": message}))
}

#[test]
fn the_debug_form_of_an_agent_names_its_topic() {
    let client = Client::builder().id("front").connect(MemoryBus::new(), MemoryStore::new()).unwrap();
    let pool = Pool::new(client);
    assert_eq!(format!("{:?}", pool.agent("job.work").unwrap()), r#"PoolAgent { topic: "job.work", .. }"#);
    assert!(format!("{pool:?}").contains("front"), "{pool:?}");
}
