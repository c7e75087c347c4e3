//! `session.ping` and `job.cancelled`.

use serde::Deserialize;

use super::maybe::Maybe;
use crate::json::Text;

/// A `session.ping` (§6.4).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ping<'a> {
    #[serde(borrow)]
    pub(crate) nonce: Maybe<Text<'a>>,
}

/// A `job.cancelled` (§7.4).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cancelled<'a> {
    #[serde(borrow)]
    pub(crate) job_id: Maybe<Text<'a>>,
}
