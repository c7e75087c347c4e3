//! What the policy says about a job, and what a safety kernel has answered (spec/06, spec/18).

use alloc::string::String;
use core::time::Duration;

use crate::cap::wire::safety::{DecisionType, PolicyCheckResponse, PolicyConstraints};

/// What the policy says about a job (spec/06).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The job may run.
    Allow,
    /// The job may run within constraints.
    AllowWith(Constraints),
    /// The job may not run.
    Deny {
        /// Why; the submitter reads it.
        reason: String,
    },
    /// The job may not run, and its request is put aside for people: it goes to the dead letters (2.17, spec/18).
    Quarantine {
        /// Why; the submitter reads it.
        reason: String,
    },
    /// A person has to approve the job.
    RequireHuman {
        /// Why; the submitter reads it.
        reason: String,
    },
    /// The policy is asked again after a pause.
    Throttle {
        /// The pause.
        delay: Duration,
    },
}

/// The constraints that the router itself holds a job to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The longest time from the first dispatch to the result.
    pub max_runtime: Option<Duration>,
    /// How often the job is sent again after it has failed.
    pub max_retries: Option<u32>,
    /// The pointer to the input without what a worker must not see. It is sent instead of the original, which needs
    /// [`RouterConfig::resign`](super::config::RouterConfig::resign).
    pub redacted_context_ptr: Option<String>,
}

impl Constraints {
    fn of(constraints: Option<&PolicyConstraints>, redacted_context_ptr: &str) -> Constraints {
        let budgets = constraints.and_then(|constraints| constraints.budgets.as_ref());
        let runtime = budgets.and_then(|budgets| u64::try_from(budgets.max_runtime_ms).ok());
        let retries = budgets.and_then(|budgets| u32::try_from(budgets.max_retries).ok());
        Constraints {
            max_runtime: runtime.filter(|millis| *millis > 0).map(Duration::from_millis),
            // Zero is how the message says that there is no bound.
            max_retries: retries.filter(|retries| *retries > 0),
            redacted_context_ptr: Some(String::from(redacted_context_ptr)).filter(|pointer| !pointer.is_empty()),
        }
    }
}

impl Decision {
    /// Returns the decision that a safety kernel has answered; `throttle` is the pause of a job that may run later, which the
    /// answer does not name.
    ///
    /// An answer that is missing a decision, has one that is not known, or redacts an input without saying where the redacted
    /// one is, denies (spec/19). A job that is allowed and needs an approval waits for a person. Of the constraints those are
    /// taken that the router itself holds a job to.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use nuncio_core::cap::Decision;
    /// use nuncio_core::cap::policy::{DecisionType, PolicyCheckResponse};
    ///
    /// let pause = Duration::from_secs(1);
    /// let allowed = PolicyCheckResponse { decision: DecisionType::ALLOW, ..PolicyCheckResponse::default() };
    /// assert_eq!(Decision::of(&allowed, pause), Decision::Allow);
    /// assert!(matches!(Decision::of(&PolicyCheckResponse::default(), pause), Decision::Deny { .. }));
    /// ```
    pub fn of(response: &PolicyCheckResponse, throttle: Duration) -> Decision {
        let reason = |otherwise: &str| {
            if response.reason.is_empty() { String::from(otherwise) } else { response.reason.clone() }
        };
        let constraints = Constraints::of(response.constraints.as_ref(), &response.redacted_context_ptr);
        let allow = |constraints: Constraints| {
            if response.approval_required {
                return Decision::RequireHuman { reason: reason("the policy wants an approval") };
            }
            if constraints == Constraints::default() { Decision::Allow } else { Decision::AllowWith(constraints) }
        };
        match response.decision {
            DecisionType::ALLOW | DecisionType::ALLOW_WITH_CONSTRAINTS => allow(constraints),
            DecisionType::REDACT if constraints.redacted_context_ptr.is_some() => allow(constraints),
            DecisionType::REDACT => {
                Decision::Deny { reason: String::from("the policy redacts an input that is not there") }
            }
            DecisionType::DENY => Decision::Deny { reason: reason("the policy denies the job") },
            DecisionType::QUARANTINE => Decision::Quarantine { reason: reason("the policy puts the job aside") },
            DecisionType::REQUIRE_HUMAN => Decision::RequireHuman { reason: reason("the policy wants an approval") },
            DecisionType::THROTTLE => Decision::Throttle { delay: throttle },
            _ => Decision::Deny { reason: String::from("the policy has given no decision that is known") },
        }
    }
}
