//! The members of a JSON object that a builder collects.

use std::borrow::Cow;

use nuncio_core::arcp::{Json, Refused};
use serde::{Serialize, Serializer};

/// An object whose values were given one by one, or the first of them that JSON cannot write.
#[derive(Debug)]
pub(super) struct Members<'a>(Result<Object<'a>, Refused>);

#[derive(Debug, Default)]
struct Object<'a>(Vec<(&'a str, Box<Json>)>);

impl<'a> Members<'a> {
    pub(super) fn new() -> Members<'a> {
        Members(Ok(Object::default()))
    }

    /// Sets a member. A value that was given before for the same name is replaced.
    pub(super) fn set(&mut self, name: &'a str, value: &impl Serialize) {
        let Ok(Object(members)) = &mut self.0 else { return };
        match json(value) {
            Ok(value) => match members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => *old = value,
                None => members.push((name, value)),
            },
            Err(refused) => self.0 = Err(refused),
        }
    }

    /// Returns the object, or `None` if it has no members.
    pub(super) fn object(self) -> Result<Option<Box<Json>>, Refused> {
        let object = self.0?;
        if object.0.is_empty() { Ok(None) } else { json(&object).map(Some) }
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Writes a value as JSON.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> Result<Box<Json>, Refused> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| Refused::Invalid(Cow::Owned(format!("the value cannot be written as JSON: {error}"))))
}
