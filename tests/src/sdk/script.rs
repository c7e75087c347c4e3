//! One run of jobs, requests and cuts, decided by a seed and the same for every SDK.

use nuncio_core::arcp::{Chunk, JobState};
use serde_json::{Value, json};

use super::{Answer, Player, Sdk, Stream};
use crate::world::{Job, SECOND, World};

/// What a client has seen of one submit.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It was refused.
    Refused,
    /// It is this job.
    Job(Stream),
}

struct Script {
    w: World,
    player: Player,
    /// Every submit in its order, with the id of its job if it was accepted.
    submits: Vec<Option<String>>,
    running: Vec<Job>,
    state: u64,
    children: u32,
}

/// Runs a script against a client of an SDK, and returns what it has seen of each of its submits.
pub fn run(sdk: &'static Sdk, seed: u64, steps: usize) -> Vec<Seen> {
    let mut w = World::new();
    let player = Player::connect(&mut w, sdk, "tok-alice");
    let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut script = Script { w, player, submits: Vec::new(), running: Vec::new(), state, children: 0 };
    script.submit();
    for _ in 0..steps {
        script.step();
    }
    script.forget_ended();
    while let Some(job) = script.running.pop() {
        script.w.finish(&job, "\"done\"");
    }
    script.player.read(&mut script.w);
    assert!(script.player.harmed.is_empty(), "{}: a refusal has failed {:?}", sdk.name, script.player.harmed);
    let player = &script.player;
    script
        .submits
        .iter()
        .map(|job| job.as_ref().map_or(Seen::Refused, |job| Seen::Job(normal(&player.streams[job]))))
        .collect()
}

/// Leaves out what may differ: ids, which are random, and the child's lease, which Ruby cannot read.
fn normal(stream: &Stream) -> Stream {
    let mut stream = stream.clone();
    for (kind, body) in &mut stream.events {
        if kind == "delegate" {
            let members = body.as_object_mut().expect("a body");
            for member in ["child_job_id", "lease", "lease_request"] {
                members.remove(member);
            }
        }
    }
    stream
}

impl Script {
    /// A xorshift generator is random enough for a choice of steps.
    fn draw(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).expect("31 bits") % below
    }

    fn step(&mut self) {
        match self.draw(16) {
            0 | 1 => self.submit(),
            2 => self.refused_submit(),
            3 => {
                self.player.read(&mut self.w);
                self.player.resume(&mut self.w);
                self.submit();
            }
            4 => self.cancel(),
            5 => {
                self.player.list(&mut self.w, json!({}));
                self.player.read(&mut self.w);
            }
            6 => self.w.advance(SECOND),
            7 => self.delegate(),
            8 | 9 => self.end(),
            _ => self.emit(),
        }
    }

    fn submit(&mut self) {
        let mut payload = json!({"agent": "slow", "input": {"n": self.submits.len()}});
        if self.draw(4) == 0 {
            payload["max_runtime_sec"] = json!(2);
        }
        let request = self.player.submit(&mut self.w, payload, &["agent.delegate", "tool.call"]);
        let Answer::Granted(job) = self.player.answer(&mut self.w, request) else { panic!("the submit was refused") };
        self.running.push(self.w.job_by_id(&job));
        self.submits.push(Some(job));
    }

    fn refused_submit(&mut self) {
        self.forget_ended();
        let request = self.player.submit(&mut self.w, json!({"agent": "nobody", "input": 1}), &[]);
        match self.player.answer(&mut self.w, request) {
            Answer::Refused(_) => {}
            // Where a refusal would harm the session the submit is accepted, and its job fails.
            Answer::Granted(job) => {
                let end = self.player.streams[&job].end.clone().expect("the job has failed");
                assert_eq!((&*end.status, &end.value), ("error", &json!("AGENT_NOT_AVAILABLE")));
            }
            Answer::Open => panic!("{}: a refused submit hangs", self.player.sdk.name),
        }
        self.submits.push(None);
    }

    fn one(&mut self) -> Option<Job> {
        self.forget_ended();
        let count = self.running.len();
        if count == 0 {
            return None;
        }
        let index = self.draw(count);
        Some(self.running[index].clone())
    }

    /// Jobs may have ended by themselves.
    fn forget_ended(&mut self) {
        let runtime = &self.w.runtime;
        self.running.retain(|job| {
            runtime.job(job.key).is_some_and(|view| matches!(view.state, JobState::Running | JobState::Cancelling))
        });
    }

    fn cancel(&mut self) {
        if let Some(job) = self.one() {
            self.player.cancel(&mut self.w, &job.id);
            self.w.finish(&job, "1");
        }
    }

    fn end(&mut self) {
        let Some(job) = self.one() else { return };
        match self.draw(4) {
            0 => drop(self.w.fail(&job, "PERMISSION_DENIED", "it may not")),
            1 => self.w.finish(&job, "null"),
            2 => self.w.finish(&job, r#"{"rows":[1,2.50,null]}"#),
            _ => {
                for chunk in [Chunk::Text("a piece, "), Chunk::Bytes(b"and bytes"), Chunk::Text(", ü")] {
                    let taken = self.w.chunk(&job, chunk, false);
                    assert!(taken.is_ok(), "{taken:?}");
                }
                self.w.finish_streamed(&job);
            }
        }
    }

    fn delegate(&mut self) {
        let Some(job) = self.one() else { return };
        self.children += 1;
        let name = format!("d{}", self.children);
        let child = self.w.delegate(&job, &json!({"agent": "echo", "delegate_id": name, "lease_request": {}}));
        let id = self.w.runtime.job(child.expect("it is allowed")).expect("a child").id.to_string();
        let child = self.w.job_by_id(&id);
        self.w.log(&child, "from the child");
        if self.draw(2) == 0 {
            self.w.finish(&child, "2");
        }
    }

    fn emit(&mut self) {
        let Some(job) = self.one() else { return };
        let (kind, body): (&str, Value) = match self.draw(9) {
            0 => ("log", json!({"level": "info", "message": "m", "attributes": {"k": 1}})),
            1 => ("log", json!({"level": "NOTICE", "message": "m"})),
            2 => ("thought", json!({"text": "t"})),
            3 => ("tool_call", json!({"tool": "t", "call_id": "c"})),
            4 => ("tool_result", json!({"call_id": "c", "result": null})),
            5 => ("tool_result", json!({"call_id": "c", "error": {"code": "INTERNAL_ERROR", "message": "m"}})),
            6 => ("progress", json!({"current": 1, "total": 2})),
            7 => ("artifact_ref", json!({"uri": "arcp://a", "content_type": "text/plain"})),
            _ => ("x-vendor.acme.custom", json!([1, null])),
        };
        self.w.raw(&job, kind, &body);
    }
}
