//! Jobs of other runtimes: clients that lose connection after connection, and send their requests again (ours).

use nuncio_core::arcp::Dialect;
use serde_json::{Value, json};

use crate::shards::{Client, Shards, messages};

const HERE: usize = 0;
const THERE: usize = 1;
const EVENTS: usize = 60;

/// A client of an operator whose connections are lost.
struct Unlucky {
    client: Client,
    session: Value,
    seen: u64,
}

impl Unlucky {
    fn new(shards: &mut Shards) -> Unlucky {
        let (client, session) = shards.session(HERE, "op", Dialect::NUNCIO);
        Unlucky { client, session, seen: 0 }
    }

    /// Receives up to so many frames.
    fn receive(&mut self, shards: &mut Shards, frames: usize) -> Vec<Value> {
        let received: Vec<_> = shards.frames(self.client).into_iter().take(frames).collect();
        self.seen = received.iter().filter_map(|frame| frame["event_seq"].as_u64()).next_back().unwrap_or(self.seen);
        received
    }

    /// Loses its connection, and what it has not received on it.
    fn reconnect(&mut self, shards: &mut Shards) {
        shards.run(HERE, |runtime, now| runtime.handle_close(now, self.client.conn));
        let resume = json!({
            "session_id": self.session["session_id"], "resume_token": self.session["resume_token"],
            "last_event_seq": self.seen
        });
        (self.client, self.session) = shards.hello(HERE, "op", Dialect::NUNCIO, resume);
    }

    /// Sends the same request on every connection.
    fn subscribe(&self, shards: &mut Shards, job: &str) {
        shards.frame_as(self.client, "same", "job.subscribe", json!({"job_id": job, "history": true}));
    }
}

fn counted(to: usize) -> Vec<String> {
    (0..to).map(|number| number.to_string()).collect()
}

/// A job with events in another runtime, which has ended if `ends`.
fn job(shards: &mut Shards, ends: bool) -> String {
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, key) = shards.submit(alice);
    for text in counted(EVENTS) {
        shards.emit(THERE, key, &text);
    }
    if ends {
        shards.finish(THERE, key);
    }
    job
}

/// The socket of each connection takes the whole history, but only five frames of it arrive.
#[test]
fn each_connection_brings_the_end_of_a_history_nearer() {
    for ends in [false, true] {
        let mut shards = Shards::new(|_| {});
        let job = job(&mut shards, ends);
        let mut op = Unlucky::new(&mut shards);
        op.subscribe(&mut shards, &job);
        assert!(op.receive(&mut shards, 0).is_empty());
        let (mut answers, mut heard) = (0, Vec::new());
        for _ in 0..EVENTS {
            op.reconnect(&mut shards);
            if answers == 0 {
                op.subscribe(&mut shards, &job);
            }
            for frame in op.receive(&mut shards, 5) {
                answers += usize::from(frame["type"] == "job.subscribed");
                assert!(answers > 0, "the answer comes before the events: {frame}");
                heard.push(frame);
            }
        }
        assert_eq!(messages(&heard), counted(EVENTS));
        assert_eq!(heard.last().unwrap()["type"] == "job.result", ends);
    }
}

#[test]
fn an_answer_that_is_lost_before_the_first_event_is_given_again() {
    let mut shards = Shards::new(|_| {});
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, key) = shards.submit(alice);
    let mut op = Unlucky::new(&mut shards);
    op.subscribe(&mut shards, &job);
    assert_eq!(op.receive(&mut shards, 0).len(), 0);
    for _ in 0..3 {
        op.reconnect(&mut shards);
        let relayed = shards.relayed;
        op.subscribe(&mut shards, &job);
        assert_eq!(shards.relayed, relayed, "the other runtime has answered");
        let frames = op.receive(&mut shards, 1);
        assert_eq!((&frames[0]["type"], &frames[0]["job_id"]), (&json!("job.subscribed"), &json!(job)));
    }
    shards.emit(THERE, key, "0");
    assert_eq!(messages(&op.receive(&mut shards, 5)), ["0"], "nothing was subscribed twice");
}

#[test]
fn an_answer_that_waits_for_the_client_goes_to_its_new_connection() {
    let mut shards = Shards::new(|config| config.limits.send_window = 4);
    let job = job(&mut shards, true);
    let other = self::job(&mut shards, true);
    let mut op = Unlucky::new(&mut shards);
    shards.stop_reading(op.client);
    shards.frame(op.client, "job.subscribe", json!({"job_id": other, "history": true}));
    op.subscribe(&mut shards, &job);
    op.receive(&mut shards, 0);
    shards.hold = true;
    op.reconnect(&mut shards);
    op.subscribe(&mut shards, &job);
    shards.hold = false;
    let mut frames = op.receive(&mut shards, usize::MAX);
    shards.run(HERE, |_, _| ());
    frames.extend(op.receive(&mut shards, usize::MAX));
    let frames: Vec<_> = frames.into_iter().filter(|frame| frame["job_id"] == json!(job)).collect();
    assert_eq!(frames[0]["type"], "job.subscribed");
    assert_eq!(messages(&frames), counted(EVENTS));
}
