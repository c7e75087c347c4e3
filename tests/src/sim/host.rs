//! The host: it answers at once, late or never.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use nuncio_core::arcp::{
    BusLink, BusStatus, ConnId, Credential, ErrorCode, Event, Fault, HostStatus, JobKey, JobUlid, JournalStatus,
    PoolAgentStatus, PoolStatus, QuestionId, Refused, ReplayId, Secret, StatusId,
};
use nuncio_core::time::Time;

use super::Sim;
use super::approvals::Named;
use super::model::rules;
use crate::seeded::Draw;
use crate::seeded::note;

/// The principal of the hostile peers: the model predicts nothing about its sessions and jobs.
pub(super) const MALLORY: &str = "mallory";

/// The bearer tokens with their principals.
pub(super) const TOKENS: [(&str, &str); 4] =
    [("bearer-alice-1", "alice"), ("bearer-alice-2", "alice"), ("bearer-bob-1", "bob"), ("bearer-mallory-1", MALLORY)];

#[derive(Default)]
pub(super) struct Host {
    /// Questions from the runtime that are not answered yet.
    pub(super) questions: Vec<Event>,
    pub(super) running: Vec<JobKey>,
    /// Jobs whose agents were asked to stop.
    pub(super) stopping: BTreeSet<JobKey>,
    /// Jobs whose agents are blocked.
    pub(super) blocked: BTreeSet<JobKey>,
    /// Credential values that are valid upstream.
    pub(super) minted: BTreeMap<String, Minted>,
    /// The wire ids of the jobs of the current runtime.
    pub(super) names: HashMap<JobKey, JobUlid>,
    /// Replays of job histories that were requested, with the time of the request.
    pub(super) reads: Vec<(Time, ReplayId, JobUlid)>,
    pub(super) next_secret: u64,
    /// The operations whose approval agents wait for.
    pub(super) undecided: BTreeMap<(JobKey, QuestionId), Named>,
    /// The operations that people have decided about, once the agents are told.
    pub(super) decided: Vec<(JobKey, Named)>,
}

/// A credential value that is valid upstream.
#[derive(Debug)]
pub(super) struct Minted {
    pub(super) job: JobUlid,
    /// The number of the record that mentions the credential.
    pub(super) stored: Option<u64>,
    /// Whether a frame with the value was sent.
    pub(super) shown: bool,
}

impl Host {
    /// Marks the values in a frame that is being sent as shown.
    pub(super) fn shows(&mut self, text: &str) {
        if text.contains("-upstream") {
            for (value, minted) in &mut self.minted {
                minted.shown |= text.contains(value.as_str());
            }
        }
    }

    /// Forgets everything but the credential values, which stay valid upstream after a crash.
    pub(super) fn crash(&mut self) {
        let (minted, next_secret) = (std::mem::take(&mut self.minted), self.next_secret);
        *self = Host { minted, next_secret, ..Host::default() };
    }

    pub(super) fn forget(&mut self, job: JobKey) {
        self.running.retain(|known| *known != job);
        self.stopping.remove(&job);
        self.blocked.remove(&job);
    }
}

impl Sim {
    /// Answers one question, or leaves it unanswered if the run's host is silent.
    pub(super) fn answer(&mut self, draw: &mut Draw<'_, '_>) {
        if self.host.questions.is_empty() {
            return;
        }
        let at = draw.below(self.host.questions.len());
        let ask = self.host.questions.remove(at);
        if !self.converging && draw.chance(self.params.silent_host) && !matches!(ask, Event::Revoke { .. }) {
            self.count("host silent");
            return;
        }
        match ask {
            Event::Authenticate { conn, token, .. } => self.authenticate(conn, token.expose()),
            Event::Submitted { job, credentials } => self.decide(job, credentials, draw),
            Event::Replay { replay, range, max_events, max_bytes } => {
                self.read_back(replay, &range, max_events, max_bytes, draw);
            }
            Event::Status { request } => self.tell_status(request, draw),
            Event::Revoke { revocation, job, value, .. } => {
                let fails = !self.converging && draw.chance(self.params.revoke_fails);
                let answer = if fails {
                    self.runtime.revoke_failed(self.now, revocation)
                } else {
                    match value {
                        Some(value) => {
                            let known = self.host.minted.remove(value.expose());
                            let known = known.is_some_and(|minted| minted.job == job);
                            rules::a_credential_is_revoked_once(known);
                        }
                        // The request comes from an earlier runtime: it covers all values of the job.
                        None => {
                            self.count("revoked after a crash");
                            self.host.minted.retain(|_, minted| minted.job != job);
                        }
                    }
                    self.runtime.revoked(self.now, revocation)
                };
                assert_eq!(answer, Ok(()), "§9.8.2: the runtime is waiting for this answer");
            }
            _ => {}
        }
        self.drain();
    }

    fn authenticate(&mut self, conn: ConnId, token: &str) {
        let known = TOKENS.iter().find(|(known, _)| *known == token);
        let answer = match known {
            Some((_, principal)) => self.admit(conn, principal),
            None => {
                let fault = Fault::new(ErrorCode::Unauthenticated, "the token is unknown");
                self.runtime.reject(self.now, conn, fault)
            }
        };
        // The answer may come too late.
        assert!(matches!(answer, Ok(()) | Err(Refused::Stale)), "{answer:?}");
    }

    /// Lets a principal in. A third of the connections come from another runtime, as far as this one can tell.
    fn admit(&mut self, conn: ConnId, principal: &str) -> Result<(), Refused> {
        if !self.link_of(conn).is_multiple_of(3) {
            return self.runtime.admit(self.now, conn, principal);
        }
        let handover = self.runtime.hand_over(self.now, conn)?;
        let moved = self.runtime.adopt(self.now, handover, principal, None);
        self.moves(conn, moved);
        self.count("moved");
        Ok(())
    }

    fn tell_status(&mut self, request: StatusId, draw: &mut Draw<'_, '_>) {
        let agent = PoolAgentStatus { agent: "echo".to_owned(), topic: "job.echo".to_owned(), ..Default::default() };
        let pool = PoolStatus {
            bus: BusStatus { link: BusLink::Connected, since: Duration::from_secs(1) },
            agents: vec![agent; draw.one(&[1, 3, 100, 20_000])],
            agents_left_out: 0,
        };
        let host = HostStatus {
            shards: vec![self.runtime.counts(); draw.one(&[0, 2, 8])],
            journal: self.params.journal.is_kept().then(JournalStatus::default),
            pools: vec![pool; draw.below(3)],
        };
        let told = self.runtime.tell_status(self.now, request, &host);
        // The answer may come too late.
        assert!(matches!(told, Ok(()) | Err(Refused::Stale)), "{told:?}");
    }

    fn decide(&mut self, job: JobKey, credentials: bool, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        note(|| format!("  host decides on {job:?}"));
        if !self.converging && draw.chance(self.params.declines) {
            let fault = Fault::new(ErrorCode::PermissionDenied, "declined by the host");
            let answer = self.runtime.decline(self.now, job, fault);
            assert!(matches!(answer, Ok(()) | Err(Refused::Stale)), "{answer:?}");
            return;
        }
        let minted = if credentials && draw.chance(40) { vec![self.mint(job)] } else { Vec::new() };
        let answer = self.runtime.start(self.now, job, minted);
        let asked = self.model.job(id).is_some_and(|job| job.state == super::model::State::Asked);
        match answer {
            Ok(()) if self.model.job(id).is_some() => {
                rules::only_asked_jobs_are_accepted(id, true, asked);
                self.model.accepted(id, self.now);
            }
            Ok(()) => {}
            Err(Refused::Stale) => rules::only_asked_jobs_are_accepted(id, false, asked),
            Err(refused) => panic!("{refused}"),
        }
    }

    /// Mints a credential whose value only the submitter's principal may read.
    fn mint(&mut self, job: JobKey) -> Credential {
        self.count("minted");
        Credential {
            id: "cred_1".to_owned(),
            value: Secret::new(self.secret(job)),
            endpoint: "https://gateway.example.test/v1".to_owned(),
            profile: None,
            constraints: None,
        }
    }

    pub(super) fn secret(&mut self, job: JobKey) -> String {
        self.host.next_secret += 1;
        let value = format!("value-{}-upstream", self.host.next_secret);
        let principal = self.runtime.job(job).map(|view| view.principal.to_string());
        self.invariants.checker.secret(&value, principal.as_deref().unwrap_or(MALLORY));
        let job = self.ulid(job);
        self.host.minted.insert(value.clone(), Minted { job, stored: None, shown: false });
        value
    }
}
