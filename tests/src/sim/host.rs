//! The host: it answers at once, late or never.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nuncio_core::arcp::{ConnId, Credential, ErrorCode, Event, Fault, JobId, JobUlid, Refused, ReplayId, Secret};
use nuncio_core::time::Time;

use super::draw::Draw;
use super::{Sim, note};

/// The hostile peers' principal: nothing of it is foretold.
pub(super) const MALLORY: &str = "mallory";

/// Bearer tokens, of whom.
pub(super) const TOKENS: [(&str, &str); 4] =
    [("bearer-alice-1", "alice"), ("bearer-alice-2", "alice"), ("bearer-bob-1", "bob"), ("bearer-mallory-1", MALLORY)];

#[derive(Default)]
pub(super) struct Host {
    /// What it was asked and has not answered.
    pub(super) asks: Vec<Event>,
    pub(super) running: Vec<JobId>,
    /// Agents that were asked to stop.
    pub(super) stopping: BTreeSet<JobId>,
    /// Agents that wait for room.
    pub(super) blocked: BTreeSet<JobId>,
    /// Values that are good upstream, with their jobs.
    pub(super) minted: BTreeMap<String, Minted>,
    /// Names of the jobs of this runtime.
    pub(super) names: HashMap<JobId, JobUlid>,
    /// Parts of jobs' histories that are to be read back, and since when.
    pub(super) reads: Vec<(Time, ReplayId, JobUlid)>,
    pub(super) next_secret: u64,
}

/// A value that is good upstream.
#[derive(Debug)]
pub(super) struct Minted {
    pub(super) job: JobUlid,
    /// The number of the record that tells of it.
    pub(super) stored: Option<u64>,
    /// A frame with it has left the runtime.
    pub(super) shown: bool,
}

impl Host {
    /// The runtime has told a peer of these values.
    pub(super) fn shows(&mut self, text: &str) {
        if text.contains("-upstream") {
            for (value, minted) in &mut self.minted {
                minted.shown |= text.contains(value.as_str());
            }
        }
    }

    /// The process dies. What it had minted is good upstream all the same.
    pub(super) fn crash(&mut self) {
        let (minted, next_secret) = (std::mem::take(&mut self.minted), self.next_secret);
        *self = Host { minted, next_secret, ..Host::default() };
    }

    pub(super) fn forget(&mut self, job: JobId) {
        self.running.retain(|known| *known != job);
        self.stopping.remove(&job);
        self.blocked.remove(&job);
    }
}

impl Sim {
    /// Answers one question, as the run's host does.
    pub(super) fn answer(&mut self, draw: &mut Draw<'_, '_>) {
        if self.host.asks.is_empty() {
            return;
        }
        let at = draw.below(self.host.asks.len());
        let ask = self.host.asks.remove(at);
        if !self.healing && draw.chance(self.params.silent_host) && !matches!(ask, Event::Revoke { .. }) {
            self.count("host silent");
            return;
        }
        match ask {
            Event::Authenticate { conn, token, .. } => self.authenticate(conn, token.expose()),
            Event::Submitted { job, credentials } => self.decide(job, credentials, draw),
            Event::Replay { replay, range, max_events, max_bytes } => {
                self.read_back(replay, &range, max_events, max_bytes, draw);
            }
            Event::Revoke { revocation, job, value, .. } => {
                let fails = !self.healing && draw.chance(self.params.revoke_fails);
                let answer = if fails {
                    self.runtime.revoke_failed(self.now, revocation)
                } else {
                    match value {
                        Some(value) => {
                            let known = self.host.minted.remove(value.expose());
                            let known = known.is_some_and(|minted| minted.job == job);
                            assert!(known, "§9.8.2 credentials_confined: a value was revoked twice or never minted");
                        }
                        // Of a runtime before this one: all that the job had.
                        None => {
                            self.count("revoked after a crash");
                            self.host.minted.retain(|_, minted| minted.job != job);
                        }
                    }
                    self.runtime.revoked(self.now, revocation)
                };
                assert_eq!(answer, Ok(()), "§9.8.2: the runtime waits for this");
            }
            _ => {}
        }
        self.drain();
    }

    fn authenticate(&mut self, conn: ConnId, token: &str) {
        let known = TOKENS.iter().find(|(known, _)| *known == token);
        let answer = match known {
            Some((_, principal)) => self.runtime.admit(self.now, conn, principal),
            None => {
                let fault = Fault::new(ErrorCode::Unauthenticated, "the token is not known");
                self.runtime.reject(self.now, conn, fault)
            }
        };
        // It may be too late.
        assert!(matches!(answer, Ok(()) | Err(Refused::Stale)), "{answer:?}");
    }

    fn decide(&mut self, job: JobId, credentials: bool, draw: &mut Draw<'_, '_>) {
        let id = self.ulid(job);
        note(|| format!("  host decides on {job:?}"));
        if !self.healing && draw.chance(self.params.declines) {
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
                assert!(asked, "§7.3: a job was started twice");
                self.model.accepted(id, self.now);
            }
            Ok(()) => {}
            Err(Refused::Stale) => assert!(!asked, "§7.1: a job that waits for its host is gone"),
            Err(refused) => panic!("{refused}"),
        }
    }

    /// A credential whose value only the submitter's principal may ever read.
    fn mint(&mut self, job: JobId) -> Credential {
        self.count("minted");
        Credential {
            id: "cred_1".to_owned(),
            value: Secret::new(self.secret(job)),
            endpoint: "https://gateway.example.test/v1".to_owned(),
            profile: None,
            constraints: None,
        }
    }

    pub(super) fn secret(&mut self, job: JobId) -> String {
        self.host.next_secret += 1;
        let value = format!("value-{}-upstream", self.host.next_secret);
        let principal = self.runtime.job(job).map(|view| view.principal.to_string());
        self.invariants.checker.secret(&value, principal.as_deref().unwrap_or(MALLORY));
        let job = self.ulid(job);
        self.host.minted.insert(value.clone(), Minted { job, stored: None, shown: false });
        value
    }
}
