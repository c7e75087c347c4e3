//! The runtime of the Java SDK 1.0.0, as it was recorded.

use super::{Ended, Naming, Refusal, Resume, Row, welcome_of};

pub(crate) const ROW: Row = Row {
    name: "Java",
    welcome: || welcome_of(include_str!("../../fixtures/java-runtime.jsonl")),
    naming: Naming::RequestIdOfLists,
    refusal: Refusal::JobErrorById,
    resume: Resume::TopLevel,
    ended: Ended::Status,
    result: "result",
    numbers_cancelled: true,
    numbers_terminals: true,
    is_hasty: false,
    shows_owner: false,
    streams_after_resume: true,
    renews_subscriptions: true,
    traces: false,
};
