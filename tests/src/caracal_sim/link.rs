//! Requests and answers that are under way between the clients and the coordinator.

use std::collections::BTreeMap;

use nuncio_core::caracal::{Request, RequestId, TransportFailure};
use nuncio_core::time::Time;

use super::Sim;
use crate::seeded::{Draw, note};
use crate::world::{MILLI, SECOND};

/// Which attempt of which client a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) client: usize,
    /// The life of the client, which a crash ends.
    pub(super) life: u32,
    pub(super) id: RequestId,
}

/// What becomes of the answer to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It arrives after some microseconds.
    Arrives(u64),
    /// The client waits in vain.
    Vanishes,
    /// The client sees that its connection is gone.
    Breaks,
    /// A proxy answers with this status instead.
    Replaced(u16),
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<&'static str>,
    pub(super) body: String,
}

#[derive(Clone, Debug)]
pub(super) enum Packet {
    Request(Request, Fate),
    Answer(Answer),
    Failure(TransportFailure),
}

/// All that is under way, by the time at which it arrives.
#[derive(Debug, Default)]
pub(super) struct Link {
    under_way: BTreeMap<(Time, u64), (Attempt, Packet)>,
    count: u64,
}

impl Link {
    pub(super) fn push(&mut self, at: Time, attempt: Attempt, packet: Packet) {
        self.count += 1;
        self.under_way.insert((at, self.count), (attempt, packet));
    }

    pub(super) fn next_at(&self) -> Option<Time> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn arrived(&mut self, now: Time) -> Option<(Attempt, Packet)> {
        let key = *self.under_way.keys().next().filter(|(at, _)| *at <= now)?;
        self.under_way.remove(&key)
    }

    /// Drops a request that has not arrived, because its connection was closed.
    pub(super) fn abort(&mut self, attempt: Attempt) {
        self.under_way.retain(|_, (held, packet)| *held != attempt || !matches!(packet, Packet::Request(..)));
    }
}

const RATE_LIMITED: &str = r#"{"error":"rate_limited"}"#;

impl Sim {
    /// Sends a request of a client.
    pub(super) fn send(&mut self, attempt: Attempt, request: Request, draw: &mut Draw<'_, '_>) {
        let faults = self.faults();
        let soon = self.now.plus_micros(draw.between(1, 50) * MILLI);
        if draw.chance(faults.lost_request) {
            self.count("request lost");
            if draw.chance(50) {
                self.link.push(soon, attempt, Packet::Failure(TransportFailure::NotSent));
            }
            return;
        }
        if draw.chance(faults.refused) {
            self.count("refused by a proxy");
            let (status, body) = draw.one(&[(429, RATE_LIMITED), (500, ""), (503, "")]);
            let retry_after = draw.one(&[None, Some("1"), Some("3600")]);
            let answer = Answer { status, retry_after, body: body.to_owned() };
            return self.link.push(soon, attempt, Packet::Answer(answer));
        }
        let fate = if draw.chance(faults.bad_gateway) {
            Fate::Replaced(draw.one(&[502, 504]))
        } else if draw.chance(faults.lost_answer) {
            draw.one(&[Fate::Vanishes, Fate::Breaks])
        } else if draw.chance(faults.slow_answer) {
            Fate::Arrives(draw.one(&[SECOND, 5 * SECOND, 9 * SECOND, 20 * SECOND]))
        } else {
            Fate::Arrives(draw.between(1, 50) * MILLI)
        };
        if let Fate::Replaced(status) = fate
            && draw.chance(50)
        {
            self.count("lost by a proxy");
            let answer = Answer { status, retry_after: None, body: String::new() };
            return self.link.push(soon, attempt, Packet::Answer(answer));
        }
        self.link.push(soon, attempt, Packet::Request(request, fate));
    }

    /// Sends the coordinator's answer to a client.
    pub(super) fn reply(&mut self, attempt: Attempt, fate: Fate, answer: Answer) {
        match fate {
            Fate::Arrives(micros) => self.link.push(self.now.plus_micros(micros), attempt, Packet::Answer(answer)),
            Fate::Vanishes => self.count("answer lost"),
            Fate::Breaks => {
                self.count("answer lost");
                self.link.push(self.now, attempt, Packet::Failure(TransportFailure::Lost));
            }
            Fate::Replaced(status) => {
                self.count("answer replaced");
                let answer = Answer { status, retry_after: None, body: String::new() };
                self.link.push(self.now, attempt, Packet::Answer(answer));
            }
        }
    }

    pub(super) fn deliver(&mut self, attempt: Attempt, packet: Packet, draw: &mut Draw<'_, '_>) {
        match packet {
            Packet::Request(request, fate) => {
                note(|| format!("  {} {} of client {}", request.method().as_str(), request.path(), attempt.client));
                self.serve(attempt, &request, fate, draw);
            }
            Packet::Answer(answer) => {
                note(|| format!("  client {} gets {} {}", attempt.client, answer.status, answer.body));
                self.answered(attempt, &answer, draw);
            }
            Packet::Failure(failure) => {
                note(|| format!("  client {} gets no answer: {failure:?}", attempt.client));
                self.failed(attempt, failure, draw);
            }
        }
    }
}
