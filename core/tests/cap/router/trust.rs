//! Trust sessions that the router gives to its workers.

use std::sync::Arc;

use nuncio_core::cap::{
    BusPacket, ComponentId, Enrollment, Handshake, Heartbeat, JobStatus, MapOrder, Payload, RecordKind, RouterConfig,
    RouterRecord, RouterTrust, Secret, Subject, Timestamp, Topic, TrustMode, TrustOutput, TrustSession,
};
use nuncio_core::time::Time;

use super::support::{Harness, START, config, request, result};
use crate::trust::support::{authority, enrollment, scheduler_key, session};

/// A router that only trusted workers get jobs from, and the session of the worker `w`.
struct World {
    router: Harness,
    session: TrustSession,
}

fn settings(trust: RouterTrust) -> RouterConfig {
    config().with(|config| {
        config.id = ComponentId::new("scheduler").unwrap();
        config.signer = Some(Arc::new(scheduler_key()));
        config.trust = trust;
        config.records = true;
    })
}

fn required() -> RouterConfig {
    settings(RouterTrust::Require(Box::new(authority(|_| {}))))
}

impl World {
    fn of(config: RouterConfig) -> World {
        let mut router = Harness::offline(config);
        router.router.handle_connected(START);
        let subscribed = router.drain();
        assert!(subscribed.contains(&"sub sys.worker.handshake.challenge".to_owned()), "{subscribed:?}");
        World { router, session: session(TrustMode::Enforce) }
    }

    fn new() -> World {
        World::of(required())
    }

    /// Carries requests and replies until the session asks for nothing more, and returns what the router says.
    fn exchange(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(output) = self.session.poll_output() {
            let TrustOutput::Request { id, subject, bytes } = output else { continue };
            self.router.router.handle_request(self.router.now, &subject, &bytes, "_INBOX.1");
            said.extend(self.router.drain());
            let (to, reply) = self.router.replies.pop().unwrap();
            assert_eq!(to, "_INBOX.1");
            self.session.replied(self.router.now, id, Ok(reply)).unwrap();
        }
        said
    }

    fn connect(&mut self) -> Vec<String> {
        self.session.connect(self.router.now);
        self.exchange()
    }

    fn token(&self) -> Secret {
        self.session.token(self.router.now).cloned().unwrap_or_default()
    }

    /// A packet of the worker with a token.
    fn packet(&mut self, subject: &Subject, token: Secret, payload: impl Into<Payload>) -> Vec<String> {
        let packet = BusPacket {
            trace_id: "trace".into(),
            sender_id: "w".into(),
            created_at: Some(Timestamp::from_time(self.router.now)),
            protocol_version: 1,
            auth_token: token,
            payload: Some(payload.into()),
            ..BusPacket::default()
        };
        self.router.packet(subject, &packet.encode(MapOrder::Lexicographic))
    }

    fn handshake(&mut self, token: Secret, topics: &[&str]) -> Vec<String> {
        let handshake = Handshake {
            component_id: "w".into(),
            role: nuncio_core::cap::ComponentRole::WORKER,
            supported_versions: vec![1],
            ready_topics: topics.iter().map(|topic| (*topic).into()).collect(),
            ..Handshake::default()
        };
        self.packet(&Subject::Handshake, token, handshake)
    }

    fn heartbeat(&mut self, token: Secret) -> Vec<String> {
        let heartbeat = Heartbeat { worker_id: "w".into(), max_parallel_jobs: 4, ..Heartbeat::default() };
        self.packet(&Subject::Heartbeat, token, heartbeat)
    }

    /// A worker that is trusted and has announced itself.
    fn trusted() -> World {
        let mut world = World::new();
        assert_eq!(world.connect(), ["reply to _INBOX.1", "trusted w", "reply to _INBOX.1"]);
        let token = world.token();
        assert_eq!(world.handshake(token, &["job.echo"]), ["joined w"]);
        world
    }
}

const REFUSED: &str = "refused: \"w\" has no trust session, or its packet does not carry the token";
const ALERT: &str = "alert WARNING JOB_PERMISSION_DENIED";

#[test]
fn s14_a_worker_with_a_session_gets_jobs_under_the_routers_signature() {
    let mut world = World::trusted();
    assert_eq!(world.router.submit(request("1")), ["1 to worker.w.jobs #1"]);
    let token = world.token();
    let said = world.packet(&Subject::JobResult, token, result("1", "w", JobStatus::SUCCEEDED));
    assert_eq!(said, ["ended 1 SUCCEEDED"]);
}

#[test]
fn s14_a_worker_without_a_session_is_neither_known_nor_given_jobs_nor_believed() {
    let mut world = World::new();
    assert_eq!(world.handshake(Secret::default(), &["job.echo"]), [ALERT, REFUSED]);
    assert_eq!(world.heartbeat(Secret::new("cap_guessed")), [ALERT, REFUSED]);
    assert_eq!(world.router.router.workers().count(), 0);
    assert_eq!(world.router.submit(request("1")), [""; 0], "the job waits, and is not sent to its topic");
    let said = world.packet(&Subject::JobResult, Secret::default(), result("1", "w", JobStatus::SUCCEEDED));
    assert_eq!(said, [ALERT, REFUSED]);
    world.connect();
    let token = world.token();
    assert_eq!(world.handshake(token, &["job.echo"]), ["joined w", "1 to worker.w.jobs #1"]);
}

#[test]
fn s14_no_job_goes_to_a_worker_whose_session_has_expired() {
    let mut world = World::trusted();
    let token = world.token();
    // Heartbeats come until the session ends after a quarter of an hour.
    for _ in 0..89 {
        world.router.wait(10_000);
        assert_eq!(world.heartbeat(token.clone()), [""; 0]);
    }
    world.router.wait(10_000);
    assert_eq!(world.heartbeat(token), [ALERT, REFUSED]);
    assert_eq!(world.router.router.workers().count(), 1, "it is not lost yet");
    assert_eq!(world.router.submit(request("1")), [""; 0]);
    assert_eq!(world.router.wait(15_000).first().unwrap(), "lost w");
}

#[test]
fn s14_a_renewed_session_goes_on_and_the_token_before_it_is_worth_nothing() {
    let mut world = World::trusted();
    assert_eq!(world.router.submit(request("1")), ["1 to worker.w.jobs #1"]);
    let before = world.token();
    world.router.now = world.session.poll_timeout().unwrap();
    let now = world.router.now;
    world.session.handle_timeout(now);
    assert_eq!(world.exchange(), ["reply to _INBOX.1", "renewed w", "reply to _INBOX.1"]);
    let said = world.packet(&Subject::JobResult, before.clone(), result("1", "w", JobStatus::SUCCEEDED));
    assert_eq!(said, ["1 to worker.w.jobs #1", ALERT, REFUSED], "the worker is asked for its result again");
    let said = world.packet(&Subject::JobResult, before, result("1", "w", JobStatus::SUCCEEDED));
    assert_eq!(said, [ALERT, REFUSED], "but not without end if it has not got the new token yet");
    let token = world.token();
    let said = world.packet(&Subject::JobResult, token, result("1", "w", JobStatus::SUCCEEDED));
    assert_eq!(said, ["ended 1 SUCCEEDED"]);
}

#[test]
fn s14_topics_that_the_enrollment_does_not_allow_are_not_served() {
    let topics = Some([Topic::new("job.other").unwrap()].into());
    let mut world = World::trusted();
    let narrowed = Enrollment { topics, ..enrollment() };
    world.router.router.enroll(START, "w", narrowed).unwrap();
    assert_eq!(world.router.submit(request("1")), [""; 0], "its handshake names the topic, its enrollment does not");
    let token = world.token();
    assert_eq!(world.handshake(token, &["job.echo", "job.more"]), [""; 0]);
}

#[test]
fn s14_a_worker_whose_handshake_was_missed_serves_the_topics_of_its_session() {
    let mut world = World::new();
    world.connect();
    let token = world.token();
    assert_eq!(world.heartbeat(token), ["joined w"]);
    assert_eq!(world.router.submit(request("1")), ["1 to worker.w.jobs #1"]);
}

#[test]
fn s14_a_worker_that_is_revoked_loses_its_jobs_and_is_not_believed() {
    let mut world = World::trusted();
    assert_eq!(world.router.submit(request("1")), ["1 to worker.w.jobs #1"]);
    assert!(world.router.router.revoke_session(START, "w"));
    let lost = "the worker \"w\" is lost";
    assert_eq!(world.router.drain(), ["lost w".to_owned(), format!("retrying 1: {lost}")]);
    let token = world.token();
    assert_eq!(world.heartbeat(token), [ALERT, REFUSED]);
    assert!(world.router.router.revoke(START, "w"));
    assert!(!world.router.router.revoke(START, "w"));
}

#[test]
fn s14_a_request_that_waits_does_not_go_to_a_worker_that_is_revoked() {
    let mut world = World::trusted();
    world.router.stores = false;
    assert_eq!(world.router.submit(request("1")), ["store Accepted 1"]);
    assert!(world.router.router.revoke(START, "w"));
    world.router.drain();
    let said = world.router.stored();
    assert!(said.contains(&"lost w".to_owned()), "{said:?}");
    assert!(said.iter().all(|line| !line.contains("worker.w.jobs")), "{said:?}");

    // Nor does one that waits for the bus.
    let mut world = World::trusted();
    assert_eq!(world.router.submit(request("1")), ["1 to worker.w.jobs #1"]);
    world.router.stores = false;
    assert_eq!(world.router.submit(request("2")), ["store Accepted 2"]);
    world.router.router.handle_disconnected(START);
    assert!(world.router.router.revoke_session(START, "w"));
    world.router.router.handle_connected(START);
    world.router.drain();
    let said = world.router.stored();
    assert!(said.iter().all(|line| !line.contains("worker.w.jobs")), "{said:?}");
}

/// The wall clock shows a time at which every session is over, an hour ahead.
fn expire(world: &mut World) {
    world.router.router.handle_wall(START, START.plus_secs(3_600));
    assert!(world.router.router.authority().unwrap().session(START, "w").is_none());
}

#[test]
fn s14_a_request_that_waits_does_not_go_to_a_worker_that_is_revoked_after_its_session_has_expired() {
    let revoke = |world: &mut World| assert!(world.router.router.revoke(START, "w"));
    let revoke_session = |world: &mut World| assert!(world.router.router.revoke_session(START, "w"));
    let enroll_with_another_agent = |world: &mut World| {
        let other = Enrollment { agent_id: "other".into(), ..enrollment() };
        world.router.router.enroll(START, "w", other).unwrap();
    };
    for end in [&revoke as &dyn Fn(&mut World), &revoke_session, &enroll_with_another_agent] {
        let mut world = World::trusted();
        world.router.stores = false;
        assert_eq!(world.router.submit(request("1")), ["store Accepted 1"]);
        expire(&mut world);
        end(&mut world);
        world.router.drain();
        let said = world.router.stored();
        assert!(said.contains(&"lost w".to_owned()), "{said:?}");
        assert!(said.iter().all(|line| !line.contains("worker.w.jobs")), "{said:?}");
    }
}

#[test]
fn s14_a_session_that_was_revoked_after_it_had_expired_does_not_come_back_with_the_clock() {
    let mut world = World::trusted();
    let token = world.token();
    expire(&mut world);
    assert!(world.router.router.revoke(START, "w"));
    world.router.router.enroll(START, "w", enrollment()).unwrap();
    world.router.drain();
    // The clock is right again when the router is started again.
    let restarted = world.router.restart(required());
    assert!(!restarted.router.authority().unwrap().admits(START, "w", &token));
}

#[test]
fn s14_a_restarted_router_sends_no_job_again_to_a_worker_that_was_revoked() {
    let mut world = World::trusted();
    assert_eq!(world.router.submit(request("1")), ["1 to worker.w.jobs #1"]);
    let with_session = |world: &World| {
        let mut restarted = world.router.restart(required());
        restarted.router.handle_connected(START);
        restarted.drain().contains(&"1 to worker.w.jobs #1".to_owned())
    };
    assert!(with_session(&world), "its worker goes on with it");
    assert!(world.router.router.revoke_session(START, "w"));
    world.router.drain();
    // The crash comes between the end of the session and what it means for the job.
    let end = |bytes: &Vec<u8>| RouterRecord::decode(bytes).unwrap().kind() == RecordKind::Distrusted;
    let last = world.router.records.iter().find(|(_, bytes)| end(bytes)).map(|(number, _)| *number).unwrap();
    world.router.records.retain(|number, _| *number <= last);
    assert!(!with_session(&world), "its worker is asked for nothing");
}

#[test]
fn s14_a_session_is_stored_before_its_token_goes_out_and_outlives_the_router() {
    let mut world = World::new();
    world.router.stores = false;
    world.session.connect(START);
    let mut asked = Vec::new();
    while let Some(output) = world.session.poll_output() {
        let TrustOutput::Request { id, subject, bytes } = output else { continue };
        world.router.router.handle_request(START, &subject, &bytes, "_INBOX.1");
        asked.extend(world.router.drain());
        if let Some((_, reply)) = world.router.replies.pop() {
            world.session.replied(START, id, Ok(reply)).unwrap();
            continue;
        }
        assert_eq!(asked, ["reply to _INBOX.1", "store Trusted w"]);
        assert_eq!(world.router.stored(), ["trusted w", "reply to _INBOX.1"]);
        let (_, reply) = world.router.replies.pop().unwrap();
        world.session.replied(START, id, Ok(reply)).unwrap();
    }
    let token = world.token();

    let mut restarted = World { router: world.router.restart(required()), session: world.session };
    restarted.router.router.handle_connected(START);
    restarted.router.drain();
    assert_eq!(restarted.heartbeat(token.clone()), ["joined w"]);
    assert!(restarted.router.router.authority().unwrap().admits(START, "w", &token));

    // Whoever is not enrolled any more has no session, and its record is dropped.
    let mut nobody = nuncio_core::cap::TrustAuthority::new(crate::trust::support::authority_config(), [9; 32], START);
    nobody.enroll("other", enrollment()).unwrap();
    let mut without = restarted.router.restart(settings(RouterTrust::Require(Box::new(nobody))));
    without.stores = false;
    assert_eq!(without.drain(), ["store Distrusted w"]);
    let dropped = RouterRecord::decode(without.records.values().next_back().unwrap()).unwrap();
    assert!(dropped.replaces(RecordKind::Trusted) && !dropped.replaces(RecordKind::Accepted));
}

#[test]
fn s14_a_request_without_a_reply_subject_or_to_a_router_without_trust_gets_no_answer() {
    let mut world = World::new();
    world.session.connect(START);
    let Some(TrustOutput::Request { subject, bytes, .. }) = world.session.poll_output() else { panic!("no request") };
    for reply in [String::new(), "x".repeat(257)] {
        world.router.router.handle_request(START, &subject, &bytes, &reply);
        assert_eq!(world.router.drain(), [""; 0]);
    }
    let mut without = Harness::new();
    without.router.handle_request(START, &subject, &bytes, "_INBOX.1");
    assert_eq!(without.drain(), [""; 0]);
    assert!(without.router.enroll(START, "w", enrollment()).is_err());
}

#[test]
fn s14_a_router_that_offers_sessions_goes_on_with_workers_that_have_none() {
    let mut world = World::of(settings(RouterTrust::Offer(Box::new(authority(|_| {})))));
    assert_eq!(world.handshake(Secret::default(), &["job.echo"]), ["joined w"]);
    assert_eq!(world.connect().len(), 3);
    assert_eq!(world.router.submit(request("1")), ["1 to job.echo #1"], "under the router's signature");
    assert!(world.router.now == START && START > Time(0));
}
