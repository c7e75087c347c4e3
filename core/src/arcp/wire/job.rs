//! What the frames of a job are made of: its `job.accepted` and its terminal (§7.1, §7.3).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;

use super::ids::JobUlid;
use crate::budget::Budget;
use crate::lease::Lease;
use crate::time::Time;
use crate::trace::TraceId;

/// What `job.accepted` says of a job, for whichever session it is said to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) id: JobUlid,
    pub(crate) principal: Arc<str>,
    pub(crate) agent: Box<str>,
    pub(crate) version: Option<Box<str>>,
    pub(crate) lease: Lease,
    pub(crate) expires_at: Option<Time>,
    /// The budget at acceptance, its parent's if it draws on that.
    pub(crate) budget: Option<Budget>,
    pub(crate) parent: Option<JobUlid>,
    pub(crate) delegate_id: Option<Box<str>>,
    pub(crate) trace_id: TraceId,
    /// When the submit came: `created_at` of listings.
    pub(crate) created_at: Time,
    pub(crate) accepted_at: Time,
}

impl Accepted {
    /// `name@version`, or the bare name for an agent without versions.
    pub(crate) fn agent_ref(&self, versions: bool) -> String {
        match &self.version {
            Some(version) if versions => alloc::format!("{}@{version}", self.agent),
            _ => String::from(&*self.agent),
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.lease.bytes_held() + self.agent.len() + 256
    }
}

/// How a job ended, in the two forms that sessions may speak.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    pub(crate) status: FinalStatus,
    pub(crate) kind: &'static str,
    pub(crate) payload: Bytes,
    /// What the Python SDK 1.1.3 must be sent instead: `job.result` for a cancelled or timed-out job.
    pub(crate) python: Option<Bytes>,
}

impl Terminal {
    pub(crate) fn for_form(&self, python: bool) -> (&'static str, &Bytes) {
        match &self.python {
            Some(payload) if python => ("job.result", payload),
            _ => (self.kind, &self.payload),
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.payload.len() + self.python.as_ref().map_or(0, Bytes::len) + 64
    }
}

/// How a job ended: its `final_status` (§7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalStatus {
    /// `success`
    Success,
    /// `error`
    Error,
    /// `cancelled`
    Cancelled,
    /// `timed_out`
    TimedOut,
}

impl FinalStatus {
    /// The status as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            FinalStatus::Success => "success",
            FinalStatus::Error => "error",
            FinalStatus::Cancelled => "cancelled",
            FinalStatus::TimedOut => "timed_out",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<FinalStatus> {
        let all = [FinalStatus::Success, FinalStatus::Error, FinalStatus::Cancelled, FinalStatus::TimedOut];
        all.into_iter().find(|status| status.as_str() == text)
    }
}
