//! The payloads that a runtime sends, as a client reads them.
//!
//! The deployed runtimes differ in names, types and optional members. Reading is therefore lenient: unknown members are
//! ignored, and a member of an unexpected type counts as absent ([`Maybe`]).

mod chunk;
mod control;
mod error;
mod event;
mod grant;
mod jobs;
mod maybe;
mod question;
mod quote;
mod raw;
mod rotation;
mod sessions;
mod terminal;
mod welcome;

pub(crate) use self::chunk::{ResultChunk, decode_base64};
pub(crate) use self::control::{Cancelled, Ping};
pub(crate) use self::error::Error;
pub use self::error::RemoteFault;
pub use self::event::EventKind;
pub(crate) use self::event::{EventFrame, Timestamp};
pub(crate) use self::grant::Grant;
pub use self::grant::{Accepted, Subscribed};
pub(crate) use self::jobs::Jobs;
pub use self::jobs::{JobPage, JobRow, ListedEnd};
pub(crate) use self::maybe::{Maybe, payload};
pub(crate) use self::question::{Answered, Questions};
pub use self::question::{AnsweredQuestion, AskedQuestion, OpenQuestion, QuestionOutcome, QuestionPage};
pub(crate) use self::quote::Quote;
pub use self::raw::Raw;
pub use self::rotation::Rotation;
pub(crate) use self::sessions::Sessions;
pub use self::sessions::{SessionPage, SessionRow};
pub(crate) use self::terminal::Terminal;
pub use self::welcome::AgentInfo;
pub(crate) use self::welcome::{Welcome, has_timestamp};
