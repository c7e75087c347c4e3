//! Clients of both drivers against the `own_loop` example, a server on mio without a driver.

use std::process::Command;

use nuncio_tests::peers::{Server, example};

fn serve() -> Server {
    let mut command = Command::new(example("own_loop"));
    command.args(["--port", "0"]);
    Server::start(command)
}

/// Defines the tests for the client of each driver.
macro_rules! clients {
    ($($driver:ident),+) => {
        $(mod $driver {
            use std::time::Duration;

            use nuncio_shared::arcp::{FinalStatus, ListQuery, Reconnect, Submit, Subscribe};
            use nuncio_tests::proxy::{Plan, Proxy, Step};
            use serde_json::{Value, json};

            use super::serve;
            use crate::on::{$driver as client, within};

            async fn connect(url: &str) -> client::Client {
                let quick = Reconnect::default().first_pause(Duration::from_micros(1)).longest_pause(Duration::from_millis(1));
                client::Client::builder(url, "tok-alice").unwrap().reconnect(quick).connect().await.unwrap()
            }

            #[test]
            fn echoes_versions_and_failures() {
                within(async {
                    let server = serve();
                    let client = connect(server.url()).await;
                    let mut job = client.submit(&Submit::new("echo").input(&json!({"a": [1, null]}))).await.unwrap();
                    let answer: Value = job.collect(1_000).await.unwrap().json().unwrap();
                    assert_eq!(answer, json!({"echoed": {"a": [1, null]}}));
                    let mut job = client.submit(&Submit::new("ver")).await.unwrap();
                    let answer: Value = job.collect(1_000).await.unwrap().json().unwrap();
                    assert_eq!(answer, json!({"ran": "ver@2.0.0"}));
                    let fails = Submit::new("fail").input(&json!({"code": "TIMEOUT", "message": "no"}));
                    let mut job = client.submit(&fails).await.unwrap();
                    assert_eq!(job.outcome().await.unwrap().fault.unwrap().message, "no");
                    assert_eq!(client.list(&ListQuery::default()).await.unwrap().jobs.len(), 3);
                });
            }

            #[test]
            fn a_cancelled_job_ends() {
                within(async {
                    let server = serve();
                    let client = connect(server.url()).await;
                    let mut job = client.submit(&Submit::new("slow")).await.unwrap();
                    assert!(job.try_next().await.unwrap().is_some());
                    let watcher = connect(server.url()).await;
                    let mut watched = watcher.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
                    job.cancel(Some("enough")).await.unwrap();
                    assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
                    assert_eq!(watched.outcome().await.unwrap().status, FinalStatus::Cancelled);
                });
            }

            #[test]
            fn cuts_lose_and_repeat_nothing() {
                within(async {
                    let server = serve();
                    let address = server.address().parse().unwrap();
                    let cut = |number: usize| vec![Step::Pass(6_000 + number * 977 % 4_001), Step::Cut];
                    let proxy = Proxy::start(address, move |number| Plan { down: cut(number), ..Plan::default() });
                    let client = connect(&proxy.url()).await;
                    let flood = Submit::new("flood").input(&json!({"n": 1000, "size": 50}));
                    let mut job = client.submit(&flood).await.unwrap();
                    let mut expected = 0;
                    while let Some(event) = job.events().try_next().await.unwrap() {
                        if event.kind.as_str() == "log" {
                            let body: Value = event.body.parse().unwrap();
                            assert!(body["message"].as_str().unwrap().ends_with(&format!("x{expected}")));
                            expected += 1;
                        }
                    }
                    assert_eq!((expected, job.outcome().await.unwrap().status), (1000, FinalStatus::Success));
                    assert!(proxy.cuts() > 5, "{}", proxy.cuts());
                });
            }
        })+
    };
}

clients! { tokio, smol }
