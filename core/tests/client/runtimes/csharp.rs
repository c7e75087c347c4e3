//! The runtime of the C# SDK 1.0.0, as its source shows it.

use super::{Ended, Naming, Refusal, Resume, Row, welcome_of};

pub(crate) const ROW: Row = Row {
    name: "C#",
    welcome: || welcome_of(include_str!("../../fixtures/csharp-runtime.jsonl")),
    naming: Naming::RequestIdOfLists,
    refusal: Refusal::SessionError,
    resume: Resume::TopLevel,
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
