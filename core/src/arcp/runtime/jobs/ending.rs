//! How a job ends that waits for the jobs below it.

use alloc::string::String;

use bytes::Bytes;

use super::state::Cause;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::job::Terminal;

/// How a job ends.
#[derive(Clone, Debug)]
pub(crate) enum JobEnd {
    /// As a success with this terminal, and with the result if that is not streamed.
    Success(Terminal, Option<Bytes>),
    /// For a cause. The fault stands in the terminal of a job that ends as an error.
    Fault(Cause, Fault),
}

impl JobEnd {
    pub(super) fn held(&self) -> usize {
        match self {
            JobEnd::Success(terminal, result) => terminal.held() + result.as_ref().map_or(0, Bytes::len),
            JobEnd::Fault(_, fault) => fault.message.len() + fault.details.as_ref().map_or(0, String::len),
        }
    }
}
