//! Values of an application that are sent as JSON, and why one of them cannot be.

use std::sync::Arc;

use nuncio_core::arcp::Json;
use serde::Serialize;

/// A value given to a [`Submit`](crate::arcp::Submit) or [`Delegation`](crate::arcp::Delegation) that cannot be written as
/// JSON. Nothing was sent.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the {member} cannot be written as JSON: {source}")]
pub struct InvalidValue {
    member: &'static str,
    source: Arc<serde_json::Error>,
}

impl InvalidValue {
    /// The member of the request that the value was for: `input`, `lease`, `lease constraints` or `extensions`.
    pub fn member(&self) -> &'static str {
        self.member
    }
}

/// The first invalid value given to a builder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invalid(Option<InvalidValue>);

impl Invalid {
    /// Writes a value as JSON, or keeps the reason why that fails.
    pub(crate) fn json(&mut self, member: &'static str, value: &(impl Serialize + ?Sized)) -> Option<Box<Json>> {
        match serde_json::value::to_raw_value(value) {
            Ok(json) => Some(json),
            Err(error) => {
                self.0.get_or_insert_with(|| InvalidValue { member, source: Arc::new(error) });
                None
            }
        }
    }

    /// Returns an object with another member, in place of one of this name, or keeps the reason why that fails.
    #[cfg(feature = "caracal")]
    pub(crate) fn with_member(
        &mut self,
        member: &'static str,
        object: Option<&Json>,
        name: &str,
        value: &Json,
    ) -> Option<Box<Json>> {
        match serde_json::from_str::<std::collections::BTreeMap<String, &Json>>(object.map_or("{}", Json::get)) {
            Ok(mut members) => {
                members.insert(name.to_owned(), value);
                self.json(member, &members)
            }
            Err(error) => {
                self.0.get_or_insert_with(|| InvalidValue { member, source: Arc::new(error) });
                None
            }
        }
    }

    /// Returns the error that was kept.
    pub(crate) fn check(&self) -> Result<(), InvalidValue> {
        self.0.clone().map_or(Ok(()), Err)
    }
}
