use std::path::{Path, PathBuf};

use nuncio_tests::raw::{Wire, assert_gapless, job_id, text};
use serde_json::{Value, json};

use super::serve;

/// A folder for one test's journal.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        // Every server has the same conversations.
        let own = format!("{}-{name}-{}", module_path!().replace("::", "-"), std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(own);
        std::fs::create_dir_all(&path).expect("the target folder is writable");
        Folder(path)
    }

    fn journal(&self) -> String {
        self.0.join("journal").to_str().expect("the target folder is text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies in the target folder.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn progress(frame: &Value) -> bool {
    text(frame, "/payload/kind") == "progress"
}

#[test]
fn a_session_outlives_the_process() {
    let folder = Folder::new("session");
    let flags = ["--journal", &folder.journal()];
    let submit = json!({"agent": "slow", "input": {"ticks": 100_000, "tick_ms": 1}, "idempotency_key": "once"});
    let mut server = serve(&flags);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let (echoed, _) = wire.run(&json!({"agent": "echo", "input": 7}));
    let job = job_id(&wire.submit(&submit));
    wire.until("some progress", progress);

    let mut seen: Vec<Value> = Vec::new();
    for round in 0..3 {
        // The guard kills it.
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
        assert_eq!(job_id(&again), job, "an idempotent retry is the same job: {again}");
        wire.run(&json!({"agent": "echo", "input": round}));
        let listed = wire.list();
        assert!(listed.iter().any(|row| row["job_id"] == *echoed && row["status"] == "success"), "{listed:?}");
    }
    seen.append(&mut wire.seen);
    assert_gapless(&seen);
}
