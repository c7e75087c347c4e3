//! The events that an agent emits, as builders (§8.2).
//!
//! Each file holds one builder and the method of [`JobContext`](super::JobContext) that returns it. A builder keeps what
//! it is given, also an invalid value, and reports that when it is awaited.

mod artifact;
mod level;
mod log;
mod members;
mod metric;
mod number;
mod progress;
mod status;
mod tool;

pub use artifact::Artifact;
pub use level::Level;
pub use log::Log;
pub(super) use members::json;
pub use metric::Metric;
pub use number::IntoNumber;
pub use progress::Progress;
pub use status::Status;
pub use tool::ToolCall;
