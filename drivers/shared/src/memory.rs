//! A transport within one process.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use nuncio_core::arcp::Via;
use nuncio_link::Link;
use piper::{Reader, Writer, pipe};

use crate::client::Transport;
use crate::server::Server;

/// Bytes that either side may be ahead.
const BUFFER: usize = 64 * 1024;

/// One end of a connection.
pub(crate) struct End {
    reader: Reader,
    writer: Writer,
}

impl End {
    /// Both ends of a connection that holds so many bytes in each direction.
    pub(crate) fn pair(bytes: usize) -> (End, End) {
        let (to, writer) = pipe(bytes);
        let (reader, from) = pipe(bytes);
        (End { reader, writer }, End { reader: to, writer: from })
    }
}

impl Server {
    /// Opens a connection within this process and returns the client's end, for a client over connections of one's own.
    pub fn connect_memory(&self) -> Transport {
        let (ours, theirs) = End::pair(BUFFER);
        let link = Link::lines(self.link_options());
        self.attach(Box::pin(ours), link, Via::Memory, "this process");
        Transport::lines(theirs)
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
