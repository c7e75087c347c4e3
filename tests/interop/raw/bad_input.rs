//! Bad input: each kind gets its own error or close code, and other connections are not disturbed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use nuncio_tests::peers::Server;
use nuncio_tests::raw::{Ended, FEATURES, Wire, hello, job_id, text};
use serde_json::{Value, json};

use super::serve;

/// A second connection, whose job runs while the first one sends bad input.
struct Bystander {
    wire: Wire,
    job: String,
}

impl Bystander {
    fn new(server: &Server) -> Bystander {
        let mut wire = Wire::connect(server.url(), "tok-alice2");
        let job = job_id(&wire.submit(&json!({"agent": "slow", "input": {"ticks": 10, "tick_ms": 50}})));
        Bystander { wire, job }
    }

    /// Asserts that its job succeeds and that the server accepts new connections and jobs.
    fn assert_undisturbed(mut self, server: &Server) {
        let end = self.wire.terminal(&self.job);
        assert_eq!(end["payload"]["result"], json!({"ticks": 10}), "{end}");
        let (_, end) = Wire::connect(server.url(), "tok-alice").run(&json!({"agent": "echo", "input": 1}));
        assert_eq!(end["payload"]["result"], json!({"echoed": 1}), "{end}");
    }
}

/// Sends the bytes on a new TCP connection and returns everything that the server answers until it closes.
fn answer_to(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
    // The server may close the connection before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    // A reset ends the answer, too.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Asserts that the frame is answered with `INVALID_REQUEST` and that its session continues.
fn refused_and_continues(frame: &str, request_id: Option<&str>) {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    wire.send_text(frame);
    let error = wire.until_type("session.error");
    assert_eq!(text(&error, "/payload/code"), "INVALID_REQUEST");
    assert_eq!(error["payload"]["request_id"].as_str(), request_id, "{error}");
    wire.run(&json!({"agent": "echo"}));
    bystander.assert_undisturbed(&server);
}

/// Asserts that this frame, as the first of a connection, is answered with `INVALID_REQUEST` and a close.
fn refused_and_closed(frame: &str) {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    let mut wire = Wire::open(server.url());
    wire.send_text(frame);
    let error = wire.until_type("session.error");
    assert_eq!(text(&error, "/payload/code"), "INVALID_REQUEST");
    assert_eq!(wire.ending(), Ended(Some(1008)));
    bystander.assert_undisturbed(&server);
}

#[test]
fn ten_megabytes_of_garbage() {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    let garbage: Vec<u8> = (0..10_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let answer = String::from_utf8_lossy(&answer_to(&server, &garbage)).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    // The same bytes after a valid upgrade.
    let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
    let upgrade = "GET /arcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).expect("the server reads the request head");
    let _ = stream.write_all(&garbage);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    bystander.assert_undisturbed(&server);
}

#[test]
fn malformed_json() {
    refused_and_closed("{\"arcp\":");
    refused_and_continues("{\"arcp\":\"1.1\",\"id\":", None);
}

#[test]
fn a_wrong_first_frame() {
    refused_and_closed(r#"{"arcp":"1.1","id":"x","type":"session.ping","payload":{"nonce":"n"}}"#);
}

#[test]
fn invalid_utf8() {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    wire.send_binary(b"{\"arcp\":\"1.1\",\"id\":\"\xff\xfe\"}");
    assert_eq!(wire.ending(), Ended(Some(1007)));
    bystander.assert_undisturbed(&server);
}

#[test]
fn deep_nesting() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let frame =
        format!(r#"{{"arcp":"1.1","id":"deep","type":"job.submit","payload":{{"agent":"echo","input":{deep}}}}}"#);
    refused_and_continues(&frame, Some("deep"));
}

#[test]
fn huge_numbers() {
    for number in ["9007199254740992", "1e400", "-1", "18446744073709551616", "1.5"] {
        let frame =
            format!(r#"{{"arcp":"1.1","id":"huge","type":"session.ack","payload":{{"last_processed_seq":{number}}}}}"#);
        refused_and_continues(&frame, Some("huge"));
    }
}

#[test]
fn duplicate_keys() {
    refused_and_continues(
        r#"{"arcp":"1.1","id":"twice","type":"job.submit","type":"job.cancel","payload":{"agent":"echo"}}"#,
        Some("twice"),
    );
    refused_and_continues(
        r#"{"arcp":"1.1","id":"twice","type":"job.submit","payload":{"agent":"echo","agent":"fail"}}"#,
        Some("twice"),
    );
}

#[test]
fn a_flood_of_hellos() {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    // A second hello on one connection is an invalid request, and the session continues.
    let mut twice = Wire::connect(server.url(), "tok-alice");
    twice.send(&hello("tok-alice", &FEATURES, &Value::Null));
    assert_eq!(text(&twice.until_type("session.error"), "/payload/code"), "INVALID_REQUEST");
    twice.run(&json!({"agent": "echo"}));
    // A principal may have 1000 sessions; each hello beyond that is refused with the name of the limit.
    let mut refused = 0;
    for _ in 0..1_100 {
        let mut wire = Wire::open(server.url());
        wire.send(&hello("tok-bob", &FEATURES, &Value::Null));
        let answer = wire.receive().expect("an answer");
        if answer["type"] == "session.error" {
            assert_eq!(answer["payload"]["details"]["limit"], "sessions_per_principal", "{answer}");
            refused += 1;
        }
    }
    assert_eq!(refused, 100, "the limit is 1000");
    bystander.assert_undisturbed(&server);
}

#[test]
fn a_half_closed_socket() {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let job = job_id(&wire.submit(&json!({"agent": "slow", "input": {"ticks": 10, "tick_ms": 50}})));
    let point = wire.point();
    wire.half_close();
    wire.ending();
    // The half-closed connection ends; its session waits for a resume and its job runs on.
    let mut again = Wire::resume(server.url(), "tok-alice", &point);
    assert_eq!(again.terminal(&job)["payload"]["result"], json!({"ticks": 10}));
    bystander.assert_undisturbed(&server);
}
