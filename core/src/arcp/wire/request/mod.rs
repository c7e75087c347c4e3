//! The frames that a client sends: `session.hello` to `session.close`, `job.submit` to `job.unsubscribe` (§6, §7), and ours:
//! two about questions, and one about the state of the runtime.

pub(crate) mod args;
pub(crate) mod capabilities;
mod read;
pub(crate) mod write;

pub(crate) use self::read::{
    Ack, AnswerQuestion, Auth, Cancel, Capabilities, Close, Constraints, Hello, ListFilter, ListJobs, ListQuestions,
    ListSessions, Optional, Ping, ReadStatus, Resume, Submit, Subscribe, Unsubscribe, blame, decode, decode_owned,
    job_id,
};
