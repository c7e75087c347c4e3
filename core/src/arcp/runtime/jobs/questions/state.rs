//! The state of a question (ours).
//!
//! ```text
//! Open --answer--> Answered
//!  |  \--default--> Defaulted     the deadline has passed, and the question has a default
//!  |  \--expire---> Expired       the deadline has passed
//!  |
//!  withdraw
//!  v
//! Withdrawn                       the job has ended, or another question takes the place of this one after a restart
//! ```
//!
//! All states but `Open` have no exit, so the first answer wins.

use crate::state::transitions;

/// The state of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuestionState {
    /// It may be answered.
    Open,
    /// A principal has answered.
    Answered,
    /// No answer came in time, and the default counts.
    Defaulted,
    /// No answer came in time.
    Expired,
    /// Its answer no longer matters.
    Withdrawn,
}

transitions!(QuestionState {
    /// A principal that may answer has given a value that fits.
    answer: Open => Answered;
    /// The deadline of a question with a default has passed.
    default: Open => Defaulted;
    /// The deadline of a question without a default has passed.
    expire: Open => Expired;
    /// Its job has ended, or its agent asks another question in its place.
    withdraw: Open => Withdrawn;
});

#[cfg(test)]
mod tests {
    use super::QuestionState;
    use crate::state::table;

    #[test]
    fn ours_question() {
        use QuestionState::{Answered, Defaulted, Expired, Open, Withdrawn};
        insta::assert_snapshot!(table(&[Open, Answered, Defaulted, Expired, Withdrawn]));
    }
}
