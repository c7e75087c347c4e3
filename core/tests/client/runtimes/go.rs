//! The runtime of the Go SDK 1.1.0, as it was recorded.

use super::{Ended, Naming, Refusal, Resume, Row, welcome_of};

pub(crate) const ROW: Row = Row {
    name: "Go",
    welcome: || welcome_of(include_str!("../../fixtures/go-runtime.jsonl")),
    naming: Naming::RequestIdOfSome,
    refusal: Refusal::SessionError,
    resume: Resume::Member,
    ended: Ended::Forgotten,
    result: "output",
    numbers_cancelled: true,
    numbers_terminals: true,
    is_hasty: false,
    shows_owner: false,
    streams_after_resume: true,
    renews_subscriptions: true,
    traces: true,
};
