//! Standard input and output.

use std::io::{self, Stdin, Stdout};
use std::pin::Pin;
use std::task::{Context, Poll};

use nuncio_shared::io::Stream;
use smol::Unblock;
use smol::io::{AsyncRead, AsyncWrite};

use crate::stream;

/// Returns stdin and stdout as one stream.
pub(crate) fn stdio() -> Stream {
    stream(Stdio { input: Unblock::new(io::stdin()), output: Unblock::new(io::stdout()) })
}

struct Stdio {
    input: Unblock<Stdin>,
    output: Unblock<Stdout>,
}

impl AsyncRead for Stdio {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.output).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_close(cx)
    }
}
