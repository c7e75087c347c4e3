//! Bad input: a specific answer or close for each, and nobody else is disturbed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use nuncio_tests::peers::Server;
use nuncio_tests::raw::{Ended, FEATURES, Wire, hello, job_id, text};
use serde_json::{Value, json};

use super::serve;

/// A bystander whose job runs on while something bad happens to the server.
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

    /// Its job ends well, and new connections and jobs are taken as before.
    fn undisturbed(mut self, server: &Server) {
        let end = self.wire.terminal(&self.job);
        assert_eq!(end["payload"]["result"], json!({"ticks": 10}), "{end}");
        let (_, end) = Wire::connect(server.url(), "tok-alice").run(&json!({"agent": "echo", "input": 1}));
        assert_eq!(end["payload"]["result"], json!({"echoed": 1}), "{end}");
    }
}

/// Sends raw bytes on a fresh TCP connection and reads what comes until the end of it.
fn raw(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).expect("it accepts");
    // It may be refused before it was read.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    // A reset ends it as well.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// A frame of a live session that is answered with `INVALID_REQUEST`, after which the session goes on.
fn refused_and_lives(frame: &str, request_id: Option<&str>) {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    wire.send_text(frame);
    let error = wire.until_type("session.error");
    assert_eq!(text(&error, "/payload/code"), "INVALID_REQUEST");
    assert_eq!(error["payload"]["request_id"].as_str(), request_id, "{error}");
    wire.run(&json!({"agent": "echo"}));
    bystander.undisturbed(&server);
}

/// A first frame that is answered with `INVALID_REQUEST` and a close.
fn refused_and_closed(frame: &str) {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    let mut wire = Wire::open(server.url());
    wire.send_text(frame);
    let error = wire.until_type("session.error");
    assert_eq!(text(&error, "/payload/code"), "INVALID_REQUEST");
    assert_eq!(wire.ending(), Ended(Some(1008)));
    bystander.undisturbed(&server);
}

#[test]
fn ten_megabytes_of_garbage() {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    let garbage: Vec<u8> = (0..10_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let answer = String::from_utf8_lossy(&raw(&server, &garbage)).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    // The same behind a good upgrade.
    let mut stream = TcpStream::connect(server.address()).expect("it accepts");
    let upgrade = "GET /arcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).expect("it reads the head");
    let _ = stream.write_all(&garbage);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    bystander.undisturbed(&server);
}

#[test]
fn malformed_json() {
    refused_and_closed("{\"arcp\":");
    refused_and_lives("{\"arcp\":\"1.1\",\"id\":", None);
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
    bystander.undisturbed(&server);
}

#[test]
fn deep_nesting() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let frame =
        format!(r#"{{"arcp":"1.1","id":"deep","type":"job.submit","payload":{{"agent":"echo","input":{deep}}}}}"#);
    refused_and_lives(&frame, Some("deep"));
}

#[test]
fn huge_numbers() {
    for number in ["9007199254740992", "1e400", "-1", "18446744073709551616", "1.5"] {
        let frame =
            format!(r#"{{"arcp":"1.1","id":"huge","type":"session.ack","payload":{{"last_processed_seq":{number}}}}}"#);
        refused_and_lives(&frame, Some("huge"));
    }
}

#[test]
fn duplicate_keys() {
    refused_and_lives(
        r#"{"arcp":"1.1","id":"twice","type":"job.submit","type":"job.cancel","payload":{"agent":"echo"}}"#,
        Some("twice"),
    );
    refused_and_lives(
        r#"{"arcp":"1.1","id":"twice","type":"job.submit","payload":{"agent":"echo","agent":"fail"}}"#,
        Some("twice"),
    );
}

#[test]
fn a_flood_of_hellos() {
    let server = serve(&[]);
    let bystander = Bystander::new(&server);
    // On one connection only the first is a hello; the second ends what it does not belong to.
    let mut twice = Wire::connect(server.url(), "tok-alice");
    twice.send(&hello("tok-alice", &FEATURES, &Value::Null));
    assert_eq!(text(&twice.until_type("session.error"), "/payload/code"), "INVALID_REQUEST");
    twice.run(&json!({"agent": "echo"}));
    // Many connections greet up to the limit of a principal's sessions; beyond it each is told so.
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
    bystander.undisturbed(&server);
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
    // The peer has said that it sends no more: the session waits for a resume, the job goes on.
    let mut again = Wire::resume(server.url(), "tok-alice", &point);
    assert_eq!(again.terminal(&job)["payload"]["result"], json!({"ticks": 10}));
    bystander.undisturbed(&server);
}
