//! The acceptance and the end of a job, as its frames describe them (§7.1, §7.3).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::ids::{JobUlid, SessionUlid};
use crate::budget::Budget;
use crate::json::Text;
use crate::lease::Lease;
use crate::time::Time;
use crate::trace::TraceId;

/// The facts of an accepted job, which never change. `job.accepted`, `job.subscribed` and listings show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) id: JobUlid,
    pub(crate) principal: Arc<str>,
    pub(crate) agent: Box<str>,
    pub(crate) version: Option<Box<str>>,
    pub(crate) lease: Lease,
    pub(crate) expires_at: Option<Time>,
    /// The budget at acceptance. If the job draws on its parent's budget, it is that of the parent.
    pub(crate) budget: Option<Budget>,
    pub(crate) parent: Option<JobUlid>,
    pub(crate) delegate_id: Option<Box<str>>,
    pub(crate) trace_id: TraceId,
    /// The time of the submit, the `created_at` of listings.
    pub(crate) created_at: Time,
    pub(crate) accepted_at: Time,
}

/// The job that a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) job: JobUlid,
    pub(crate) trace_id: TraceId,
}

impl Accepted {
    pub(crate) fn about(&self) -> About {
        About { job: self.id, trace_id: self.trace_id }
    }

    /// Returns `name@version`, or the bare name if the agent has no versions or `versions` is false.
    pub(crate) fn agent_ref(&self, versions: bool) -> String {
        match &self.version {
            Some(version) if versions => alloc::format!("{}@{version}", self.agent),
            _ => String::from(&*self.agent),
        }
    }

    /// Returns the head of the job's frames in a session, as [`envelope::head`](super::envelope::head) does, without `fmt`.
    pub(crate) fn head(&self, session: SessionUlid) -> String {
        let mut out = String::with_capacity(160);
        out.push_str("\"session_id\":\"");
        session.push_to(&mut out);
        out.push_str("\",\"trace_id\":\"");
        self.trace_id.push_to(&mut out);
        out.push_str("\",\"job_id\":\"");
        self.id.push_to(&mut out);
        out.push_str("\",");
        out
    }

    /// Returns an upper estimate of the memory this holds, in bytes.
    pub(crate) fn held(&self) -> usize {
        // The fields of a fixed size have less than 256 bytes.
        self.lease.bytes_held() + self.agent.len() + 256
    }
}

/// The terminal message of a job: its type and payload in the form of the specification.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    pub(crate) status: FinalStatus,
    pub(crate) kind: &'static str,
    pub(crate) payload: Bytes,
}

/// The longest terminal whose error is read again, in bytes.
const MAX_FAULT: usize = 16 * 1024;

/// The code and the message of an error.
#[derive(Debug, Deserialize)]
pub(crate) struct ShortFault<'a> {
    #[serde(borrow)]
    pub(crate) code: Text<'a>,
    #[serde(borrow)]
    pub(crate) message: Text<'a>,
}

/// How a job has ended, in a list.
#[derive(Debug)]
pub(crate) struct JobEnd<'a> {
    pub(crate) at: Time,
    pub(crate) fault: Option<ShortFault<'a>>,
}

impl Terminal {
    /// Returns the error, unless the job has succeeded or its details are long.
    pub(crate) fn fault(&self) -> Option<ShortFault<'_>> {
        let is_short = self.status != FinalStatus::Success && self.payload.len() <= MAX_FAULT;
        is_short.then(|| serde_json::from_slice(&self.payload).ok())?
    }

    /// Returns an upper estimate of the memory this holds, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.payload.len() + 64
    }
}

/// How a job ended: the `final_status` of its terminal message (§7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalStatus {
    /// `success`: the agent finished.
    Success,
    /// `error`: the agent failed, or the runtime ended the job.
    Error,
    /// `cancelled`: the job was cancelled (§7.4).
    Cancelled,
    /// `timed_out`: the job ran longer than its `max_runtime_sec`.
    TimedOut,
}

impl FinalStatus {
    /// Returns the status as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            FinalStatus::Success => "success",
            FinalStatus::Error => "error",
            FinalStatus::Cancelled => "cancelled",
            FinalStatus::TimedOut => "timed_out",
        }
    }

    /// Returns the status that is written like this, or `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<FinalStatus> {
        let all = [FinalStatus::Success, FinalStatus::Error, FinalStatus::Cancelled, FinalStatus::TimedOut];
        all.into_iter().find(|status| status.as_str() == text)
    }

    /// Returns the status that a deployed runtime writes like this. The C# SDK writes `timedout`.
    pub(crate) fn parse_lenient(text: &str) -> Option<FinalStatus> {
        if text == "timedout" { Some(FinalStatus::TimedOut) } else { FinalStatus::parse(text) }
    }
}
