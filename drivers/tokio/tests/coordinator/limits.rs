//! What the server takes from a connection.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nuncio_tokio::caracal::{CoordinatorRecord, HttpLimits, MemoryRecords, Records, RecordsError, Secret};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::http::Http;
use crate::site::{Site, builder, id, within};

#[tokio::test]
async fn bodies_and_heads_that_are_too_large_end_the_connection() {
    within(async {
        let site = Site::start(builder()).await;
        let mut http = Http::connect(site.server.address()).await;
        let large = http.ask("POST", "/zones/z1/agents", &[], &"x".repeat((64 << 10) + 1)).await;
        assert_eq!((large.status, large.body), (413, json!({"error": "body_too_large"})));
        assert!(large.head.contains("connection: close") && http.is_closed().await);

        let mut http = Http::connect(site.server.address()).await;
        let head = http.ask("GET", "/health", &[("x", &"x".repeat(64 << 10))], "").await;
        assert_eq!(head.status, 431);

        let mut http = Http::connect(site.server.address()).await;
        let chunked = "POST /oauth/2/token HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunks = "2000\r\n".to_owned() + &"x".repeat(0x2000) + "\r\n";
        let large = http.raw(&format!("{chunked}{}0\r\n\r\n", chunks.repeat(9))).await;
        assert_eq!(large.status, 413);
    })
    .await;
}

#[tokio::test]
async fn a_body_may_have_as_many_bytes_as_the_limit_in_any_pieces() {
    within(async {
        let site = Site::start(builder()).await;
        let chunked = "POST /oauth/2/token HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        let half = "8000\r\n".to_owned() + &"x".repeat(0x8000) + "\r\n";
        let mut http = Http::connect(site.server.address()).await;
        let whole = http.raw(&format!("{chunked}{half}{half}0\r\n\r\n")).await;
        assert_eq!(whole.status, 400, "the form is read, and refused: {whole:?}");
        assert_ne!(whole.body, json!({"error": "incomplete_body"}));

        let mut http = Http::connect(site.server.address()).await;
        let large = http.raw(&format!("{chunked}{half}{half}1\r\nx\r\n0\r\n\r\n")).await;
        assert_eq!((large.status, large.body), (413, json!({"error": "body_too_large"})));
    })
    .await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_and_ends_the_connection() {
    within(async {
        let site = Site::start(builder()).await;
        let mut http = Http::connect(site.server.address()).await;
        let request = "POST /zones/z1/agents HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n";
        let broken = http.raw(request).await;
        assert_eq!((broken.status, broken.body), (400, json!({"error": "incomplete_body"})));
        assert!(broken.head.contains("connection: close") && http.is_closed().await);
    })
    .await;
}

#[tokio::test]
async fn slow_heads_and_bodies_end() {
    within(async {
        let mut limits = HttpLimits::default();
        (limits.head_timeout, limits.body_timeout) = (Duration::from_millis(50), Duration::from_millis(50));
        let site = Site::with(builder(), limits).await;
        let mut http = Http::connect(site.server.address()).await;
        let slow = http.raw("POST /oauth/2/token HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\ngrant").await;
        assert_eq!((slow.status, slow.body), (408, json!({"error": "request_timeout"})));
        let mut stream = tokio::net::TcpStream::connect(site.server.address()).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost").await.unwrap();
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_header_that_is_not_text_is_refused() {
    within(async {
        let site = Site::start(builder()).await;
        let mut stream = tokio::net::TcpStream::connect(site.server.address()).await.unwrap();
        let request =
            b"GET /zones/z1/agents HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xff\xfe\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("invalid_header"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_connection_waits_for_one_that_ends() {
    within(async {
        let mut limits = HttpLimits::default();
        limits.connections = 1;
        let site = Site::with(builder(), limits).await;
        let address = site.server.address();
        let waiting =
            tokio::spawn(async move { Http::connect(address).await.ask("GET", "/health", &[], "").await.status });
        assert!(!waiting.is_finished());
        drop(site.http);
        assert_eq!(waiting.await.unwrap(), 200);
    })
    .await;
}

/// The peers of all places send nothing, or not all of a head.
#[tokio::test]
async fn a_connection_takes_the_place_of_the_oldest_that_asks_for_nothing() {
    within(async {
        let mut limits = HttpLimits::default();
        limits.connections = 2;
        let site = Site::with(builder(), limits).await;
        drop(site.http);
        let address = site.server.address();
        let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut half = tokio::net::TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET /health HTTP/1.1\r\nhost").await.unwrap();
        let mut first = Http::connect(address).await;
        assert_eq!(first.ask("GET", "/health", &[], "").await.status, 200);
        let mut second = Http::connect(address).await;
        assert_eq!(second.ask("GET", "/health", &[], "").await.status, 200);
        for ended in [&mut silent, &mut half] {
            tokio::io::AsyncReadExt::read_to_end(ended, &mut Vec::new()).await.unwrap();
        }
        assert_eq!(first.ask("GET", "/health", &[], "").await.status, 200, "the newer ones stay");
    })
    .await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_requests_that_may_never_come() {
    within(async {
        let site = Site::start(builder()).await;
        let silent = tokio::net::TcpStream::connect(site.server.address()).await.unwrap();
        let mut half = tokio::net::TcpStream::connect(site.server.address()).await.unwrap();
        half.write_all(b"GET /health HTTP/1.1\r\nhost").await.unwrap();
        let mut used = Http::connect(site.server.address()).await;
        assert_eq!(used.ask("GET", "/health", &[], "").await.status, 200);
        site.server.stop().await;
        assert!(used.is_closed().await);
        drop((silent, half, site.http));
    })
    .await;
}

/// Records that are committed when the test says so.
struct Held {
    records: MemoryRecords,
    allowed: Arc<Mutex<Receiver<()>>>,
}

impl Records for Held {
    fn load(&mut self) -> Result<Vec<(u64, CoordinatorRecord)>, RecordsError> {
        self.records.load()
    }

    fn commit(&mut self, records: &[(u64, CoordinatorRecord)]) -> Result<(), RecordsError> {
        // The test has ended if nothing comes any more.
        let _ = self.allowed.lock().unwrap().recv();
        self.records.commit(records)
    }

    fn keep_only(&mut self, needed: &[u64]) -> Result<(), RecordsError> {
        self.records.keep_only(needed)
    }

    fn signing_key(&mut self, new: Secret) -> Result<Secret, RecordsError> {
        self.records.signing_key(new)
    }
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    within(async {
        let (allow, allowed) = channel();
        let records = MemoryRecords::default();
        let held = Held { records: records.clone(), allowed: Arc::new(Mutex::new(allowed)) };
        let mut limits = HttpLimits::default();
        limits.answer_timeout = Duration::from_millis(100);
        let mut site = Site::with(builder().records(held), limits).await;
        let late = site.spawn(&json!({})).await;
        assert_eq!((late.status, late.body), (503, json!({"error": "unavailable"})));
        assert_eq!((records.count(), site.coordinator.live_sessions()), (0, 1));
        // A listing that would show the session waits as well.
        assert_eq!(site.ask("GET", "/agents", &Value::Null).await.status, 503);
        assert!(site.events.try_recv().is_err(), "an event waits for its record, too");
        allow.send(()).unwrap();
        site.events.recv().await.unwrap();
        let shown = site.ask("GET", "/agents", &Value::Null).await;
        assert_eq!(shown.body["items"].as_array().unwrap().len(), 1);
        for _ in 0..2 {
            allow.send(()).unwrap();
        }
        let session = id(&site.spawn(&json!({})).await);
        assert_eq!(site.ask("DELETE", &format!("/agents/{session}"), &Value::Null).await.status, 204);
    })
    .await;
}

#[tokio::test]
async fn requests_that_wait_for_records_at_the_same_time_get_their_own_answers() {
    within(async {
        let (allow, allowed) = channel();
        let held = Held { records: MemoryRecords::default(), allowed: Arc::new(Mutex::new(allowed)) };
        let mut site = Site::start(builder().records(held)).await;
        allow.send(()).unwrap();
        let parent = json!(site.session(None).await);
        let (address, token) = (site.server.address(), format!("Bearer {}", site.token));
        let spawn = async |parent: &Value| {
            let body = json!({"application_id": "app-a", "kind": "instance", "parent_id": parent}).to_string();
            let headers = [("authorization", &*token), ("content-type", "application/json")];
            id(&Http::connect(address).await.ask("POST", "/zones/z1/agents", &headers, &body).await)
        };
        let both_wait = async {
            while site.coordinator.live_sessions() < 3 {
                tokio::task::yield_now().await;
            }
            for _ in 0..2 {
                allow.send(()).unwrap();
            }
        };
        let (child, root, ()) = tokio::join!(spawn(&parent), spawn(&Value::Null), both_wait);
        for (session, parent) in [(child, parent), (root, Value::Null)] {
            let shown = site.ask("GET", &format!("/agents/{session}"), &Value::Null).await;
            assert_eq!(shown.body["parent_id"], parent, "{shown:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_coordinator_that_is_closed_waits_for_its_records_and_answers_nobody_any_more() {
    within(async {
        let (allow, allowed) = channel();
        let records = MemoryRecords::default();
        let held = Held { records: records.clone(), allowed: Arc::new(Mutex::new(allowed)) };
        let mut site = Site::start(builder().records(held)).await;
        let (coordinator, clone) = (site.coordinator.clone(), site.coordinator.clone());
        let waiting = tokio::spawn(async move { site.spawn(&json!({})).await });
        while clone.live_sessions() == 0 {
            tokio::task::yield_now().await;
        }
        let closing = tokio::spawn(coordinator.close());
        assert_eq!(waiting.await.unwrap().status, 503);
        assert!(!closing.is_finished() && records.count() == 0, "its record is not written yet");
        allow.send(()).unwrap();
        closing.await.unwrap();
        assert_eq!(records.count(), 1);
    })
    .await;
}
