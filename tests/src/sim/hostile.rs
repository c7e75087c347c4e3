//! Hostile peers: arbitrary bytes, altered, repeated and reordered frames, ids and tokens of other sessions, old
//! hellos.

use bytes::Bytes;
use nuncio_core::arcp::Via;
use serde_json::{Value, json};

use super::Sim;
use super::host::TOKENS;
use super::link::End;
use crate::seeded::Draw;

#[derive(Default)]
pub(super) struct Hostile {
    link: Option<usize>,
    session: Option<String>,
    token: Option<String>,
    sent: u64,
}

impl Hostile {
    pub(super) fn observe(&mut self, frame: &[u8]) {
        let Ok(frame) = serde_json::from_slice::<Value>(frame) else { return };
        if frame["type"] == "session.welcome" {
            self.session = frame["payload"]["session_id"].as_str().map(str::to_owned);
            self.token = frame["payload"]["resume_token"].as_str().map(str::to_owned);
        }
    }
}

impl Sim {
    /// Lets a hostile peer act once. It may use its own session; nothing else may have an effect.
    pub(super) fn attack(&mut self, draw: &mut Draw<'_, '_>) {
        let who = draw.below(self.hostiles.len());
        if self.hostiles.is_empty() {
            return;
        }
        self.count("attack");
        let open = self.hostiles[who].link.filter(|link| self.links.get(link).is_some_and(|link| !link.runtime_done));
        let Some(link) = open else {
            let via = draw.one(&[Via::Plain, Via::Tls, Via::Stdio]);
            let link = self.open(End::Hostile(who), via);
            self.hostiles[who].link = Some(link);
            self.greet(who, link, draw);
            return;
        };
        if draw.chance(8) {
            // The transport is lost without a close.
            if let Some(link) = self.links.get_mut(&link) {
                link.cut(0, 0);
            }
            return;
        }
        let frame = self.forge(who, draw);
        self.send_raw(link, frame.clone());
        if draw.chance(10) {
            self.send_raw(link, frame);
        }
    }

    fn greet(&mut self, who: usize, link: usize, draw: &mut Draw<'_, '_>) {
        let mallory = TOKENS[3].0;
        let mut hello = json!({
            "client": {"name": "x", "version": "1"},
            "auth": {"scheme": "bearer", "token": mallory},
            "capabilities": {"features": ["ack", "list_jobs", "subscribe", "progress", "result_chunk", "cost.budget"]},
        });
        let victims: Vec<String> = self.model_sessions();
        match draw.below(6) {
            0 => {
                // Another principal's session with a guessed token.
                let session = draw.pick(&victims).cloned().unwrap_or_default();
                hello["resume"] =
                    json!({"session_id": session, "resume_token": "rt_00", "last_event_seq": draw.below(4)});
            }
            1 => {
                // Another principal's session with its real token: the principals differ (§6.3).
                let stolen = self.invariants.tokens();
                if let Some((session, token)) = draw.pick(&stolen).cloned() {
                    hello["resume"] = json!({"session_id": session, "resume_token": token, "last_event_seq": 0});
                }
            }
            2 => {
                // A complete old hello of another client, whose resume token is outdated.
                let dead = self.invariants.outdated_tokens();
                if let Some((session, token)) = draw.pick(&dead).cloned() {
                    hello["auth"]["token"] = json!(TOKENS[draw.below(3)].0);
                    hello["resume"] = json!({"session_id": session, "resume_token": token, "last_event_seq": 0});
                }
            }
            3 => {
                let own = (self.hostiles[who].session.clone(), self.hostiles[who].token.clone());
                if let (Some(session), Some(token)) = own {
                    hello["resume"] =
                        json!({"session_id": session, "resume_token": token, "last_event_seq": draw.below(9)});
                }
            }
            4 => hello["capabilities"]["agents"] = json!([]),
            _ => {}
        }
        let frame = self.envelope(who, "session.hello", &hello);
        self.send_raw(link, frame);
    }

    fn envelope(&mut self, who: usize, kind: &str, payload: &Value) -> Bytes {
        let hostile = &mut self.hostiles[who];
        hostile.sent += 1;
        let id = format!("h{}", hostile.sent);
        json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload}).to_string().into()
    }

    fn forge(&mut self, who: usize, draw: &mut Draw<'_, '_>) -> Bytes {
        let jobs: Vec<String> = self.model.jobs.values().map(|job| job.id.clone()).collect();
        let job = draw.pick(&jobs).cloned().unwrap_or_default();
        let lease = super::lease::draw(draw, true, false);
        let frame = match draw.below(14) {
            0 => return draw.bytes(24).into(),
            1 => self.envelope(who, "job.cancel", &json!({"job_id": job})),
            2 => self.envelope(who, "job.subscribe", &json!({"job_id": job, "history": true})),
            3 => self.envelope(who, "session.list_jobs", &json!({"limit": 3})),
            4 => self.envelope(who, "session.ack", &json!({"last_processed_seq": draw.between(0, 1 << 53)})),
            5 => self.envelope(who, "session.ping", &json!({"nonce": "n", "sent_at": "x"})),
            6 => self.envelope(who, "session.close", &json!({})),
            7 => self.envelope(who, "job.submit", &json!({"agent": "echo", "parent_job_id": job})),
            8 => {
                // A frame that names another session: it is refused and not executed.
                let session = draw.pick(&self.model_sessions()).cloned().unwrap_or_default();
                let frame = json!({"arcp": "1.1", "id": "x", "type": "job.cancel", "session_id": session,
                                   "payload": {"job_id": job}});
                frame.to_string().into()
            }
            9 => self.envelope(who, "job.event", &json!({"kind": "log", "body": {}})),
            10 => {
                let asked = self.model.all_questions();
                let (job, question) = draw.pick(&asked).map(|(job, asked)| (job.clone(), asked.id.clone())).unzip();
                let answer = json!({"job_id": job, "question_id": question, "value": "approve"});
                self.envelope(who, "x-vendor.nuncio.answer", &answer)
            }
            11 => self.envelope(who, "x-vendor.nuncio.read_status", &json!({})),
            _ => {
                let payload = json!({"agent": "slow", "lease_request": lease, "idempotency_key": "key-1"});
                self.envelope(who, "job.submit", &payload)
            }
        };
        if !draw.chance(25) {
            return frame;
        }
        // Some bytes of the frame are altered.
        let mut frame = frame.to_vec();
        for _ in 0..=draw.below(3) {
            if frame.is_empty() {
                break;
            }
            let at = draw.below(frame.len());
            match draw.below(3) {
                0 => frame[at] = draw.one(b"\"{}[],:0e-\\\x00\xffn"),
                1 => {
                    frame.remove(at);
                }
                _ => frame.truncate(at.max(1)),
            }
        }
        frame.into()
    }

    fn model_sessions(&self) -> Vec<String> {
        self.peers.iter().filter_map(|peer| peer.session.clone()).collect()
    }
}
