//! Packets of anybody and an application that does anything, for a client.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Unstructured;
use nuncio_core::cap::{
    Authentication, Client, ClientConfig, ClientEvent, ClientJob, ClientOutput, ComponentId, Reading,
};
use nuncio_core::time::Time;

use super::draw::{assert_valid, packet, request, subject};
use crate::cap_sim::signing::HashVerifier;
use crate::seeded::Draw;
use crate::world::START;

const JOBS: usize = 4;

/// The client does not panic, keeps its limits, publishes valid packets, and ends every job once.
pub fn cap_client(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let draw = &mut Draw(&mut bytes);
    let id = ComponentId::new("client").expect("a good id");
    let config = ClientConfig::new(id, Reading::new(Authentication::Unsigned), Arc::new(HashVerifier)).with(|config| {
        config.await_retries = draw.chance(50);
        config.resubmissions = draw.one(&[0, 2]);
        config.limits.jobs = JOBS;
        config.limits.request_bytes = draw.one(&[1 << 20, 200]);
    });
    let mut world = World {
        client: Client::new(config, [7; 32], START),
        now: START,
        awaited: BTreeSet::new(),
        is_connected: false,
    };
    while !draw.is_over() {
        world.step(draw);
        world.poll();
        assert!(world.client.awaited() <= JOBS);
        assert_eq!(world.client.awaited(), world.awaited.len(), "every job has a last event");
    }
}

struct World {
    client: Client,
    now: Time,
    awaited: BTreeSet<ClientJob>,
    is_connected: bool,
}

impl World {
    fn step(&mut self, draw: &mut Draw<'_, '_>) {
        let now = self.now;
        let jobs: Vec<ClientJob> = self.awaited.iter().copied().collect();
        let job = draw.pick(&jobs).copied().unwrap_or_default();
        match draw.below(12) {
            0..=3 => {
                let (subject, bytes) = (subject(draw), packet(now, draw));
                self.client.handle_packet(now, &subject, &bytes);
            }
            4..=6 => {
                let wait =
                    draw.one(&[None, None, Some(Duration::from_secs(5)), Some(Duration::ZERO), Some(Duration::MAX)]);
                let trace = draw.one(&["", "trace"]);
                self.awaited.extend(self.client.submit(now, request(draw), trace, wait));
            }
            7 => {
                let cancelled = self.client.cancel(now, job, draw.one(&["", "enough"]));
                assert!(cancelled.is_err() || self.awaited.contains(&job));
            }
            8 => {
                let forgotten = self.client.forget(now, job);
                assert_eq!(forgotten.is_ok(), self.awaited.remove(&job));
            }
            9 => {
                self.now = now.plus_micros(draw.one(&[1, 5_000_000, 31_000_000, 90_000_000_000]));
                self.client.handle_timeout(self.now);
            }
            _ if draw.chance(60) => {
                self.is_connected = true;
                self.client.handle_connected(now);
            }
            _ => {
                self.is_connected = false;
                self.client.handle_disconnected(now);
            }
        }
    }

    fn poll(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Publish { subject, bytes } => {
                    assert!(self.is_connected, "nothing is published without a bus");
                    assert_valid(&subject, &bytes, "client");
                }
                ClientOutput::Event(ClientEvent::Ended { job, .. } | ClientEvent::NoResult { job, .. }) => {
                    assert!(self.awaited.remove(&job), "a job ends once");
                }
                ClientOutput::Event(ClientEvent::Progress { job, .. }) => {
                    assert!(self.awaited.contains(&job), "nothing follows the last event");
                }
                _ => {}
            }
        }
    }
}
