//! Packets of anybody, a store that may be slow and a host that decides anything, for a router.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Unstructured;
use nuncio_core::cap::{
    Authentication, BusPacket, ComponentId, Constraints, Decision, Delivery, Dispatch, DispatchIdentity, JobRequest,
    LostWorker, Payload, Policy, Reading, RecordKind, Router, RouterConfig, RouterEvent, RouterJob, RouterOutput,
    RouterRecord, RouterTrust, Subject,
};
use nuncio_core::time::Time;

use super::draw::{assert_valid, drawn, packet, subject};
use super::trusted::{Partner, trust};
use crate::cap_sim::signing::HashVerifier;
use crate::seeded::Draw;
use crate::world::START;

/// Bytes that a router holds at most with the limits of [`config`]: every count is small, and a packet has less than 1 KiB.
const MAX_HELD: usize = 1 << 20;

/// The router does not panic and keeps its limits, whatever packets arrive and whatever the host answers. What is accepted is
/// stored, a job ends once, what is published is valid, and without a session no worker gets a job if it needs one. A router
/// that goes on from its records has every job that was accepted.
pub fn cap_router(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let draw = &mut Draw(&mut bytes);
    let mut world = World::new(draw);
    while !draw.is_over() {
        world.step(draw);
        world.poll(draw);
        world.check();
    }
}

struct World {
    config: RouterConfig,
    router: Router,
    now: Time,
    is_connected: bool,
    asked: Vec<RouterJob>,
    ended: BTreeSet<RouterJob>,
    /// What the store has, by id and kind.
    stored: BTreeMap<(String, RecordKind), (u64, RouterRecord)>,
    /// Records that came out and are not durable yet.
    waiting: Vec<(u64, RouterRecord)>,
    deliveries: BTreeSet<Delivery>,
    next: u64,
    /// The enrolled worker.
    partner: Partner,
    /// The latest dispatch of each job.
    dispatched: BTreeMap<String, DispatchIdentity>,
}

fn config(draw: &mut Draw<'_, '_>) -> RouterConfig {
    let id = ComponentId::new("router").expect("a good id");
    let trust = trust(draw);
    RouterConfig::new(id, Reading::new(Authentication::Unsigned), Arc::new(HashVerifier)).with(|config| {
        config.trust = trust;
        config.dispatch = draw.one(&[Dispatch::Queue, Dispatch::LeastLoaded]);
        config.resign = draw.chance(40);
        config.policy = draw.one(&[Policy::AllowAll, Policy::Ask]);
        config.lost_worker = draw.one(&[LostWorker::Retry, LostWorker::Fail]);
        config.workers_deduplicate = draw.chance(70);
        config.records = true;
        config.operators = ["other".to_owned()].into();
        config.retries = draw.one(&[0, 2]);
        config.redispatches = draw.one(&[0, 2]);
        config.max_runtime = draw.one(&[None, Some(Duration::from_secs(3))]);
        config.retention = Duration::from_secs(draw.one(&[86_400, 2]));
        config.limits.jobs = draw.one(&[1, 3, 100]);
        config.limits.topic_jobs = draw.one(&[1, 100]);
        config.limits.retained = draw.one(&[0, 2, 100]);
        config.limits.followers = draw.one(&[0, 1]);
        config.limits.cancellations = draw.one(&[0, 2]);
        config.limits.children = draw.one(&[0, 1, 100]);
        config.limits.workers = draw.one(&[1, 4]);
        config.limits.worker_topics = 1;
        config.limits.alerts = draw.one(&[0, 3]);
        config.limits.error_bytes = 5;
        config.limits.unstored = draw.one(&[1, 64]);
    })
}

impl World {
    fn new(draw: &mut Draw<'_, '_>) -> World {
        let config = config(draw);
        World {
            router: Router::new(config.clone(), [7; 32], START),
            config,
            now: START,
            is_connected: false,
            asked: Vec::new(),
            ended: BTreeSet::new(),
            stored: BTreeMap::new(),
            waiting: Vec::new(),
            deliveries: BTreeSet::new(),
            next: 0,
            partner: Partner::new(),
            dispatched: BTreeMap::new(),
        }
    }

    fn step(&mut self, draw: &mut Draw<'_, '_>) {
        let now = self.now;
        match draw.below(14) {
            0..=5 => {
                let subject = subject(draw);
                let bytes = self.packet(&subject, draw);
                let delivery = (draw.chance(30) && self.router.reading()).then(|| {
                    self.next += 1;
                    Delivery(self.next)
                });
                self.deliveries.extend(delivery);
                self.router.handle_packet(now, &subject, &bytes, delivery);
            }
            6 if draw.chance(60) => self.exchange(draw),
            6 => {
                let subject = if draw.chance(50) { Subject::TrustChallenge } else { Subject::TrustAuthenticate };
                let bytes = packet(now, draw);
                self.router.handle_request(now, &subject, &bytes, draw.one(&["_INBOX.1", ""]));
            }
            7 | 8 => self.decide(draw),
            9 => {
                self.now = now.plus_micros(draw.one(&[1, 90_000, 2_000_000, 6_000_000, 90_000_000_000]));
                self.router.handle_timeout(self.now);
            }
            10 => {
                self.now = self.router.poll_timeout().map_or(now, |(at, _)| at.max(now));
                self.router.handle_timeout(self.now);
            }
            11 if draw.chance(30) => self.restart(),
            11 | 12 => {
                self.is_connected = true;
                self.router.handle_connected(now);
            }
            _ if draw.chance(30) => {
                self.is_connected = false;
                self.router.handle_disconnected(now);
            }
            _ => self.commit(),
        }
    }

    /// Returns a packet, with the token of the session and sealed if the router asks for that.
    fn packet(&self, subject: &Subject, draw: &mut Draw<'_, '_>) -> Vec<u8> {
        if matches!(self.config.trust, RouterTrust::Off) || draw.chance(20) {
            return packet(self.now, draw);
        }
        let mut packet = drawn(self.now, draw);
        if let Some(Payload::JobResult(result)) = &mut packet.payload
            && draw.chance(80)
        {
            result.dispatch = self.dispatched.get(&result.job_id).cloned();
        }
        let is_production = matches!(self.config.trust, RouterTrust::Production(..));
        self.partner.sealed(packet, self.now, subject, is_production, draw)
    }

    /// The enrolled worker asks for a session, or goes on with it.
    fn exchange(&mut self, draw: &mut Draw<'_, '_>) {
        self.partner.begin(self.now);
        while let Some((id, subject, bytes)) = self.partner.poll() {
            self.router.handle_request(self.now, &subject, &bytes, "_INBOX.2");
            self.poll(draw);
            self.partner.answer(self.now, id);
        }
    }

    fn decide(&mut self, draw: &mut Draw<'_, '_>) {
        let Some(job) = draw.pick(&self.asked).copied() else { return };
        let reason = draw.one(&["", "because of it"]).to_owned();
        let constraints = Constraints {
            max_runtime: draw.one(&[None, Some(Duration::ZERO)]),
            max_retries: draw.one(&[None, Some(0)]),
            redacted_context_ptr: draw.chance(30).then(|| "redis://r".to_owned()),
        };
        _ = self.router.decide(
            self.now,
            job,
            match draw.below(6) {
                0 => Decision::Allow,
                1 => Decision::AllowWith(constraints),
                2 => Decision::Deny { reason },
                3 => Decision::Quarantine { reason },
                4 => Decision::RequireHuman { reason },
                _ => Decision::Throttle { delay: Duration::from_secs(draw.one(&[0, 3])) },
            },
        );
    }

    /// The store has everything that it was given.
    fn commit(&mut self) {
        let mut last = 0;
        for (number, record) in self.waiting.drain(..) {
            let id = record.job_id().to_owned();
            self.stored.retain(|(of, kind), _| *of != id || !record.replaces(*kind));
            if !record.kind().is_removal() {
                self.stored.insert((id, record.kind()), (number, record));
            }
            last = number;
        }
        self.router.handle_stored(self.now, last);
    }

    /// The router crashes, and another one goes on from what the store has.
    fn restart(&mut self) {
        self.waiting.clear();
        self.deliveries.clear();
        (self.asked, self.ended) = (Vec::new(), BTreeSet::new());
        let mut records: Vec<_> = self.stored.values().cloned().collect();
        records.sort_by_key(|(number, _)| *number);
        let restored = Router::restore(self.config.clone(), [8; 32], self.now, records);
        self.router = restored.expect("own records can be used");
        self.is_connected = false;
        let ids: BTreeSet<&String> = self.stored.keys().map(|(id, _)| id).collect();
        assert!(self.router.jobs().count() <= ids.len(), "a restored router has only jobs that were accepted");
    }

    fn poll(&mut self, draw: &mut Draw<'_, '_>) {
        let is_slow = draw.chance(30);
        while let Some(output) = self.router.poll_output() {
            match output {
                RouterOutput::Store { number, record } => {
                    let read = RouterRecord::decode(&record.encode());
                    assert_eq!(read.as_ref(), Ok(&record), "a record is read back unchanged");
                    self.waiting.push((number, record));
                    if !is_slow {
                        self.commit();
                    }
                }
                RouterOutput::Publish { subject, bytes } => {
                    assert!(self.is_connected, "nothing is published without a bus");
                    self.published(&subject, &bytes);
                }
                RouterOutput::Acknowledge { delivery } => {
                    assert!(self.deliveries.remove(&delivery), "a message is acknowledged once");
                }
                RouterOutput::Reply { to, bytes } => {
                    assert!(self.is_connected, "nothing is answered without a bus");
                    if to == "_INBOX.2" {
                        self.partner.replied(bytes);
                    }
                }
                RouterOutput::Subscribe { .. } => {}
                RouterOutput::Event(event) => self.event(&event),
            }
        }
        let excess = self.asked.len().saturating_sub(40);
        self.asked.drain(..excess);
    }

    fn published(&mut self, subject: &Subject, bytes: &[u8]) {
        let decoded = BusPacket::decode(bytes, &self.config.reading.limits).expect("what is published can be decoded");
        let is_own = decoded.sender_id == "router";
        if matches!(subject, Subject::Topic(_) | Subject::Direct(_)) {
            let is_allowed = !self.config.trust.is_required() || self.partner.was_trusted();
            assert!(is_allowed, "only workers with a session get jobs");
            if let Some(Payload::JobRequest(request)) = decoded.payload {
                let JobRequest { job_id, dispatch, .. } = *request;
                self.dispatched.extend(dispatch.map(|dispatch| (job_id, dispatch)));
            }
        }
        if is_own {
            let packet = assert_valid(subject, bytes, "router");
            if let Some(Payload::JobResult(result)) = packet.payload {
                assert!(result.error_message.len() <= 200, "messages are bounded");
            }
        }
    }

    fn event(&mut self, event: &RouterEvent) {
        match event {
            RouterEvent::Accepted { job } => {
                let Some(view) = self.router.job(*job) else { return };
                let is_stored = self.stored.keys().any(|(id, kind)| id == view.job_id && !kind.is_of_worker());
                assert!(is_stored, "what is accepted is stored");
            }
            RouterEvent::Check { job, .. } | RouterEvent::Approval { job, .. } => self.asked.push(*job),
            RouterEvent::Ended { job, .. } => assert!(self.ended.insert(*job), "a job ends once"),
            _ => {}
        }
    }

    fn check(&self) {
        let limits = self.config.limits;
        assert!(self.router.retained() <= limits.retained, "ended jobs are bounded");
        assert!(self.router.workers().count() <= limits.workers.max(10), "workers are bounded");
        assert!(self.router.queued() <= self.router.live(), "only live jobs wait");
        assert!(self.router.bytes_held() <= MAX_HELD, "{} bytes are held", self.router.bytes_held());
    }
}
