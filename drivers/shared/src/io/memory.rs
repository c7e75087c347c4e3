//! Streams within one process.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use piper::{Reader, Writer, pipe};

/// One end of a stream.
pub(crate) struct End {
    reader: Reader,
    writer: Writer,
}

impl End {
    /// Returns both ends of a stream that buffers this many bytes in each direction.
    pub(crate) fn pair(bytes: usize) -> (End, End) {
        let (to, writer) = pipe(bytes);
        let (reader, from) = pipe(bytes);
        (End { reader, writer }, End { reader: to, writer: from })
    }
}

impl AsyncRead for End {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl AsyncWrite for End {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};

    use super::*;

    #[test]
    fn an_end_that_is_closed_can_still_read() {
        let (mut ours, mut theirs) = End::pair(16);
        let done: io::Result<()> = future::block_on(async {
            ours.write_all(b"question").await?;
            ours.flush().await?;
            ours.close().await?;
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).await?;
            assert_eq!(read, b"question");
            theirs.write_all(b"answer").await?;
            drop(theirs);
            let mut read = Vec::new();
            ours.read_to_end(&mut read).await?;
            assert_eq!(read, b"answer");
            Ok(())
        });
        assert!(done.is_ok(), "{done:?}");
    }
}
