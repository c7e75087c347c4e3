//! Headers, answers and a coordinator of Caracal.

mod answers;
mod coordinator;
mod headers;

pub use answers::caracal_answers;
pub use coordinator::caracal_coordinator;
pub use headers::{caracal_baggage, caracal_headers};
