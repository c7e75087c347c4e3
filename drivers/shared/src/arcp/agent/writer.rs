//! Results that are streamed (§8.4).

use nuncio_core::arcp::{Chunk, Refused};

use crate::arcp::agent::context::JobContext;

/// Streams a job's result in pieces; the runtime cuts them into chunks. From [`JobContext::writer`].
///
/// Text and bytes can be mixed. A writer that is dropped without [`finish`](ResultWriter::finish) leaves the stream
/// open, and the runtime ends it when the agent returns; several writers of one job continue one stream.
#[derive(Debug)]
pub struct ResultWriter {
    ctx: JobContext,
}

impl ResultWriter {
    pub(crate) fn new(ctx: JobContext) -> ResultWriter {
        ResultWriter { ctx }
    }

    /// Writes text; waits while the owner's log is full. Dropped while it waits, a part may have been written.
    pub async fn write_text(&mut self, text: &str) -> Result<(), Refused> {
        if text.is_empty() { Ok(()) } else { self.text(text, false).await }
    }

    /// Writes bytes; waits while the owner's log is full. Dropped while it waits, a part may have been written.
    pub async fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        if bytes.is_empty() { Ok(()) } else { self.bytes(bytes, false).await }
    }

    /// Writes the last text: no empty chunk is needed after it.
    pub async fn finish_text(mut self, text: &str) -> Result<(), Refused> {
        self.text(text, true).await
    }

    /// Writes the last bytes: no empty chunk is needed after them.
    pub async fn finish_bytes(mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.bytes(bytes, true).await
    }

    /// Ends the stream.
    pub async fn finish(mut self) -> Result<(), Refused> {
        self.text("", true).await
    }

    async fn text(&mut self, mut text: &str, last: bool) -> Result<(), Refused> {
        loop {
            let written = self.chunk(Chunk::Text(text), last).await?;
            text = text.get(written..).unwrap_or_default();
            if text.is_empty() {
                return Ok(());
            }
        }
    }

    async fn bytes(&mut self, mut bytes: &[u8], last: bool) -> Result<(), Refused> {
        loop {
            let written = self.chunk(Chunk::Bytes(bytes), last).await?;
            bytes = bytes.get(written..).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    async fn chunk(&self, chunk: Chunk<'_>, last: bool) -> Result<usize, Refused> {
        self.ctx.breathe().await;
        self.ctx.unblocked(|| self.ctx.write_chunk(chunk, last), |refused| matches!(refused, Refused::Blocked)).await
    }
}
