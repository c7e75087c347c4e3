//! Who may see, watch and answer whose jobs (§6.6, §7.6).

/// The access of a principal to a job of another principal (§6.6, §7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No access: the job appears not to exist.
    Hidden,
    /// The job is listed, but may not be watched.
    Listed,
    /// The job is listed and may be watched.
    Observed,
}

/// Who may see and watch whose jobs: a pure function of the two principals and the agent.
///
/// It is called for every job of a `session.list_jobs`, so it must not do IO. A policy that needs IO has to do it when
/// the session is admitted.
pub trait Policy: Send + Sync {
    /// Returns the access of `observer` to a job that `owner` has submitted to `agent` (`name@version`).
    fn access(&self, observer: &str, owner: &str, agent: &str) -> Access;

    /// Returns whether a principal may have access to jobs of others. If not, its listings look at its own jobs only,
    /// however many others there are, and no other runtime of the host is asked about a job
    /// ([`Config::shards`](crate::arcp::Config::shards)). Default: yes.
    fn shows_others(&self, _observer: &str) -> bool {
        true
    }

    /// Returns whether a principal that may see a job may answer its questions (ours). Those of
    /// [`Config::approvers`](crate::arcp::Config::approvers) always may. Default: the principal that has submitted the job.
    fn may_answer(&self, principal: &str, owner: &str, _agent: &str) -> bool {
        principal == owner
    }
}

/// The default of §14: a principal may list and watch its own jobs only.
#[derive(Clone, Copy, Debug, Default)]
pub struct SamePrincipal;

impl Policy for SamePrincipal {
    fn access(&self, observer: &str, owner: &str, _agent: &str) -> Access {
        if observer == owner { Access::Observed } else { Access::Hidden }
    }

    fn shows_others(&self, _observer: &str) -> bool {
        false
    }
}

/// Every principal may list and watch all jobs. Only the session that submitted a job may cancel it.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyPrincipal;

impl Policy for AnyPrincipal {
    fn access(&self, _observer: &str, _owner: &str, _agent: &str) -> Access {
        Access::Observed
    }
}
