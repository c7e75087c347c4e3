//! Results that are streamed (§8.4).

use nuncio_core::arcp::{Chunk, Refused};

use super::context::JobContext;

/// Streams a job's result in pieces, which the runtime cuts into chunks. From [`JobContext::writer`].
///
/// Text and bytes can be mixed. All chunks of a result have one encoding, which the first piece decides, unless bytes that
/// are not UTF-8 follow text. The clients of the Go and Java SDKs refuse a result of two encodings: an agent that writes
/// such bytes after text calls [`binary`](ResultWriter::binary) first.
///
/// Several writers of one job continue one stream. If the last writer is dropped without
/// [`finish`](ResultWriter::finish), the runtime ends the stream when the agent returns.
///
/// Every method waits while the owner's event log is full. If its future is dropped while it waits, a part may have been
/// written.
///
/// ```
/// # use nuncio_shared::arcp::{Failure, JobContext, Output};
/// async fn story(chapters: Vec<String>, ctx: JobContext) -> Result<Output, Failure> {
///     let mut writer = ctx.writer();
///     for chapter in &chapters {
///         writer.write_text(chapter).await?;
///     }
///     writer.finish().await?;
///     Ok(Output::streamed(format!("a story of {} chapters", chapters.len())))
/// }
/// # use nuncio_smol::arcp::{Client, Server, Submit};
/// # use nuncio_smol::auth::StaticTokens;
/// # smol::block_on(async {
/// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("story", story).build()?;
/// # let client = Client::over(server.memory_connector(), "secret").connect().await?;
/// # let mut job = client.submit(&Submit::new("story").input(&["once upon ", "a time"])).await?;
/// # assert_eq!(job.collect(1_000).await?.text(), Some("once upon a time"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "a writer writes nothing by itself"]
pub struct ResultWriter {
    ctx: JobContext,
}

impl JobContext {
    /// Returns a writer for the job's result (§8.4). The agent returns [`Output::Streamed`](crate::arcp::Output::Streamed)
    /// afterwards. A session that has not negotiated chunks receives the result inline.
    pub fn writer(&self) -> ResultWriter {
        ResultWriter { ctx: self.clone() }
    }
}

impl ResultWriter {
    /// Says that bytes will be written, so that text before them is sent in their encoding. It has no effect once
    /// something was written.
    pub async fn binary(&mut self) -> Result<(), Refused> {
        self.bytes(b"", false).await
    }

    /// Writes text.
    pub async fn write_text(&mut self, text: &str) -> Result<(), Refused> {
        if text.is_empty() { Ok(()) } else { self.text(text, false).await }
    }

    /// Writes bytes.
    pub async fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        if bytes.is_empty() { Ok(()) } else { self.bytes(bytes, false).await }
    }

    /// Writes the last text and ends the stream with its chunk.
    pub async fn finish_text(mut self, text: &str) -> Result<(), Refused> {
        self.text(text, true).await
    }

    /// Writes the last bytes and ends the stream with their chunk.
    pub async fn finish_bytes(mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.bytes(bytes, true).await
    }

    /// Ends the stream with an empty chunk.
    pub async fn finish(mut self) -> Result<(), Refused> {
        self.text("", true).await
    }

    async fn text(&mut self, mut text: &str, last: bool) -> Result<(), Refused> {
        loop {
            let written = self.ctx.write_chunk(Chunk::Text(text), last).await?;
            text = text.get(written..).unwrap_or_default();
            if text.is_empty() {
                return Ok(());
            }
        }
    }

    async fn bytes(&mut self, mut bytes: &[u8], last: bool) -> Result<(), Refused> {
        loop {
            let written = self.ctx.write_chunk(Chunk::Bytes(bytes), last).await?;
            bytes = bytes.get(written..).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }
}
