//! The bytes and lines that a program writes to its pipes.

use std::ops::Range;
use std::time::Duration;

use nuncio_tokio::io::CancellationToken;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tracing::debug;

use super::lines::{Line, LineSplitter};

/// Bytes that are read at once.
const READ_BUFFER: usize = 16 * 1024;
/// How long the pipes are read after the program's end, while a process that has left its group holds them open.
const PIPE_TIMEOUT: Duration = Duration::from_secs(1);

/// The bytes of a pipe of the program, which is read to its end, or until it should have ended.
pub(crate) struct PipeBytes<R> {
    input: R,
    ended: CancellationToken,
    buffer: Vec<u8>,
}

/// The lines of a pipe of the program.
pub(crate) struct PipeLines<R> {
    pipe: PipeBytes<R>,
    splitter: LineSplitter,
    /// The bytes of the buffer that are not split yet.
    rest: Range<usize>,
    is_at_end: bool,
}

impl<R: AsyncRead + Unpin> PipeLines<R> {
    pub(crate) fn new(input: R, ended: CancellationToken, splitter: LineSplitter) -> PipeLines<R> {
        PipeLines { pipe: PipeBytes::new(input, ended), splitter, rest: 0..0, is_at_end: false }
    }

    /// Returns the next line, or `None` at the end. Nothing is read while the caller does not ask.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        loop {
            let mut bytes = &self.pipe.buffer[self.rest.clone()];
            let line = self.splitter.next(&mut bytes);
            self.rest.start = self.rest.end - bytes.len();
            if line.is_some() {
                return line;
            }
            if self.is_at_end {
                return self.splitter.finish();
            }
            let count = self.pipe.read().await;
            self.rest = 0..count;
            self.is_at_end = count == 0;
        }
    }
}

impl<R: AsyncRead + Unpin> PipeBytes<R> {
    pub(crate) fn new(input: R, ended: CancellationToken) -> PipeBytes<R> {
        PipeBytes { input, ended, buffer: vec![0; READ_BUFFER] }
    }

    /// Returns the next bytes, or `None` at the end. Nothing is read while the caller does not ask.
    pub(crate) async fn next(&mut self) -> Option<&[u8]> {
        let count = self.read().await;
        self.buffer.get(..count).filter(|bytes| !bytes.is_empty())
    }

    /// Reads the next bytes into the buffer. Returns how many there are; none at the end.
    async fn read(&mut self) -> usize {
        let PipeBytes { input, ended, buffer } = self;
        tokio::select! {
            biased;
            read = input.read(buffer) => read.unwrap_or_else(|error| {
                debug!(%error, "a pipe of the program cannot be read");
                0
            }),
            () = async { ended.cancelled().await; tokio::time::sleep(PIPE_TIMEOUT).await } => 0,
        }
    }
}
