//! The runtime of the TypeScript SDK 2.0.0, as it was recorded.

use super::{Ended, Naming, Refusal, Resume, Row, welcome_of};

pub(crate) const ROW: Row = Row {
    name: "TypeScript",
    welcome: || welcome_of(include_str!("../../fixtures/ts-runtime.jsonl")),
    naming: Naming::RequestIdOfLists,
    refusal: Refusal::NumberedJobError,
    resume: Resume::Member,
    ended: Ended::Status,
    result: "result",
    numbers_cancelled: false,
    numbers_terminals: true,
    is_hasty: false,
    shows_owner: false,
    streams_after_resume: true,
    renews_subscriptions: true,
    traces: true,
};
