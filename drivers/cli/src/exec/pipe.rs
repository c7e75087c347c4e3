//! The pipes that a program writes to.

use std::time::Duration;

use nuncio_tokio::io::CancellationToken;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tracing::debug;

/// Bytes that are read at once.
const READ_BUFFER: usize = 16 * 1024;
/// How long the pipes are read after the program's end, while a process that has left its group holds them open.
const PIPE_TIMEOUT: Duration = Duration::from_secs(1);

/// A pipe of the program, which is read to its end, or until it should have ended.
pub(crate) struct Pipe<R> {
    input: R,
    ended: CancellationToken,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    pub(crate) fn new(input: R, ended: CancellationToken) -> Pipe<R> {
        Pipe { input, ended, buffer: vec![0; READ_BUFFER] }
    }

    /// Reads the next bytes; none at the end.
    pub(crate) async fn read(&mut self) -> &[u8] {
        let Pipe { input, ended, buffer } = self;
        let read = tokio::select! {
            biased;
            read = input.read(buffer) => read.unwrap_or_else(|error| {
                debug!(%error, "a pipe of the program cannot be read");
                0
            }),
            () = async { ended.cancelled().await; tokio::time::sleep(PIPE_TIMEOUT).await } => 0,
        };
        &self.buffer[..read]
    }
}
