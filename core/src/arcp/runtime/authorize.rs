//! Authority: what a job may do, and what it may delegate to a child (§9.3–§9.6).

use alloc::string::{String, ToString};

use super::Runtime;
use super::host::{Denied, JobKey};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::lease::{Lease, Namespace, Operation};
use crate::time::Time;

impl Runtime {
    /// Checks whether a running job may perform an operation now: first its expiry, then the patterns, then the budget
    /// (§9.3), and then what people have decided, if the operation needs their [approval](Runtime::approve).
    ///
    /// The comparison takes at most [`Limits::pattern_work`](crate::arcp::Limits::pattern_work) steps.
    ///
    /// Errors: [`Denied::Fault`] with `LEASE_EXPIRED`, `PERMISSION_DENIED` or `BUDGET_EXHAUSTED`;
    /// [`Denied::NotRunning`]; [`Denied::NeedsApproval`] if people have not decided yet. After `LEASE_EXPIRED` the job can
    /// only end with that error (§9.5).
    pub fn authorize(&mut self, now: Time, job: JobKey, operation: &Operation) -> Result<(), Denied> {
        self.input(now, |this| {
            this.running(job).map_err(|_| Denied::NotRunning)?;
            this.check_operation(job, operation)
        })
    }

    pub(super) fn check_operation(&mut self, id: JobKey, operation: &Operation) -> Result<(), Denied> {
        self.check_lease(id, operation)?;
        self.check_approval(id, operation)
    }

    fn check_lease(&mut self, id: JobKey, operation: &Operation) -> Result<(), Fault> {
        let now = self.clock.now();
        let Some(job) = self.jobs.get_mut(id) else { return Ok(()) };
        if job.is_lease_over(now) {
            if job.expire_lease() {
                self.record_doom(id, false);
            }
            return Err(Fault::new(ErrorCode::LeaseExpired, "the job's lease has expired"));
        }
        let lease = &job.accepted().lease;
        let model = *operation.namespace() == Namespace::ModelUse;
        let free = model && self.config.models_without_lease && !lease.names(&Namespace::ModelUse);
        if !free {
            let max = self.config.limits.pattern_work;
            let mut work = max;
            let covered = lease.covers_within(operation, &mut work);
            self.work.charge(max - work);
            let why = match covered {
                Some(true) => None,
                Some(false) => Some("the lease does not cover"),
                None => Some("it takes too long to decide whether the lease covers"),
            };
            if let Some(why) = why {
                let (namespace, target) = (operation.namespace().as_str(), operation.target());
                let message = alloc::format!("{why} {namespace} {target:?}");
                return Err(Fault::new(ErrorCode::PermissionDenied, message));
            }
        }
        if model {
            return Ok(());
        }
        match self.jobs.exhausted(id) {
            Some(currency) => {
                let message = alloc::format!("the budget in {} is used up", currency.as_str());
                Err(Fault::new(ErrorCode::BudgetExhausted, message))
            }
            None => Ok(()),
        }
    }

    /// Returns whether a parent may delegate to this agent. The patterns are matched with the bare name.
    pub(super) fn may_delegate(&mut self, parent: JobKey, agent: &str) -> Result<(), Denied> {
        match Operation::new(Namespace::AgentDelegate.as_str(), agent) {
            Ok(operation) => self.check_operation(parent, &operation),
            Err(error) => Err(Denied::Fault(Fault::new(ErrorCode::PermissionDenied, error.to_string()))),
        }
    }

    /// Checks that a child's lease is within its parent's (§9.4), and returns when it expires.
    pub(super) fn check_subset(
        &mut self,
        parent: JobKey,
        lease: &Lease,
        expires_at: Option<Time>,
    ) -> Result<Option<Time>, Fault> {
        let Some(parent) = self.jobs.get(parent) else { return Ok(expires_at) };
        let violation = |message: String| Fault::new(ErrorCode::LeaseSubsetViolation, message);
        let max = self.config.limits.pattern_work;
        let mut work = max;
        let included = parent.accepted().lease.includes(lease, &mut work);
        self.work.charge(max - work);
        included.map_err(|error| violation(error.to_string()))?;
        match (parent.accepted().expires_at, expires_at) {
            (Some(ours), Some(theirs)) if theirs > ours => {
                Err(violation("the lease would expire after its parent's".to_string()))
            }
            (Some(ours), None) => Ok(Some(ours)),
            (_, theirs) => Ok(theirs),
        }
    }
}
