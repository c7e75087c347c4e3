//! The hosts of clients: they submit, repeat, cancel and forget jobs, and crash.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::cap::{
    Budget, Client, ClientConfig, ClientEvent, ClientJob, ClientOutput, ClientRefused, ComponentId, JobMetadata,
    JobRequest, Pointer,
};
use nuncio_core::time::Time;

use super::bus::{Flight, Who};
use super::params::Trust;
use super::signing::HashVerifier;
use super::trust::tenant_of;
use super::workers::input_of;
use super::{Sim, TOPICS, packet_line};
use crate::seeded::{Draw, note};

/// A process with a client.
#[derive(Debug)]
pub(super) struct ClientHost {
    pub(super) client: Client,
    life: u32,
    /// The jobs whose result it awaits: the id, and until when.
    pub(super) awaited: BTreeMap<ClientJob, (String, Option<Time>)>,
}

impl ClientHost {
    pub(super) fn new(sim: &Sim, who: usize, life: u32) -> ClientHost {
        let id = ComponentId::new(&format!("client-{who}")).expect("a good id");
        let config = ClientConfig::new(id, sim.reading(), Arc::new(HashVerifier)).with(|config| {
            config.signer = sim.signer(config.id.as_str());
            config.resubmit_after = Duration::from_secs(sim.params.resubmit_after);
            config.resubmissions = sim.params.resubmissions;
            config.await_retries = sim.params.router.is_some();
            config.production = sim.client_production(config.id.as_str());
        });
        let mut seed = [0x33; 32];
        seed[0] = u8::try_from(who).unwrap_or(u8::MAX);
        seed[1..5].copy_from_slice(&life.to_be_bytes());
        ClientHost { client: Client::new(config, seed, sim.at(Who::Client(who))), life, awaited: BTreeMap::new() }
    }
}

impl Sim {
    /// Submits a new job.
    pub(super) fn submit(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        self.next_job += 1;
        let job_id = format!("job-{}", self.next_job);
        let pointer = format!("redis://ctx:{job_id}");
        let mut has_no_input = false;
        let context_ptr = match draw.below(12) {
            0..=3 => String::new(),
            4 => {
                has_no_input = true;
                pointer
            }
            5 => "s3://bucket".into(),
            _ => {
                let pointer = Pointer::parse(&pointer).expect("a good pointer");
                self.blobs.put(pointer.clone(), input_of(&pointer));
                format!("{pointer}")
            }
        };
        let deadline_ms = draw.one(&[0, 0, 0, 400, 9_000]);
        let idempotency_key = draw.one(&["", "", "", "", "a", "b"]).to_owned();
        let request = JobRequest {
            job_id,
            topic: draw.one(&[TOPICS[0], TOPICS[0], TOPICS[1]]).to_owned(),
            context_ptr,
            parent_job_id: if draw.chance(15) {
                self.any_job(draw).map(|job| job.job_id).unwrap_or_default()
            } else {
                String::new()
            },
            budget: (deadline_ms > 0).then(|| Budget { deadline_ms, ..Budget::default() }),
            meta: (!idempotency_key.is_empty()).then(|| JobMetadata { idempotency_key, ..JobMetadata::default() }),
            ..JobRequest::default()
        };
        self.model.submitted(&request, who);
        self.model.job(&request.job_id).has_no_input = has_no_input;
        let wait = draw.one(&[None, None, None, Some(3), Some(100)]);
        self.submit_as(who, request, wait, draw);
        self.count("submitted");
    }

    /// Submits a job that was submitted before, by any client.
    pub(super) fn submit_again(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let Some(request) = self.any_job(draw) else { return };
        // A router gives the result of a job to its submitter only.
        let who = if self.router.is_some() { self.model.job(&request.job_id).submitter } else { who };
        self.count("submitted again");
        self.submit_as(who, request, None, draw);
    }

    fn any_job(&self, draw: &mut Draw<'_, '_>) -> Option<JobRequest> {
        // The latest ones are the most interesting.
        let back = draw.below(self.model.jobs.len().min(6));
        self.model.jobs.get(&format!("job-{}", self.next_job.checked_sub(back)?)).map(|job| job.request.clone())
    }

    fn submit_as(&mut self, who: usize, request: JobRequest, wait: Option<u64>, draw: &mut Draw<'_, '_>) {
        let id = request.job_id.clone();
        note(|| format!("  client {who} submits {request:?}"));
        let (at, host) = (self.at(Who::Client(who)), &mut self.clients[who]);
        match host.client.submit(at, request, "", wait.map(Duration::from_secs)) {
            Ok(key) => {
                let until = wait.map(|secs| self.now.plus_secs(secs));
                host.awaited.insert(key, (id, until));
            }
            Err(ClientRefused::Known) => {
                let is_known = host.awaited.values().any(|(job, _)| *job == id);
                assert!(is_known, "ours only_awaited_jobs_are_known: {id}");
            }
            Err(error) => panic!("{error}"),
        }
        self.drain_client(who, draw);
    }

    /// Cancels a job that a client awaits.
    pub(super) fn cancel(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let jobs: Vec<ClientJob> = self.clients[who].awaited.keys().copied().collect();
        let Some(key) = draw.pick(&jobs).copied() else { return };
        let id = self.clients[who].awaited[&key].0.clone();
        let at = self.at(Who::Client(who));
        if self.clients[who].client.cancel(at, key, "enough").is_ok() {
            self.count("cancelled");
            note(|| format!("  client {who} cancels {id}"));
            self.model.cancelled(&id);
        }
        self.drain_client(who, draw);
    }

    pub(super) fn operator_cancels(&mut self, draw: &mut Draw<'_, '_>) {
        let Some(request) = self.any_job(draw) else { return };
        self.count("cancelled by an operator");
        note(|| format!("  the operator cancels {}", request.job_id));
        // In the production profile an operator cancels jobs of its own tenant alone.
        let submitter = format!("client-{}", self.model.job(&request.job_id).submitter);
        if self.trust() != Trust::Production || tenant_of(&submitter) == tenant_of("operator") {
            self.model.cancelled(&request.job_id);
        }
        self.publish_as("operator", &request.job_id, draw);
    }

    pub(super) fn forget(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let jobs: Vec<ClientJob> = self.clients[who].awaited.keys().copied().collect();
        let Some(key) = draw.pick(&jobs).copied() else { return };
        self.count("forgotten");
        let at = self.at(Who::Client(who));
        self.clients[who].client.forget(at, key).expect("an awaited job");
        self.clients[who].awaited.remove(&key);
    }

    pub(super) fn crash_client(&mut self, who: usize) {
        self.count("client crashed");
        self.bus.cut(Who::Client(who));
        self.bus.link(Who::Client(who)).is_believed = false;
        self.forget_admitted(Who::Client(who));
        self.boot(Who::Client(who));
        let life = self.clients[who].life + 1;
        self.clients[who] = ClientHost::new(self, who, life);
    }

    pub(super) fn deliver_to_client(&mut self, who: usize, flight: &Flight, draw: &mut Draw<'_, '_>) {
        let is_admitted = self.admits(Who::Client(who), &flight.subject, &flight.bytes);
        self.ignored = (!is_admitted).then(|| packet_line(&flight.subject, &flight.bytes));
        let at = self.at(Who::Client(who));
        self.clients[who].client.handle_packet(at, &flight.subject, &flight.bytes);
        self.drain_client(who, draw);
        self.ignored = None;
    }

    pub(super) fn drain_client(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        while let Some(output) = self.clients[who].client.poll_output() {
            let is_refusal = matches!(output, ClientOutput::Event(ClientEvent::Refused { .. }));
            self.only_admitted_packets_have_an_effect(is_refusal, || format!("{output:?}"));
            match output {
                ClientOutput::Subscribe { subject } => self.bus.subscribe(Who::Client(who), subject, false),
                ClientOutput::Publish { subject, bytes } => {
                    note(|| format!("  client {who}: {}", packet_line(&subject, &bytes)));
                    self.published(Who::Client(who), &subject, &bytes, draw);
                }
                ClientOutput::Event(ClientEvent::Ended { job, result }) => {
                    note(|| format!("  client {who} is told {result:?}"));
                    let awaited = self.clients[who].awaited.remove(&job);
                    let (id, _) = awaited.expect("spec/07 a_job_ends_once");
                    assert_eq!(id, result.job_id, "ours a_result_is_that_of_its_job");
                    self.model.only_published_results_are_believed(&result);
                    self.count("told");
                }
                ClientOutput::Event(ClientEvent::NoResult { job, .. }) => {
                    let awaited = self.clients[who].awaited.remove(&job);
                    let (id, until) = awaited.expect("spec/07 a_job_ends_once");
                    let is_over = until.is_some_and(|until| until <= self.now);
                    assert!(is_over, "ours no_wait_is_cut_short: {id}");
                    self.count("waited in vain");
                }
                ClientOutput::Event(ClientEvent::Progress { job, progress, .. }) => {
                    assert!(!progress.is_sign(), "ours signs_are_not_shown");
                    let is_awaited = self.clients[who].awaited.contains_key(&job);
                    assert!(is_awaited, "spec/07 nothing_follows_the_last_event");
                    self.count("progress");
                }
                ClientOutput::Event(ClientEvent::Refused { .. }) => self.count("packet refused"),
                ClientOutput::Event(_) => {}
            }
        }
    }

    pub(super) fn check_client(&self, who: usize) {
        let host = &self.clients[who];
        assert_eq!(host.client.awaited(), host.awaited.len(), "ours every_job_has_a_last_event");
        for (id, until) in host.awaited.values() {
            let is_in_time = until.is_none_or(|until| self.now < until);
            assert!(is_in_time, "ours no_wait_lasts_longer: {id} of client {who}");
        }
    }
}
