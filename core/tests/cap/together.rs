//! A client and a worker that exchange signed packets, with a bus between them that loses some.

use std::sync::Arc;

use bytes::Bytes;
use nuncio_core::cap::{
    Authentication, Client, ClientConfig, ClientEvent, ClientOutput, ComponentId, Fetched, JobRequest, JobStatus,
    Keyring, P256Signer, P256Verifier, Reading, Subject, Topic, Worker, WorkerConfig, WorkerEvent, WorkerOutput,
};
use nuncio_core::time::Time;

const START: Time = Time(1_779_000_000_000_000);

fn signer(seed: u8) -> P256Signer {
    P256Signer::from_bytes(&[seed; 32]).unwrap()
}

/// Reads packets of one sender.
fn believing(sender: &str, seed: u8) -> Reading {
    let mut keys = Keyring::default();
    keys.add(sender, signer(seed).public_key()).unwrap();
    Reading::new(Authentication::Signed(keys))
}

struct World {
    client: Client,
    worker: Worker,
    now: Time,
    /// How often the handler was called.
    runs: u32,
    ended: Vec<JobStatus>,
}

impl World {
    fn new() -> World {
        let verifier = Arc::new(P256Verifier);
        let config = ClientConfig::new(ComponentId::new("client").unwrap(), believing("worker", 2), verifier.clone())
            .with(|config| config.signer = Some(Arc::new(signer(1))));
        let mut client = Client::new(config, [1; 32], START);
        let config =
            WorkerConfig::new(ComponentId::new("worker").unwrap(), believing("client", 1), verifier).with(|config| {
                config.signer = Some(Arc::new(signer(2)));
                config.topics.insert(Topic::new("job.echo").unwrap());
            });
        let mut worker = Worker::new(config, [2; 32], START);
        client.handle_connected(START);
        worker.handle_connected(START);
        World { client, worker, now: START, runs: 0, ended: Vec::new() }
    }

    /// Delivers everything that is not lost, each packet twice; requests go to their topic as a router would send them.
    fn run(&mut self, is_lost: impl Fn(&Subject) -> bool) {
        let topic = Subject::parse("job.echo").unwrap();
        loop {
            if let Some(output) = self.client.poll_output() {
                match output {
                    ClientOutput::Publish { subject, bytes } if !is_lost(&subject) => {
                        let subject = if subject == Subject::JobSubmit { topic.clone() } else { subject };
                        for _ in 0..2 {
                            self.worker.handle_packet(self.now, &subject, &bytes);
                        }
                    }
                    ClientOutput::Event(ClientEvent::Ended { result, .. }) => self.ended.push(result.status),
                    ClientOutput::Event(other) => panic!("{other:?}"),
                    ClientOutput::Subscribe { .. } | ClientOutput::Publish { .. } => {}
                }
            } else if let Some(output) = self.worker.poll_output() {
                match output {
                    WorkerOutput::Publish { subject, bytes } if !is_lost(&subject) => {
                        for _ in 0..2 {
                            self.client.handle_packet(self.now, &subject, &bytes);
                        }
                    }
                    WorkerOutput::Run { attempt } => {
                        self.runs += 1;
                        self.worker.finish(self.now, attempt, Bytes::from_static(b"out")).unwrap();
                    }
                    WorkerOutput::Look { attempt, .. } => {
                        self.worker.looked(self.now, attempt, Fetched::Missing).unwrap();
                    }
                    WorkerOutput::Store { attempt, .. } => self.worker.stored(self.now, attempt, Ok(())).unwrap(),
                    WorkerOutput::Event(WorkerEvent::Refused { reason, .. }) => panic!("{reason}"),
                    _ => {}
                }
            } else {
                return;
            }
        }
    }

    fn wait(&mut self, secs: u64) {
        self.now = self.now.plus_secs(secs);
        self.client.handle_timeout(self.now);
        self.worker.handle_timeout(self.now);
    }

    fn submit(&mut self) {
        let request = JobRequest { topic: "job.echo".into(), ..JobRequest::default() };
        self.client.submit(self.now, request, "", None).unwrap();
    }
}

#[test]
fn a_signed_job_that_is_delivered_twice_runs_once() {
    let mut world = World::new();
    world.submit();
    world.run(|_| false);
    assert_eq!((world.runs, world.ended), (1, vec![JobStatus::SUCCEEDED]));
}

#[test]
fn a_lost_request_or_result_is_made_up_for_and_the_handler_runs_once() {
    let mut world = World::new();
    world.submit();
    world.run(|subject| *subject == Subject::JobSubmit);
    assert_eq!(world.runs, 0);
    world.wait(30);
    world.run(|subject| *subject == Subject::JobResult);
    assert_eq!((world.runs, world.ended.len()), (1, 0));
    world.wait(30);
    world.run(|_| false);
    assert_eq!((world.runs, world.ended), (1, vec![JobStatus::SUCCEEDED]));
}
