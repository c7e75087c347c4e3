//! Packets of the production profile: how everybody verifies them, and the rules about those that are stale, replayed, of
//! another tenant or of another dispatch.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use nuncio_core::cap::{
    BusPacket, DecodeLimits, Expected, IdentityBinding, JobRequest, MapOrder, PROFILE_ALGORITHM, PROFILE_VERSION,
    Payload, SignatureMetadata, Subject, Timestamp, open_production, seal_production,
};

use super::bus::Who;
use super::params::Trust;
use super::signing::HashVerifier;
use super::trust::{key_id, ring, tenant_of};
use super::{Sim, key_of};

/// What is known of the packets that were delivered.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// The packets that each component has admitted in its present life.
    admitted: BTreeMap<Who, BTreeSet<(Subject, Bytes)>>,
    /// The id of the latest dispatch of each job that was published.
    dispatched: BTreeMap<String, String>,
    /// The number of the last packet of somebody who is no component.
    own: u128,
}

/// Whether packets of a subject have the form of the production profile.
pub(super) const fn is_about_jobs(subject: &Subject) -> bool {
    matches!(
        subject,
        Subject::JobSubmit
            | Subject::JobResult
            | Subject::JobProgress
            | Subject::JobCancel
            | Subject::Topic(_)
            | Subject::Direct(_)
    )
}

impl Sim {
    /// Seals a cancellation of somebody who is no client.
    pub(super) fn sealed_as(&mut self, sender: &str, mut packet: BusPacket) -> Bytes {
        self.deliveries.own += 1;
        let tenant_id = tenant_of(sender).into();
        packet.identity = Some(IdentityBinding { tenant_id, principal_id: sender.into(), ..Default::default() });
        packet.signature_metadata = Some(SignatureMetadata {
            profile_version: PROFILE_VERSION.into(),
            algorithm: PROFILE_ALGORITHM.into(),
            message_id: self.deliveries.own.to_be_bytes().to_vec(),
            audience: Subject::JobCancel.to_string(),
            expires_at: Some(Timestamp::from_time(self.now.plus_secs(self.params.lifetime))),
            key_id: key_id(sender),
            ..SignatureMetadata::default()
        });
        Bytes::from(seal_production(packet, MapOrder::Lexicographic, &key_of(sender)).expect("a good packet"))
    }

    /// Returns a packet that is sealed by somebody with a key for the subject that it comes on, and is valid now by the clock
    /// of a component.
    pub(super) fn sealed(&self, who: Who, subject: &Subject, bytes: &[u8]) -> Option<BusPacket> {
        let packet = BusPacket::decode(bytes, &DecodeLimits::default()).ok()?;
        let (sender, tenant, metadata) = (packet.sender_id, packet.identity?.tenant_id, packet.signature_metadata?);
        let is_known = self.senders().contains(&sender) && (sender == "router" || tenant_of(&sender) == tenant);
        let (wall, skew) = (self.wall(who), self.params.skew);
        let is_valid =
            metadata.expires_at?.to_time()?.plus_secs(skew) > wall && metadata.audience == subject.to_string();
        let (audience, keys, freshness) = (subject.to_string(), ring(&sender), self.terms().freshness);
        let expected = Expected { audience: &audience, tenant: &tenant, sender: &sender, keys: &keys, freshness };
        let opened = open_production(bytes, &expected, wall, &HashVerifier).ok()?;
        Some(opened.packet).filter(|_| is_known && is_valid)
    }

    /// Notes that a packet reaches a component. Returns whether it may have an effect: it is sealed by one of those whom the
    /// component believes, is valid now, and has not come before.
    pub(super) fn admits(&mut self, who: Who, subject: &Subject, bytes: &Bytes) -> bool {
        if self.trust() != Trust::Production || !is_about_jobs(subject) {
            return true;
        }
        let Some(packet) = self.sealed(who, subject, bytes) else { return false };
        let sender = packet.sender_id.as_str();
        let tenant = packet.identity.as_ref().map_or("", |identity| identity.tenant_id.as_str());
        let is_believed = match who {
            Who::Router if matches!(subject, Subject::JobSubmit | Subject::JobCancel) => {
                sender.starts_with("client-") || sender == "operator"
            }
            Who::Router => {
                let authority = self.router.as_ref().and_then(|host| host.router.authority());
                authority.is_some_and(|authority| authority.session(self.at(Who::Router), sender).is_some())
            }
            Who::Worker(at) => {
                let is_taken = *subject == Subject::JobCancel || self.workers[at].worker.admits();
                is_taken && sender == "router" && tenant == tenant_of(&format!("worker-{at}"))
            }
            Who::Client(at) => tenant == tenant_of(&format!("client-{at}")),
        };
        is_believed && self.deliveries.admitted.entry(who).or_default().insert((subject.clone(), bytes.clone()))
    }

    /// Forgets what a component has admitted, which was started again.
    pub(super) fn forget_admitted(&mut self, who: Who) {
        self.deliveries.admitted.remove(&who);
    }

    /// spec/19: a packet that is stale, came before, or is not sealed for its subject has no effect but a refusal.
    pub(super) fn only_admitted_packets_have_an_effect(&mut self, is_refusal: bool, output: impl FnOnce() -> String) {
        if let Some(ignored) = &self.ignored {
            assert!(is_refusal, "spec/19 only_admitted_packets_have_an_effect: {ignored} leads to {}", output());
        }
    }

    /// Notes the dispatch of a request that the router has published.
    pub(super) fn dispatched(&mut self, subject: &Subject, request: &JobRequest) {
        if let Subject::Direct(worker) = subject {
            self.only_workers_with_a_session_get_jobs(worker);
            self.jobs_stay_with_their_tenant(worker.as_str(), &request.job_id);
        }
        if let Some(dispatch) = &request.dispatch {
            self.deliveries.dispatched.insert(request.job_id.clone(), dispatch.dispatch_id.clone());
        }
    }

    /// spec/19: a job ends with a result of the dispatch that was published last.
    pub(super) fn only_the_present_dispatch_counts(&self, id: &str, packet: &Bytes) {
        let decoded = BusPacket::decode(packet, &DecodeLimits::default()).unwrap_or_default();
        let is_of_worker = decoded.sender_id.starts_with("worker-");
        let Some(Payload::JobResult(result)) = decoded.payload.filter(|_| is_of_worker) else { return };
        let named = result.dispatch.as_ref().map(|dispatch| &dispatch.dispatch_id);
        let is_present = self.trust() != Trust::Production || named == self.deliveries.dispatched.get(id);
        assert!(is_present, "spec/19 only_the_present_dispatch_counts: {result:?}");
    }

    /// spec/19: a job is sent to workers of its tenant, and runs on them.
    pub(super) fn jobs_stay_with_their_tenant(&self, worker: &str, id: &str) {
        let submitter = format!("client-{}", self.model.jobs[id].submitter);
        let is_own = self.trust() != Trust::Production || tenant_of(&submitter) == tenant_of(worker);
        assert!(is_own, "spec/19 jobs_stay_with_their_tenant: {id} of {submitter} at {worker}");
    }
}
