//! A worker that proves itself to a scheduler before it takes jobs.

use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::cap::{
    Attempt, Authentication, BusPacket, ComponentId, JobCancel, JobRequest, Keyring, MapOrder, P256Signer,
    P256Verifier, Payload, Reading, RefusedPacket, Subject, Timestamp, Topic, TrustAuthority, TrustRequest, Worker,
    WorkerConfig, WorkerEvent, WorkerOutput, WorkerRefused, WorkerTrust, open, seal,
};
use nuncio_core::time::Time;

use super::support::{START, authority, decode, scheduler_key, settings, worker_key};

/// A worker and its scheduler.
struct World {
    worker: Worker,
    authority: TrustAuthority,
    now: Time,
    /// Whether requests reach the scheduler.
    is_reachable: bool,
    attempt: Option<Attempt>,
    asked: Option<TrustRequest>,
}

fn config(trust: WorkerTrust) -> WorkerConfig {
    // With trust, the keys of other senders do not count.
    let mut keys = Keyring::default();
    keys.add("client", client_key().public_key()).unwrap();
    let reading = Reading::new(Authentication::Signed(keys));
    WorkerConfig::new(ComponentId::new("w").unwrap(), reading, Arc::new(P256Verifier)).with(|config| {
        config.topics = ["job.echo", "job.echo.fail", "Job"].map(|topic| Topic::new(topic).unwrap()).into();
        config.signer = Some(Arc::new(worker_key()));
        config.check_stored = false;
        config.trust = trust;
        config.limits.parallel = 4;
    })
}

fn client_key() -> P256Signer {
    P256Signer::from_bytes(&[5; 32]).unwrap()
}

fn enforce() -> WorkerTrust {
    WorkerTrust::Enforce(Arc::new(settings()))
}

fn warn() -> WorkerTrust {
    WorkerTrust::Warn(Arc::new(settings()))
}

/// A packet of a sender.
fn sealed(sender: &str, signer: &P256Signer, payload: impl Into<Payload>) -> Vec<u8> {
    let packet = BusPacket {
        trace_id: "trace".into(),
        sender_id: sender.into(),
        created_at: Some(Timestamp::from_time(START)),
        protocol_version: 1,
        payload: Some(payload.into()),
        ..BusPacket::default()
    };
    seal(packet, MapOrder::Lexicographic, Some(signer)).unwrap().bytes
}

fn job(id: &str) -> JobRequest {
    JobRequest { job_id: id.into(), topic: "job.echo".into(), ..JobRequest::default() }
}

impl World {
    fn new(trust: WorkerTrust) -> World {
        World {
            worker: Worker::new(config(trust), [7; 32], START),
            authority: authority(|_| {}),
            now: START,
            is_reachable: true,
            attempt: None,
            asked: None,
        }
    }

    fn connected(trust: WorkerTrust) -> World {
        let mut world = World::new(trust);
        world.worker.handle_connected(START);
        world
    }

    /// Runs the world until nothing is left to be done, and returns what the worker says.
    fn run(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.worker.poll_output() {
            lines.push(match output {
                WorkerOutput::Subscribe { subject, .. } => format!("sub {subject}"),
                WorkerOutput::Unsubscribe { subject } => format!("unsub {subject}"),
                WorkerOutput::Request { id, subject, bytes } => {
                    self.asked = Some(id);
                    let reply = self.authority.handle_request(self.now, &subject, &bytes);
                    let reply = reply.filter(|_| self.is_reachable).ok_or_else(|| "no responders".into());
                    self.worker.replied(self.now, id, reply).unwrap();
                    continue;
                }
                WorkerOutput::Publish { bytes, .. } => self.published(&bytes),
                WorkerOutput::Run { attempt } => {
                    self.attempt = Some(attempt);
                    "run".into()
                }
                WorkerOutput::Stop { .. } => "stop".into(),
                WorkerOutput::Store { attempt, .. } => {
                    self.worker.stored(self.now, attempt, Ok(())).unwrap();
                    continue;
                }
                WorkerOutput::Event(WorkerEvent::Trusted { is_renewal, .. }) => format!("trusted {is_renewal}"),
                WorkerOutput::Event(WorkerEvent::TrustFailed { reason }) => format!("failed {reason}"),
                WorkerOutput::Event(WorkerEvent::TrustExpired) => "expired".into(),
                WorkerOutput::Event(WorkerEvent::Refused { reason, .. }) => format!("refused {reason}"),
                WorkerOutput::Event(WorkerEvent::Drained) => "drained".into(),
                WorkerOutput::Event(_) => continue,
                other => panic!("{other:?}"),
            });
        }
        lines
    }

    /// Checks a packet of the worker as its receivers do, and whether the scheduler knows its token.
    fn published(&self, bytes: &[u8]) -> String {
        let mut keys = Keyring::default();
        keys.add("w", worker_key().public_key()).unwrap();
        let reading = Reading::new(Authentication::Signed(keys));
        let packet = open(bytes, &reading, &P256Verifier).unwrap();
        let token = &packet.auth_token;
        let session = match (token.expose().is_empty(), self.authority.admits(self.now, "w", token)) {
            (true, _) => "without token",
            (_, true) => "with token",
            _ => "with a wrong token",
        };
        format!("{} {session}", packet.payload.unwrap().name())
    }

    fn request(&mut self, id: &str) -> Vec<String> {
        let bytes = sealed("scheduler", &scheduler_key(), job(id));
        self.worker.handle_packet(self.now, &Subject::parse("job.echo").unwrap(), &bytes);
        self.run()
    }

    fn finish(&mut self) -> Vec<String> {
        self.worker.finish(self.now, self.attempt.unwrap(), Bytes::from_static(b"out")).unwrap();
        self.run()
    }

    fn wait(&mut self, millis: u64) -> Vec<String> {
        self.now = self.now.plus_millis(millis);
        self.worker.handle_timeout(self.now);
        self.run()
    }
}

const NOT_TRUSTED: &str = "refused the worker has no session with its scheduler, and takes no jobs";

#[test]
fn s14_a_worker_subscribes_once_it_is_trusted_and_its_packets_carry_its_token() {
    let mut world = World::connected(enforce());
    assert!(!world.worker.admits());
    assert_eq!(
        world.run(),
        [
            "sub sys.job.cancel",
            "trusted false",
            "sub Job",
            "sub job.echo",
            "sub job.echo.fail",
            "sub worker.w.jobs",
            "Handshake with token",
        ]
    );
    assert!(world.worker.admits());
    assert_eq!(world.request("j"), ["run"]);
    assert_eq!(world.finish(), ["JobResult with token"]);
    assert_eq!(world.wait(5_000), ["Heartbeat with token"]);
    // Features and topics, of which those are left out that would break the handshake; topics that are served are all.
    let worker = world.authority.session(world.now, "w").unwrap();
    let names: Vec<&str> = worker.handshake.capabilities.keys().map(String::as_str).collect();
    let features = ["cancel", "conformance.core", "error_codes", "heartbeats"];
    assert_eq!(names, [&features[..], &["job.echo.fail", "progress", "signatures", "x-nuncio-signs"]].concat());
    assert_eq!(worker.topics(), ["Job", "job.echo", "job.echo.fail"]);
}

#[test]
fn s14_jobs_and_cancellations_are_taken_from_the_scheduler_alone() {
    let mut world = World::connected(enforce());
    world.run();
    let topic = Subject::parse("job.echo").unwrap();
    for (sender, signer) in [("client", client_key()), ("scheduler", client_key()), ("w", worker_key())] {
        world.worker.handle_packet(START, &topic, &sealed(sender, &signer, job("j")));
        let lines = world.run();
        assert_eq!(lines[0], "Alert with token");
        assert!(lines.len() == 2 && lines[1].starts_with("refused "), "{lines:?}");
    }
    world.request("j");
    let cancel = || JobCancel { job_id: "j".into(), requested_by: "me".into(), ..JobCancel::default() };
    world.worker.handle_packet(START, &Subject::JobCancel, &sealed("client", &client_key(), cancel()));
    assert!(world.run()[0].starts_with("refused "));
    world.worker.handle_packet(START, &Subject::JobCancel, &sealed("scheduler", &scheduler_key(), cancel()));
    assert_eq!(world.run(), ["stop", "JobResult with token"]);
}

#[test]
fn s14_without_a_session_an_enforcing_worker_takes_no_jobs_and_sends_nothing() {
    let mut world = World::new(enforce());
    world.is_reachable = false;
    world.worker.handle_connected(START);
    assert_eq!(world.run(), ["sub sys.job.cancel"]);
    assert_eq!(world.request("j"), [NOT_TRUSTED]);
    assert_eq!(world.wait(100), [""; 0]);
    assert_eq!(world.wait(300), ["failed the scheduler cannot be reached: no responders"]);
    world.is_reachable = true;
    assert_eq!(world.wait(30_000)[0], "trusted false");
    assert_eq!(world.request("j"), ["run"]);
}

#[test]
fn s14_a_worker_that_only_warns_goes_on_without_a_scheduler_but_not_against_it() {
    let mut world = World::new(warn());
    world.is_reachable = false;
    world.worker.handle_connected(START);
    assert_eq!(world.run(), ["sub sys.job.cancel"]);
    world.wait(100);
    let lines = world.wait(300);
    assert_eq!(lines[0], "failed the scheduler cannot be reached: no responders");
    assert_eq!(lines.last().unwrap(), "Handshake without token");
    assert_eq!(world.request("j"), ["run"]);
    assert_eq!(world.finish(), ["JobResult without token"]);
    world.is_reachable = true;
    assert_eq!(world.wait(30_000), ["Heartbeat without token", "trusted false"]);
    assert_eq!(world.request("k"), ["run"]);
    assert_eq!(world.finish(), ["JobResult with token"]);

    let mut world = World::new(warn());
    world.authority.revoke("w");
    world.worker.handle_connected(START);
    assert_eq!(world.run()[1], "failed the scheduler has rejected the worker: AUTHENTICATION_FAILED");
    assert_eq!(world.request("j"), [NOT_TRUSTED]);
}

#[test]
fn s14_results_wait_for_the_next_session_and_carry_its_token() {
    let mut world = World::connected(enforce());
    world.run();
    world.request("a");
    let first = world.attempt;
    world.request("b");
    // The scheduler forgets the worker, which cannot renew its session.
    world.authority.revoke_session("w");
    world.now = START.plus_secs(450);
    let lines = world.wait(0);
    assert!(lines.contains(&"failed the scheduler has rejected the worker: SESSION_REQUIRED".to_owned()), "{lines:?}");
    assert!(lines.contains(&"unsub job.echo".to_owned()) && lines.contains(&"unsub worker.w.jobs".to_owned()));
    assert_eq!(world.finish(), [""; 0], "the result waits");
    assert_eq!(world.wait(5_000), [""; 0], "and no heartbeat is sent");
    let lines = world.wait(25_000);
    assert_eq!(lines[..2], ["JobResult with token", "trusted false"], "{lines:?}");
    let (_, last) = lines.split_at(lines.len() - 2);
    assert_eq!(last, ["Handshake with token", "JobProgress with token"], "the other job gives a sign");
    // While the bus is away too; the token is renewed on the next connection, and the result carries the new one.
    world.worker.handle_disconnected(world.now);
    assert!(!world.worker.admits());
    world.attempt = first;
    assert_eq!(world.finish(), [""; 0]);
    world.worker.handle_connected(world.now);
    let lines = world.run();
    assert_eq!(lines[..3], ["sub sys.job.cancel", "JobResult with token", "trusted true"], "{lines:?}");
}

#[test]
fn s14_a_drain_waits_for_results_that_wait_for_a_session() {
    let mut world = World::connected(enforce());
    world.run();
    world.request("a");
    world.worker.handle_disconnected(world.now);
    world.worker.drain(world.now);
    assert_eq!(world.finish(), [""; 0]);
    world.worker.handle_connected(world.now);
    let lines = world.run();
    assert!(!lines.iter().any(|line| line.starts_with("sub job")), "{lines:?}");
    let at = |line: &str| lines.iter().position(|other| other == line).unwrap();
    assert!(at("JobResult with token") < at("drained"));
    world.worker.handle_disconnected(world.now);
    world.worker.handle_connected(world.now);
    assert_eq!(world.run(), [""; 0]);
}

#[test]
fn s14_a_token_that_has_expired_is_not_sent() {
    let mut world = World::connected(enforce());
    world.run();
    world.request("a");
    world.is_reachable = false;
    world.worker.handle_disconnected(world.now);
    world.worker.handle_connected(world.now);
    world.run();
    world.now = START.plus_secs(900);
    assert_eq!(world.finish(), [""; 0]);
    assert_eq!(world.wait(0)[0], "expired");
}

#[test]
fn s14_a_worker_without_trust_awaits_no_reply() {
    let mut world = World::connected(enforce());
    world.run();
    let mut plain = Worker::new(config(WorkerTrust::Off), [7; 32], START);
    let refused = plain.replied(START, world.asked.unwrap(), Ok(Bytes::new()));
    assert_eq!(refused, Err(WorkerRefused::Stale));
    assert!(plain.admits());
    plain.handle_connected(START);
    while let Some(output) = plain.poll_output() {
        if let WorkerOutput::Publish { bytes, .. } = output {
            assert!(decode(&bytes).auth_token.expose().is_empty());
        }
    }
    assert_eq!(RefusedPacket::NotTrusted.to_string(), NOT_TRUSTED.trim_start_matches("refused "));
}
