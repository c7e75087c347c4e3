use std::io::Write;
use std::net::TcpStream;
use std::thread;

use nuncio_tests::raw::{Ended, FEATURES, Wire, hello, job_id, seqs, text};
use serde_json::{Value, json};

use super::serve;

#[test]
fn a_silent_connection_does_not_keep_others_out() {
    let server = serve(&[]);
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(server.address()).expect("the server accepts")).collect();
    let mut half = TcpStream::connect(server.address()).expect("the server accepts");
    half.write_all(b"GET /arcp HTTP/1.1\r\nHost: ").expect("the server reads");
    let ungreeted: Vec<_> = (0..20).map(|_| Wire::open(server.url())).collect();
    Wire::connect(server.url(), "tok-alice").run(&json!({"agent": "echo"}));
    drop((silent, half, ungreeted));
}

#[test]
fn nothing_is_done_before_authentication() {
    let server = serve(&[]);
    let mut early = Wire::open(server.url());
    let submit = early.envelope("job.submit", &json!({"agent": "echo"}));
    early.send(&submit);
    let error = early.until_type("session.error");
    assert_eq!(text(&error, "/payload/code"), "INVALID_REQUEST");
    assert!(error["session_id"].is_string(), "{error}");
    early.ending();

    // Submits that follow a bad hello without waiting for its answer.
    let mut wrong = Wire::open(server.url());
    wrong.send(&hello("tok-nobody", &FEATURES, &Value::Null));
    wrong
        .send_until_broken((0..10_000).map(
            |i| json!({"arcp": "1.1", "id": format!("x{i}"), "type": "job.submit", "payload": {"agent": "echo"}}),
        ));
    let mut alice = Wire::connect(server.url(), "tok-alice");
    assert!(alice.list().is_empty(), "no job was made");
    assert_eq!(alice.seen.len(), 2, "and no frame reached another session: {alice}");
}

#[test]
fn a_connection_has_one_attempt_to_authenticate() {
    let server = serve(&[]);
    let mut wire = Wire::open(server.url());
    wire.send(&hello("tok-nobody", &FEATURES, &Value::Null));
    assert_eq!(text(&wire.until_type("session.error"), "/payload/code"), "UNAUTHENTICATED");
    // The second hello has a valid token, but comes too late.
    wire.send_until_broken(std::iter::once(hello("tok-alice", &FEATURES, &Value::Null)));
    wire.ending();
    assert_eq!(wire.seen.len(), 1, "{wire}");
}

#[test]
fn a_frame_beyond_the_limit_ends_the_connection() {
    let server = serve(&[]);
    for greeted in [false, true] {
        let mut wire = if greeted { Wire::connect(server.url(), "tok-alice") } else { Wire::open(server.url()) };
        let large = wire.envelope("job.submit", &json!({"agent": "echo", "input": "x".repeat(2 << 20)}));
        wire.send_until_broken(std::iter::once(large));
        let ended = wire.ending();
        // Closing a connection with unread data resets it, which may discard the close frame.
        assert!(matches!(ended, Ended(Some(1009) | None)), "{ended:?}");
    }
    Wire::connect(server.url(), "tok-alice").run(&json!({"agent": "echo"}));
}

#[test]
fn one_principal_sees_nothing_of_another() {
    let server = serve(&[]);
    let (mut alice, mut bob) = (Wire::connect(server.url(), "tok-alice"), Wire::connect(server.url(), "tok-bob"));
    let job = job_id(&alice.submit(&json!({"agent": "slow", "input": {"ticks": 30, "tick_ms": 20}})));
    assert_eq!(bob.refused("job.subscribe", &json!({"job_id": job, "history": true})), "JOB_NOT_FOUND");
    assert_eq!(bob.refused("job.cancel", &json!({"job_id": job})), "JOB_NOT_FOUND");
    alice.terminal(&job);
    assert_eq!(bob.refused("job.subscribe", &json!({"job_id": job, "history": true})), "JOB_NOT_FOUND");
    assert!(bob.list().is_empty());
    assert!(seqs(&bob.seen).is_empty(), "{bob}");
}

#[test]
fn an_unknown_message_does_not_stop_the_reader() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    for kind in ["tool.invoke", "session.open", "job.result", "x-vendor.acme.poke", ""] {
        assert_eq!(wire.refused(kind, &json!({})), "INVALID_REQUEST", "{kind:?}");
    }
    wire.run(&json!({"agent": "echo"}));
}

#[test]
fn repeating_a_key_without_reading_harms_no_other_client() {
    let server = serve(&[]);
    let mut unread = Wire::connect(server.url(), "tok-alice");
    let breaker = unread.breaker();
    let ask = json!({"agent": "echo", "input": "x".repeat(10_000), "idempotency_key": "again"});
    unread.run(&ask);
    let writer = thread::spawn(move || {
        let frames: Vec<_> = (0..5000).map(|_| unread.envelope("job.submit", &ask)).collect();
        unread.send_until_broken(frames.into_iter())
    });
    let mut wire = Wire::connect(server.url(), "tok-bob");
    for i in 0..200 {
        assert_eq!(wire.run(&json!({"agent": "echo", "input": i})).1["payload"]["result"], json!({"echoed": i}));
    }
    let mut other = Wire::connect(server.url(), "tok-alice2");
    other.run(&json!({"agent": "echo"}));
    breaker.cut();
    writer.join().expect("the writer does not panic");
    assert_eq!(other.list().len(), 2, "one job for the repeated key and one of this session");
}

#[cfg(target_os = "linux")]
mod memory {
    use super::{Wire, job_id, json, seqs, serve, text};

    /// Returns a field of `/proc/<pid>/status` in MiB.
    fn mebibytes(pid: u32, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
        let line = status.lines().find_map(|l| l.strip_prefix(name)).expect("the kernel reports the field");
        line.split_whitespace().find_map(|w| w.parse::<u64>().ok()).expect("the field is a number of KiB") >> 10
    }

    #[test]
    fn a_client_that_does_not_read_costs_a_bounded_queue() {
        let server = serve(&[]);
        let mut unread = Wire::connect(server.url(), "tok-alice");
        // 100 MB of events, of which the log keeps 16 MiB; then the agent waits.
        let flood = job_id(&unread.submit(&json!({"agent": "flood", "input": {"n": 20_000, "size": 5000}})));
        let mut other = Wire::connect(server.url(), "tok-alice2");
        other.run(&json!({"agent": "slow", "input": {"ticks": 20, "tick_ms": 100}}));
        let status: Vec<_> = other.list().iter().map(|j| (text(j, "/job_id"), text(j, "/status"))).collect();
        assert!(status.contains(&(flood.clone(), "running".into())), "the agent waits for the client: {status:?}");
        let peak = mebibytes(server.id(), "VmHWM:");
        assert!(peak < 96, "the server used {peak} MiB for one client that does not read");
        unread.terminal(&flood);
        assert_eq!(seqs(&unread.seen), (1..=20_002).collect::<Vec<_>>(), "no event is lost");
    }

    #[test]
    fn memory_does_not_grow_with_events_that_were_delivered() {
        let server = serve(&[]);
        for acks in [true, false] {
            let mut wire = Wire::connect(server.url(), "tok-alice");
            let mut flood = || {
                for _ in 0..5 {
                    wire.run(&json!({"agent": "flood", "input": {"n": 20_000, "size": 50}}));
                    if acks {
                        wire.request("session.ack", &json!({"last_processed_seq": wire.point().last_event_seq}));
                    }
                    wire.seen.clear();
                }
                wire.list();
                mebibytes(server.id(), "VmRSS:")
            };
            flood();
            let (first, second) = (flood(), flood());
            assert!(second <= first + 16, "{first} MiB after 200 000 events, {second} MiB after 300 000, acks: {acks}");
        }
    }
}
