use nuncio_tests::raw::{Wire, assert_gapless, job_id, text};
use nuncio_tests::temp_dir::TempDir;
use serde_json::{Value, json};

use super::serve;

fn is_progress(frame: &Value) -> bool {
    text(frame, "/payload/kind") == "progress"
}

#[test]
fn a_session_outlives_the_process() {
    let directory = TempDir::new();
    let journal = directory.file("journal");
    let flags = ["--journal", journal.to_str().expect("the path of the temporary directory is UTF-8")];
    let submit = json!({"agent": "slow", "input": {"ticks": 100_000, "tick_ms": 1}, "idempotency_key": "once"});
    let mut server = serve(&flags);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let (echoed, _) = wire.run(&json!({"agent": "echo", "input": 7}));
    let job = job_id(&wire.submit(&submit));
    wire.until("some progress", is_progress);

    let mut seen: Vec<Value> = Vec::new();
    for round in 0..3 {
        // Dropping the guard kills the process.
        drop(server);
        wire.ending();
        let point = wire.point();
        seen.append(&mut wire.seen);
        server = serve(&flags);
        wire = Wire::resume(server.url(), "tok-alice", &point);
        assert_eq!(wire.session_id, point.session_id, "round {round}");
        if round == 0 {
            let end = wire.terminal(&job);
            assert_eq!(end["payload"]["code"], "INTERNAL_ERROR", "{end}");
            assert_eq!(end["payload"]["retryable"], true, "{end}");
            assert_eq!(end["payload"]["details"]["reason"], "runtime restarted", "{end}");
        }
        let again = wire.submit(&submit);
        assert_eq!(job_id(&again), job, "an idempotent retry finds the same job: {again}");
        wire.run(&json!({"agent": "echo", "input": round}));
        let listed = wire.list();
        assert!(listed.iter().any(|row| row["job_id"] == *echoed && row["status"] == "success"), "{listed:?}");
    }
    seen.append(&mut wire.seen);
    assert_gapless(&seen);
}
