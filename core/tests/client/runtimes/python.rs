//! The runtime of the Python SDK 1.1.3, as it was recorded.

use super::{Ended, Naming, Refusal, Resume, Row, welcome_of};

pub(crate) const ROW: Row = Row {
    name: "Python",
    welcome: || welcome_of(include_str!("../../fixtures/py-runtime.jsonl")),
    naming: Naming::RequestIdOfLists,
    refusal: Refusal::SessionError,
    resume: Resume::Member,
    ended: Ended::Status,
    result: "result",
    numbers_cancelled: false,
    numbers_terminals: true,
    is_hasty: false,
    shows_owner: false,
    streams_after_resume: false,
    renews_subscriptions: false,
    traces: false,
};
