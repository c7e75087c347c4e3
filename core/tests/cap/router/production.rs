//! A client, a router and a worker that speak the production profile (spec/19).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::cap::{
    Authentication, Budget, BusPacket, Client, ClientConfig, ClientEvent, ClientOutput, ClientProduction, ComponentId,
    DecodeLimits, IdentityBinding, JobOutput, JobRequest, JobStatus, Keyring, P256Signer, P256Verifier, Payload, Peers,
    Production, Reading, Router, RouterConfig, RouterEvent, RouterOutput, RouterProduction, RouterRecord, RouterTrust,
    Subject, Topic, Worker, WorkerConfig, WorkerOutput, WorkerTrust,
};
use nuncio_core::time::Time;

use crate::trust::support::{START, authority, scheduler_key, settings, worker_key};

fn key_of(client: &str) -> P256Signer {
    P256Signer::from_bytes(&[client.as_bytes()[0]; 32]).unwrap()
}

fn ring(name: &str, key: &P256Signer) -> Keyring {
    let mut keys = Keyring::default();
    keys.add(name, key.public_key()).unwrap();
    keys
}

fn id(name: &str) -> ComponentId {
    ComponentId::new(name).unwrap()
}

/// Heartbeats and handshakes have the generic form in this profile too.
fn reading() -> Reading {
    let mut keys = Keyring::default();
    keys.add("w", worker_key().public_key()).unwrap();
    Reading::new(Authentication::Signed(keys))
}

fn router_config() -> RouterConfig {
    let mut submitters = Peers::default();
    submitters.add("client", "tenant", ring("own", &key_of("client")));
    submitters.add("stranger", "elsewhere", ring("own", &key_of("stranger")));
    let production = RouterProduction { terms: Production::default(), submitters };
    RouterConfig::new(id("scheduler"), reading(), Arc::new(P256Verifier)).with(|config| {
        config.signer = Some(Arc::new(scheduler_key()));
        config.trust = RouterTrust::Production(Box::new(authority(|_| {})), production);
        config.operators = ["stranger".into()].into();
        config.records = true;
    })
}

fn client(name: &str, tenant: &str) -> Client {
    let mut peers = Peers::default();
    peers.add("scheduler", tenant, ring("server", &scheduler_key()));
    peers.add("w", tenant, ring("proof", &worker_key()));
    let identity = IdentityBinding { tenant_id: tenant.into(), principal_id: "me".into(), ..Default::default() };
    let config =
        ClientConfig::new(id(name), Reading::new(Authentication::Signed(Keyring::default())), Arc::new(P256Verifier));
    let config = config.with(|config| {
        config.signer = Some(Arc::new(key_of(name)));
        config.production =
            Some(ClientProduction { key_id: "own".into(), identity, terms: Production::default(), peers });
    });
    Client::new(config, [3; 32], START)
}

fn worker() -> Worker {
    let config = WorkerConfig::new(id("w"), reading(), Arc::new(P256Verifier)).with(|config| {
        config.topics = [Topic::new("job.echo").unwrap()].into();
        config.signer = Some(Arc::new(worker_key()));
        config.check_stored = false;
        config.trust = WorkerTrust::Production(Arc::new(settings()), Production::default());
    });
    Worker::new(config, [7; 32], START)
}

/// All parties, and a bus that loses nothing.
pub(super) struct World {
    pub(super) router: Router,
    pub(super) worker: Worker,
    pub(super) clients: [Client; 2],
    pub(super) now: Time,
    bus: VecDeque<(Subject, Bytes)>,
    /// Every packet that was published.
    pub(super) seen: Vec<(Subject, Bytes)>,
    pub(super) records: Vec<(u64, RouterRecord)>,
    said: Vec<String>,
    /// Whether the worker ends jobs.
    pub(super) works: bool,
    /// A subject whose packets the bus keeps back.
    pub(super) kept_back: Option<Subject>,
    /// Whether the router's records are durable at once.
    pub(super) stores: bool,
}

impl World {
    pub(super) fn new() -> World {
        let mut world = World {
            router: Router::new(router_config(), [5; 32], START),
            worker: worker(),
            clients: [client("client", "tenant"), client("stranger", "elsewhere")],
            now: START,
            bus: VecDeque::new(),
            seen: Vec::new(),
            records: Vec::new(),
            said: Vec::new(),
            works: true,
            kept_back: None,
            stores: true,
        };
        world.router.handle_connected(START);
        world.worker.handle_connected(START);
        world.clients.iter_mut().for_each(|client| client.handle_connected(START));
        world.run();
        assert_eq!(world.take(), [""; 0]);
        assert!(world.worker.admits());
        world
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// Carries packets until there are none.
    pub(super) fn run(&mut self) {
        loop {
            self.poll();
            let Some((subject, bytes)) = self.bus.pop_front() else { return };
            self.seen.push((subject.clone(), bytes.clone()));
            if self.kept_back.as_ref() != Some(&subject) {
                self.deliver(&subject, &bytes);
            }
        }
    }

    pub(super) fn deliver(&mut self, subject: &Subject, bytes: &[u8]) {
        self.router.handle_packet(self.now, subject, bytes, None);
        if matches!(subject, Subject::Topic(_) | Subject::Direct(_) | Subject::JobCancel) {
            self.worker.handle_packet(self.now, subject, bytes);
        }
        if matches!(subject, Subject::JobResult | Subject::JobProgress) {
            self.clients.iter_mut().for_each(|client| client.handle_packet(self.now, subject, bytes));
        }
    }

    fn poll(&mut self) {
        while let Some(output) = self.worker.poll_output() {
            match output {
                WorkerOutput::Publish { subject, bytes } => self.bus.push_back((subject, bytes)),
                WorkerOutput::Request { id, subject, bytes } => {
                    self.router.handle_request(self.now, &subject, &bytes, "_INBOX");
                    let reply = self.poll_router().unwrap();
                    self.worker.replied(self.now, id, Ok(reply)).unwrap();
                }
                WorkerOutput::Run { attempt } if self.works => {
                    let output = JobOutput { bytes: Bytes::from_static(b"1"), ..JobOutput::default() };
                    self.worker.finish(self.now, attempt, output).unwrap();
                }
                WorkerOutput::Store { attempt, .. } => self.worker.stored(self.now, attempt, Ok(())).unwrap(),
                _ => {}
            }
        }
        self.poll_router();
        for client in &mut self.clients {
            while let Some(output) = client.poll_output() {
                match output {
                    ClientOutput::Publish { subject, bytes } => self.bus.push_back((subject, bytes)),
                    ClientOutput::Event(ClientEvent::Ended { result, .. }) => {
                        self.said.push(format!("{:?} by {}", result.status, result.worker_id));
                    }
                    _ => {}
                }
            }
        }
    }

    fn poll_router(&mut self) -> Option<Bytes> {
        let mut reply = None;
        while let Some(output) = self.router.poll_output() {
            match output {
                RouterOutput::Publish { subject, bytes } => self.bus.push_back((subject, bytes)),
                RouterOutput::Reply { bytes, .. } => reply = Some(bytes),
                RouterOutput::Store { number, record } => {
                    self.records.push((number, record));
                    if self.stores {
                        self.router.handle_stored(self.now, number);
                    }
                }
                RouterOutput::Event(RouterEvent::Refused { reason, .. }) => {
                    self.said.push(format!("refused: {reason}"));
                }
                _ => {}
            }
        }
        reply
    }

    pub(super) fn submit(&mut self, client: usize, id: &str) -> Vec<String> {
        let request = JobRequest { job_id: id.into(), topic: "job.echo".into(), ..JobRequest::default() };
        self.clients[client].submit(self.now, request, "trace", None).unwrap();
        self.run();
        self.take()
    }

    /// The packets that were published on a subject.
    pub(super) fn on(&self, subject: &Subject) -> Vec<Bytes> {
        self.seen.iter().filter(|(on, _)| on == subject).map(|(_, bytes)| bytes.clone()).collect()
    }

    pub(super) fn again(&mut self, subject: &Subject, bytes: &[u8]) -> Vec<String> {
        self.deliver(subject, bytes);
        self.run();
        self.take()
    }

    /// Lets time pass at the router.
    pub(super) fn wait(&mut self, secs: u64) {
        self.now = self.now.plus_secs(secs);
        self.router.handle_timeout(self.now);
        self.clients.iter_mut().for_each(|client| client.handle_timeout(self.now));
        self.run();
    }
}

fn decode(bytes: &[u8]) -> BusPacket {
    BusPacket::decode(bytes, &DecodeLimits::default()).unwrap()
}

pub(super) fn direct() -> Subject {
    Subject::Direct(id("w"))
}

#[test]
fn s19_every_packet_about_a_job_is_sealed_for_its_subject() {
    let mut world = World::new();
    assert_eq!(world.submit(0, "1"), ["SUCCEEDED by w"]);
    for (subject, sender) in [(Subject::JobSubmit, "client"), (direct(), "scheduler"), (Subject::JobResult, "w")] {
        let packets = world.on(&subject);
        let packet = decode(&packets[0]);
        let metadata = packet.signature_metadata.unwrap();
        assert_eq!((packets.len(), packet.sender_id.as_str()), (1, sender));
        assert_eq!(metadata.audience, subject.to_string());
        assert_eq!(packet.identity.unwrap().principal_id, "me", "the identity stays the same");
    }
}

#[test]
fn s19_a_dispatch_has_an_id_that_cannot_be_predicted_and_is_stored_before_it_is_sent() {
    let mut world = World::new();
    world.works = false;
    world.submit(0, "1");
    world.submit(0, "2");
    let ids: Vec<String> = world
        .on(&direct())
        .iter()
        .map(|bytes| {
            let Some(Payload::JobRequest(request)) = decode(bytes).payload else { panic!("no request") };
            let dispatch = request.dispatch.unwrap();
            assert_eq!((dispatch.attempt, dispatch.assigned_worker_id.as_str()), (1, "w"));
            dispatch.dispatch_id
        })
        .collect();
    assert!(ids.len() == 2 && ids[0].len() == 32 && ids[0] != ids[1]);
    let restored = Router::restore(router_config(), [6; 32], world.now, world.records.clone()).unwrap();
    world.router = restored;
    world.router.handle_connected(world.now);
    world.run();
    let Some(Payload::JobRequest(request)) = decode(&world.on(&direct())[2]).payload else { panic!("no request") };
    assert!(ids.contains(&request.dispatch.unwrap().dispatch_id), "what is sent again keeps its dispatch");
}

#[test]
fn s19_packets_that_come_again_or_too_late_or_are_not_sealed_have_no_effect() {
    let mut world = World::new();
    world.submit(0, "1");
    let (submitted, result) = (world.on(&Subject::JobSubmit)[0].clone(), world.on(&Subject::JobResult)[0].clone());
    assert_eq!(world.again(&Subject::JobSubmit, &submitted), [""; 0]);
    assert_eq!(world.again(&Subject::JobResult, &result), [""; 0]);
    assert_eq!(world.seen.len(), world.seen.iter().filter(|(subject, _)| *subject != Subject::Alert).count());
    let elsewhere = world.again(&Subject::JobCancel, &submitted);
    assert!(elsewhere[0].contains("another audience"), "{elsewhere:?}");
    let unsealed = crate::unsigned::packet(
        "client",
        JobRequest { job_id: "2".into(), topic: "job.echo".into(), ..JobRequest::default() },
    );
    assert!(world.again(&Subject::JobSubmit, &unsealed)[0].starts_with("refused"));
    world.wait(400);
    world.take();
    assert!(world.again(&Subject::JobSubmit, &submitted)[0].contains("expired"));
}

#[test]
fn s19_a_job_goes_to_workers_of_its_tenant_alone_and_nobody_else_cancels_it() {
    let mut world = World::new();
    assert_eq!(world.submit(1, "1"), [""; 0]);
    assert!(world.on(&direct()).is_empty());
    world.works = false;
    assert_eq!(world.submit(0, "2"), [""; 0]);
    // An operator, but of another tenant.
    let stranger = JobRequest { job_id: "2".into(), topic: "job.echo".into(), ..JobRequest::default() };
    let job = world.clients[1].submit(world.now, stranger, "trace", None).unwrap();
    world.clients[1].cancel(world.now, job, "mine").unwrap();
    world.run();
    let said = world.take();
    assert!(said.iter().any(|line| line.contains("may not cancel")), "{said:?}");
    let own = world.router.find_job("2").unwrap();
    assert_eq!(world.router.job(own).unwrap().state.status(), JobStatus::DISPATCHED);
}

#[test]
fn s19_a_cancellation_that_comes_first_concerns_jobs_of_its_tenant_alone() {
    let mut world = World::new();
    let request = || JobRequest { job_id: "1".into(), topic: "job.echo".into(), ..JobRequest::default() };
    // An operator of another tenant, whose request is lost.
    let job = world.clients[1].submit(world.now, request(), "trace", None).unwrap();
    while world.clients[1].poll_output().is_some() {}
    world.clients[1].cancel(world.now, job, "mine").unwrap();
    world.run();
    assert_eq!(world.submit(0, "1"), ["SUCCEEDED by w"]);
}

#[test]
fn s19_a_request_that_is_sealed_again_gets_the_result_of_its_job_sealed_by_the_router() {
    let mut world = World::new();
    world.submit(0, "1");
    let mut other = client("client", "tenant");
    other.handle_connected(world.now);
    world.clients[0] = other;
    let restored = Router::restore(router_config(), [6; 32], world.now, world.records.clone()).unwrap();
    world.router = restored;
    world.router.handle_connected(world.now);
    let request = JobRequest { job_id: "1".into(), topic: "job.echo".into(), ..JobRequest::default() };
    world.now = world.now.plus_secs(1);
    world.clients[0] = {
        let mut again = client("client", "tenant");
        again.handle_connected(world.now);
        // Another random number, as another process has.
        again
            .submit(
                world.now,
                JobRequest { job_id: "0".into(), topic: "job.none".into(), ..JobRequest::default() },
                "trace",
                None,
            )
            .unwrap();
        again
    };
    world.clients[0].submit(world.now, request, "trace", None).unwrap();
    world.run();
    let said = world.take();
    assert!(said.contains(&"SUCCEEDED by scheduler".to_owned()), "{said:?}");
}

#[test]
fn s19_a_packet_that_has_waited_for_the_bus_is_sealed_when_it_is_sent() {
    let mut world = World::new();
    world.works = false;
    let budget = Some(Budget { deadline_ms: 10_000, ..Budget::default() });
    let request = JobRequest { job_id: "1".into(), topic: "job.echo".into(), budget, ..JobRequest::default() };
    world.clients[0].submit(world.now, request, "trace", None).unwrap();
    world.run();
    world.router.handle_disconnected(world.now);
    world.wait(20);
    world.wait(400);
    assert_eq!(world.take(), [""; 0]);
    world.router.handle_connected(world.now);
    world.run();
    assert_eq!(world.take(), ["TIMEOUT by scheduler"]);
}

#[test]
fn s19_a_packet_that_has_waited_for_the_store_is_sealed_when_it_is_sent() {
    let mut world = World::new();
    world.stores = false;
    assert_eq!(world.submit(0, "1"), [""; 0]);
    world.now = world.now.plus_secs(400);
    let last = world.records.last().unwrap().0;
    world.stores = true;
    world.router.handle_stored(world.now, last);
    world.run();
    assert_eq!(world.take(), ["SUCCEEDED by w"]);
}
