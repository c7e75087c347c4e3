//! Topics on the command line.

use nuncio_core::cap::Topic;

/// Parses a topic that jobs may have.
pub(crate) fn parse(text: &str) -> Result<Topic, String> {
    Topic::new(text).map_err(|error| format!("the topic {text:?} cannot be used: {error}"))
}
