//! How a pool does, as the operators of its servers read it.

use nuncio_shared::arcp::{BusLink, PoolStatus};
use serde_json::Value;

use super::super::arcp::{self, Config, Server, Submit};
use super::super::bridge::Pool;
use super::super::cap::{Bus as _, BusState, Client, JobContext, Worker};
use super::{Net, connect};
use crate::on::within;

async fn pools(client: &arcp::Client) -> Vec<PoolStatus> {
    client.status().await.unwrap().pools
}

#[test]
fn the_jobs_of_each_agent_are_counted_and_the_bus_is_shown() {
    within(async {
        let net = Net::new().await;
        let (tell, told) = smol::channel::unbounded::<()>();
        let waits = move |_: JobContext, input: Value| {
            let told = told.clone();
            async move {
                told.recv().await.unwrap();
                Ok(input)
            }
        };
        let _worker = net.worker(Worker::builder().job("job.work", waits)).await;
        let bus = net.bus.another();
        let pool = Pool::new(Client::builder().id("front").connect(bus.another(), net.store.clone()).unwrap());
        let config = Config::default().with(|config| _ = config.operators.insert("alice".to_owned()));
        let tokens = nuncio_shared::auth::StaticTokens::new().with("tok-alice", "alice");
        let server = pool.serve(Server::builder().config(config).verifier(tokens), "work", "job.work").unwrap();
        let server = pool.serve(server, "other@2", "job.other").unwrap().build().unwrap();
        let client = connect(&server).await;
        let rows = |pools: &[PoolStatus]| -> Vec<(String, String, u64, u64)> {
            let rows = pools.iter().flat_map(|pool| pool.agents.clone());
            rows.map(|row| (row.agent, row.topic, row.dispatched, row.outstanding)).collect()
        };
        let row = |agent: &str, topic: &str, dispatched, outstanding| {
            (agent.to_owned(), topic.to_owned(), dispatched, outstanding)
        };
        let before = pools(&client).await;
        assert_eq!(before.len(), 1, "one pool serves both agents");
        assert_eq!(rows(&before), [row("other@2", "job.other", 0, 0), row("work", "job.work", 0, 0)]);

        let mut jobs = [
            client.submit(&Submit::new("work").input(&1)).await.unwrap(),
            client.submit(&Submit::new("work")).await.unwrap(),
        ];
        while rows(&pools(&client).await)[1] != row("work", "job.work", 2, 2) {
            smol::future::yield_now().await;
        }
        tell.send(()).await.unwrap();
        tell.send(()).await.unwrap();
        for job in &mut jobs {
            job.result::<Value>().await.unwrap();
        }
        let after = pools(&client).await;
        assert_eq!(rows(&after)[1], row("work", "job.work", 2, 0));
        assert_eq!(after[0].bus.link, BusLink::Connected);
    });
}

#[test]
fn a_client_knows_whether_it_has_its_bus() {
    within(async {
        let net = Net::new().await;
        let bus = std::sync::Arc::new(net.bus.another());
        let client = Client::builder().connect(std::sync::Arc::clone(&bus), net.store.clone()).unwrap();
        client.ready().await.unwrap();
        let connection = client.connection();
        assert!(matches!(connection.state, BusState::Connected(_)), "{connection:?}");
        bus.close().await;
        while client.connection().state != BusState::Closed {
            smol::future::yield_now().await;
        }
    });
}
