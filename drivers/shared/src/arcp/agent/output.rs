//! What an agent returns.

use nuncio_core::arcp::Json;
use serde::Serialize;

/// What an agent returns.
#[derive(Clone, Debug)]
#[must_use = "an output counts when the agent returns it"]
pub enum Output {
    /// An inline result: any JSON value.
    Inline(Box<Json>),
    /// The result was written with [`JobContext::writer`](crate::arcp::JobContext::writer), or there is none.
    Streamed {
        /// `summary` of the terminal message.
        summary: Option<String>,
    },
}

impl Output {
    /// Returns the output of an agent that has written its result with a writer.
    pub fn streamed(summary: impl Into<String>) -> Output {
        Output::Streamed { summary: Some(summary.into()) }
    }
}

/// What an agent function may return: an [`Output`], or any value that serde can write as JSON.
pub trait IntoOutput {
    /// Converts the value. The error says why it cannot be written as JSON.
    fn into_output(self) -> Result<Output, serde_json::Error>;
}

impl IntoOutput for Output {
    fn into_output(self) -> Result<Output, serde_json::Error> {
        Ok(self)
    }
}

impl<T: Serialize> IntoOutput for T {
    fn into_output(self) -> Result<Output, serde_json::Error> {
        serde_json::value::to_raw_value(&self).map(Output::Inline)
    }
}
