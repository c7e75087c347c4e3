//! A worker of the production profile (spec/19).

use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::cap::{
    Attempt, Authentication, BusPacket, ComponentId, DispatchIdentity, Expected, Freshness, IdentityBinding,
    JobMetadata, JobRequest, Keyring, MapOrder, Opened, P256Verifier, PROFILE_ALGORITHM, PROFILE_VERSION, Payload,
    Production, Reading, SignatureMetadata, Subject, Timestamp, Topic, TrustAuthority, Unsignable, Worker,
    WorkerConfig, WorkerEvent, WorkerOutput, WorkerTrust, open_production, seal_production,
};

use super::support::{START, authority, scheduler_key, secs, settings, worker_key};

struct World {
    worker: Worker,
    authority: TrustAuthority,
    attempt: Option<Attempt>,
    results: Vec<Opened>,
    refused: Vec<String>,
}

fn identity() -> IdentityBinding {
    IdentityBinding { tenant_id: "tenant".into(), principal_id: "me".into(), ..IdentityBinding::default() }
}

fn dispatch(worker: &str) -> DispatchIdentity {
    DispatchIdentity { dispatch_id: "d".into(), attempt: 2, assigned_worker_id: worker.into(), ..Default::default() }
}

/// A request as the scheduler seals it, with the first byte of its message id.
fn packet(id: &str, message: u8) -> BusPacket {
    let request = JobRequest {
        job_id: id.into(),
        topic: "job.echo".into(),
        dispatch: Some(dispatch("w")),
        ..JobRequest::default()
    };
    BusPacket {
        trace_id: "trace".into(),
        sender_id: "scheduler".into(),
        created_at: Some(Timestamp::from_time(START)),
        protocol_version: 1,
        signature_metadata: Some(SignatureMetadata {
            profile_version: PROFILE_VERSION.into(),
            algorithm: PROFILE_ALGORITHM.into(),
            message_id: vec![message; 16],
            audience: "job.echo".into(),
            expires_at: Some(Timestamp::from_time(START.plus_secs(60))),
            key_id: "server".into(),
            ..SignatureMetadata::default()
        }),
        identity: Some(identity()),
        payload: Some(request.into()),
        ..BusPacket::default()
    }
}

fn sealed(packet: BusPacket) -> Vec<u8> {
    seal_production(packet, MapOrder::Lexicographic, &scheduler_key()).unwrap()
}

fn change(mut packet: BusPacket, change: impl FnOnce(&mut JobRequest)) -> BusPacket {
    let Some(Payload::JobRequest(request)) = &mut packet.payload else { panic!() };
    change(request);
    packet
}

impl World {
    fn new(replays: usize) -> World {
        let freshness = Freshness::new(secs(120), secs(10)).unwrap();
        let reading = Reading::new(Authentication::Signed(Keyring::default()));
        let id = ComponentId::new("w").unwrap();
        let config = WorkerConfig::new(id, reading, Arc::new(P256Verifier)).with(|config| {
            config.topics = [Topic::new("job.echo").unwrap()].into();
            config.signer = Some(Arc::new(worker_key()));
            config.check_stored = false;
            config.limits.parallel = 4;
            config.trust = WorkerTrust::Production(Arc::new(settings()), Production { freshness, replays });
        });
        let worker = Worker::new(config, [7; 32], START);
        let (results, refused) = (Vec::new(), Vec::new());
        World { worker, authority: authority(|_| {}), attempt: None, results, refused }
    }

    fn connected(replays: usize) -> World {
        let mut world = World::new(replays);
        world.worker.handle_connected(START);
        world.poll();
        assert!(world.worker.admits());
        world
    }

    fn poll(&mut self) {
        while let Some(output) = self.worker.poll_output() {
            match output {
                WorkerOutput::Request { id, subject, bytes } => {
                    let reply = self.authority.handle_request(START, &subject, &bytes).unwrap();
                    self.worker.replied(START, id, Ok(reply)).unwrap();
                }
                WorkerOutput::Publish { subject: Subject::JobResult, bytes } => {
                    let mut keys = Keyring::default();
                    keys.add("proof", worker_key().public_key()).unwrap();
                    let expected = Expected {
                        audience: "sys.job.result",
                        tenant: "tenant",
                        sender: "w",
                        keys: &keys,
                        freshness: Freshness::new(secs(120), secs(0)).unwrap(),
                    };
                    self.results.push(open_production(&bytes, &expected, START, &P256Verifier).unwrap());
                }
                WorkerOutput::Run { attempt } => self.attempt = Some(attempt),
                WorkerOutput::Store { attempt, .. } => self.worker.stored(START, attempt, Ok(())).unwrap(),
                WorkerOutput::Event(WorkerEvent::Refused { reason, .. }) => self.refused.push(reason.to_string()),
                _ => {}
            }
        }
    }

    /// Passes in a packet. Returns whether a handler was called, and why the packet was refused.
    fn receive(&mut self, bytes: &[u8]) -> (bool, Option<String>) {
        self.attempt = None;
        self.worker.handle_packet(START, &Subject::parse("job.echo").unwrap(), bytes);
        self.poll();
        (self.attempt.is_some(), self.refused.pop())
    }
}

#[test]
fn s19_a_request_runs_and_its_result_repeats_the_verified_identity_and_dispatch() {
    let mut world = World::connected(10);
    assert_eq!(world.receive(&sealed(packet("j", 1))), (true, None));
    world.worker.finish(START, world.attempt.unwrap(), Bytes::from_static(b"out")).unwrap();
    world.poll();
    let sent = &world.results[0].packet;
    assert_eq!(sent.identity, Some(identity()));
    assert!(world.authority.admits(START, "w", &sent.auth_token));
    assert_eq!(sent.signature_metadata.as_ref().unwrap().message_id.len(), 16);
    let Some(Payload::JobResult(result)) = &sent.payload else { panic!() };
    assert_eq!((&result.identity, &result.dispatch), (&Some(identity()), &Some(dispatch("w"))));
}

#[test]
fn s19_a_packet_that_comes_again_has_no_effect_and_one_that_was_changed_is_refused() {
    let mut world = World::connected(2);
    let first = sealed(packet("j", 1));
    assert_eq!(world.receive(&first), (true, None));
    assert_eq!(world.receive(&first), (false, None));
    let conflict = world.receive(&sealed(packet("k", 1)));
    assert_eq!(conflict, (false, Some("another packet of this sender had the same message id".into())));
    assert_eq!(world.receive(&sealed(packet("k", 2))), (true, None));
    let full = world.receive(&sealed(packet("l", 3)));
    assert_eq!(full, (false, Some("2 packets are remembered, and none of them has expired".into())));
}

#[test]
fn s19_requests_of_other_forms_identities_and_workers_are_refused() {
    let mut world = World::connected(10);
    let refused = |world: &mut World, bytes: &[u8]| {
        let (ran, reason) = world.receive(bytes);
        assert!(!ran);
        reason.unwrap()
    };
    let generic = BusPacket { signature_metadata: None, identity: None, ..packet("j", 1) };
    let generic = nuncio_core::cap::seal(generic, MapOrder::Lexicographic, Some(&scheduler_key())).unwrap().bytes;
    assert!(refused(&mut world, &generic).contains("metadata of the signature"));
    let mut elsewhere = packet("j", 2);
    elsewhere.signature_metadata.as_mut().unwrap().audience = "job.other".into();
    assert!(refused(&mut world, &sealed(elsewhere)).contains("another audience"));
    let foreign =
        BusPacket { identity: Some(IdentityBinding { tenant_id: "t".into(), ..identity() }), ..packet("j", 3) };
    assert!(refused(&mut world, &sealed(foreign)).contains("another tenant"));
    let assigned = change(packet("j", 4), |request| request.dispatch = Some(dispatch("other")));
    assert_eq!(refused(&mut world, &sealed(assigned)), "the job is assigned to another worker");
    // A request that names another identity than its packet is not even sealed.
    let named = change(packet("j", 5), |request| request.principal_id = "other".into());
    let unsignable = seal_production(named, MapOrder::Lexicographic, &scheduler_key());
    assert!(matches!(unsignable, Err(Unsignable::Profile(_))));
    assert_eq!(world.receive(&sealed(packet("j", 6))), (true, None));
}

#[test]
fn s19_without_a_session_nothing_is_admitted() {
    let mut world = World::new(10);
    assert_eq!(
        world.receive(&sealed(packet("j", 1))).1.unwrap(),
        "the worker has no session with its scheduler, and takes no jobs"
    );
}

#[test]
fn s19_a_request_that_names_another_identity_anywhere_is_refused() {
    type Change = fn(&mut JobRequest, String);
    fn meta(request: &mut JobRequest) -> &mut JobMetadata {
        request.meta.get_or_insert_default()
    }
    let changes: [(Change, &str); 8] = [
        (|request, text| request.tenant_id = text, "tenant"),
        (|request, text| request.principal_id = text, "principal"),
        (|request, text| meta(request).tenant_id = text, "tenant"),
        (|request, text| meta(request).actor_id = text, "actor"),
        (|request, text| _ = request.env.0.insert("tenant_id".into(), text), "tenant"),
        (|request, text| _ = request.env.0.insert("actor_id".into(), text), "actor"),
        (|request, text| _ = request.env.0.insert("principal_id".into(), text), "principal"),
        (|request, text| _ = request.env.0.insert("delegation_id".into(), text), "delegation"),
    ];
    let own = IdentityBinding {
        principal_id: "principal".into(),
        actor_id: "actor".into(),
        delegation_id: "delegation".into(),
        ..identity()
    };
    for (number, (set, own_text)) in (1..).zip(changes) {
        let own_text = if own_text == "tenant" { own.tenant_id.clone() } else { own_text.to_owned() };
        let sealed = |text: String| {
            let mut packet = packet("j", number);
            packet.identity = Some(own.clone());
            let packet = change(packet, |request| {
                request.identity = Some(own.clone());
                set(request, text);
            });
            seal_production(packet, MapOrder::Lexicographic, &scheduler_key())
        };
        // A name that is there and empty says nothing.
        assert!(sealed(own_text.clone()).is_ok() && sealed(String::new()).is_ok(), "{number}");
        for other in [format!("{own_text} "), own_text.to_uppercase(), "default".into()] {
            assert!(matches!(sealed(other), Err(Unsignable::Profile(_))), "{number}");
        }
    }
}
