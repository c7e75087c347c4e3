//! The question that asks people to approve an operation, and what its answer decides (ours).

use alloc::string::String;
use core::time::Duration;

use super::Question;
use super::answer::{Answer, Outcome};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::lease::Operation;

/// The answer that approves.
const APPROVE: &str = "approve";
/// The answer that refuses.
const REFUSE: &str = "refuse";

impl Question {
    /// Creates the question whether an agent may do an operation. The target is written with escapes, as it comes from an
    /// agent.
    pub(crate) fn approval(agent: &str, operation: &Operation, deadline: Duration) -> Question {
        Question::new(alloc::format!("Approve {} of the agent {agent}?", describe(operation)))
            .choices([APPROVE, REFUSE])
            .deadline(deadline)
    }
}

/// What people have decided about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// They have approved it.
    Approved,
    /// They have refused it, did not approve it in time, or are no longer asked.
    Refused(Fault),
}

impl Decision {
    /// Reads the end of the question about an operation.
    pub(crate) fn of(operation: &Operation, outcome: &Outcome) -> Decision {
        let refused = |message: String, why: &str| {
            Decision::Refused(Fault::new(ErrorCode::PermissionDenied, message).with_detail("approval", why))
        };
        match outcome {
            Outcome::Settled(answer @ Answer::Given { .. }) if answer.text().as_deref() == Some(APPROVE) => {
                Decision::Approved
            }
            Outcome::Settled(Answer::Given { by, note, .. }) => {
                let note = note.as_ref().map_or_else(String::new, |note| alloc::format!(": {note}"));
                refused(alloc::format!("{by} has refused {}{note}", describe(operation)), "refused")
            }
            Outcome::Settled(Answer::Default { .. } | Answer::Expired) => {
                refused(alloc::format!("{} was not approved in time", describe(operation)), "expired")
            }
            Outcome::Withdrawn => {
                let message = "the question was withdrawn before it was answered";
                refused(alloc::format!("{} was not approved: {message}", describe(operation)), "withdrawn")
            }
        }
    }
}

fn describe(operation: &Operation) -> String {
    alloc::format!("{} {:?}", operation.namespace(), operation.target())
}
