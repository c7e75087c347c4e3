//! What judging a rule finds.

use std::fmt;

use serde::Serialize;

/// How binding a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// The specification says MUST, MUST NOT or REQUIRED.
    Must,
    /// The specification says SHOULD.
    Should,
    /// The specification describes it, without a key word.
    Described,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::Described => "described",
        })
    }
}

/// Why a rule is not passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The peer breaks the rule; what it did.
    Broken(String),
    /// The rule cannot be judged, because the peer does not offer what it is about.
    NotOffered(String),
}

/// The result of judging a rule, or of one step on the way.
pub(super) type Judged<T = ()> = Result<T, Finding>;

/// Returns the finding that the rule is broken.
pub(super) fn broken<T>(what: impl Into<String>) -> Judged<T> {
    Err(Finding::Broken(what.into()))
}

/// Returns the finding that the rule cannot be judged.
pub(super) fn not_offered<T>(what: impl Into<String>) -> Judged<T> {
    Err(Finding::NotOffered(what.into()))
}

/// Finds the rule broken unless the condition holds.
pub(super) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Judged {
    if holds { Ok(()) } else { broken(otherwise()) }
}
