//! What differs by driver.

pub(crate) mod smol;
pub(crate) mod tokio;
