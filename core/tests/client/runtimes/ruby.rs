//! The runtime of the Ruby SDK 1.0.0, as it was recorded.

use super::{Ended, Naming, Refusal, Resume, Row, welcome_of};

pub(crate) const ROW: Row = Row {
    name: "Ruby",
    welcome: || welcome_of(include_str!("../../fixtures/ruby-runtime.jsonl")),
    naming: Naming::ReplyTo,
    refusal: Refusal::JobErrorOfJob,
    resume: Resume::Token,
    ended: Ended::Terminal,
    result: "result",
    numbers_cancelled: false,
    numbers_terminals: false,
    is_hasty: true,
    shows_owner: true,
    streams_after_resume: false,
    renews_subscriptions: true,
    traces: false,
};
