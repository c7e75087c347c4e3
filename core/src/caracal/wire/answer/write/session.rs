//! Answers about sessions.

use alloc::boxed::Box;
use alloc::string::String;

use crate::caracal::wire::ids::{ApplicationId, AuthorityId, ZoneId};
use crate::caracal::wire::request::spawn::Generation;
use crate::json::{Object, strings};
use crate::time::Time;

/// A session, as it is answered.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow<'a> {
    pub(crate) id: String,
    pub(crate) zone: &'a ZoneId,
    pub(crate) application: &'a ApplicationId,
    pub(crate) parent: Option<String>,
    pub(crate) authority: &'a AuthorityId,
    pub(crate) is_service: bool,
    pub(crate) labels: &'a [Box<str>],
    pub(crate) status: &'static str,
    pub(crate) depth: u32,
    pub(crate) ttl_secs: Option<u32>,
    pub(crate) metadata: &'a str,
    pub(crate) started_at: Time,
    pub(crate) ended_at: Option<Time>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) heartbeat_at: Option<Time>,
    pub(crate) deadline: Option<Time>,
    pub(crate) lease: u64,
}

impl SessionRow<'_> {
    /// Writes the answer to a spawn. `edge` is the edge that the session has inherited.
    pub(crate) fn opened(&self, generation: Generation, edge: Option<String>) -> String {
        match generation {
            Generation::May => self.may().close(),
            Generation::Head => {
                let object = self.head().plain("started_at", self.started_at.to_rfc3339());
                self.head_lease(object).null_or_plain("delegation_edge_id", edge).close()
            }
        }
    }

    /// Writes a session that is looked at.
    pub(crate) fn shown(&self, generation: Generation) -> String {
        match generation {
            Generation::May => self.may().null_or_plain("terminated_at", self.ended_at.map(Time::to_rfc3339)).close(),
            Generation::Head => {
                let object = self
                    .head()
                    .json("metadata", self.metadata)
                    .plain("started_at", self.started_at.to_rfc3339())
                    .null_or_plain("terminated_at", self.ended_at.map(Time::to_rfc3339));
                let object = match self.reason {
                    Some(reason) => object.text("termination_reason", reason),
                    None => object.value("termination_reason", "null"),
                };
                self.head_lease(object).close()
            }
        }
    }

    /// Writes the answer to a heartbeat.
    pub(crate) fn beaten(&self, generation: Generation, at: Time, active_invocations: u64) -> String {
        let agent = Object::new()
            .plain("id", &self.id)
            .text("zone_id", self.zone.as_str())
            .text("application_id", self.application.as_str());
        let agent = match generation {
            Generation::May => agent.plain("last_active_at", at.to_rfc3339()),
            Generation::Head => {
                let agent = agent.plain("status", self.status).plain("last_active_at", at.to_rfc3339());
                self.head_lease(agent)
            }
        };
        Object::new()
            .json("agent", &agent.close())
            .value("service", "null")
            .value("active_invocations", active_invocations)
            .close()
    }

    /// Writes the answer to a request for a lease.
    pub(crate) fn leased(&self) -> String {
        Object::new()
            .plain("status", self.status)
            .null_or_plain("heartbeat_deadline_at", self.deadline.map(Time::to_rfc3339))
            .value("lease_generation", self.lease)
            .close()
    }

    fn may(&self) -> Object {
        Object::new()
            .plain("id", &self.id)
            .text("zone_id", self.zone.as_str())
            .text("application_id", self.application.as_str())
            .null_or_plain("parent_id", self.parent.as_ref())
            .text("session_sid", self.authority.as_str())
            .plain("status", self.status)
            .value("depth", self.depth)
            .plain("spawned_at", self.started_at.to_rfc3339())
    }

    fn head(&self) -> Object {
        let object = Object::with_capacity(512)
            .plain("agent_session_id", &self.id)
            .text("zone_id", self.zone.as_str())
            .text("application_id", self.application.as_str())
            .null_or_plain("parent_id", self.parent.as_ref())
            .text("subject_authority_record_id", self.authority.as_str())
            .plain("lifecycle", if self.is_service { "service" } else { "task" })
            .json("labels", &strings(self.labels.iter().map(|label| &**label)))
            .plain("status", self.status)
            .value("depth", self.depth);
        match self.ttl_secs {
            Some(secs) => object.value("ttl_seconds", secs),
            None => object.value("ttl_seconds", "null"),
        }
    }

    fn head_lease(&self, object: Object) -> Object {
        object
            .null_or_plain("last_heartbeat_at", self.heartbeat_at.map(Time::to_rfc3339))
            .null_or_plain("heartbeat_deadline_at", self.deadline.map(Time::to_rfc3339))
            .value("lease_generation", self.lease)
    }
}

/// Writes the number of sessions that were suspended or resumed.
pub(crate) fn counted(what: &'static str, sessions: usize) -> String {
    Object::new().value(what, sessions).close()
}
