//! What differs by driver.

pub(crate) mod tokio;
