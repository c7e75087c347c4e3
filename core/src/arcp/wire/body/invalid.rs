//! Why an event body cannot be emitted.

use alloc::borrow::Cow;

/// An event body breaks a rule of §8.2. The sentence says which one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBody(pub(crate) Cow<'static, str>);

impl InvalidBody {
    pub(crate) fn new(sentence: impl Into<Cow<'static, str>>) -> InvalidBody {
        InvalidBody(sentence.into())
    }
}
