//! Standard input and output as a transport (§4).

use std::io::{self, Stdin, Stdout};
use std::pin::Pin;
use std::task::{Context, Poll};

use nuncio_shared::arcp::Via;
use smol::Unblock;
use smol::io::{AsyncRead, AsyncWrite};

use crate::arcp::Server;

impl Server {
    /// Serves the parent process on this one's stdin and stdout, until stdin ends.
    ///
    /// Nothing else may be written to stdout: let logs go to stderr.
    pub async fn serve_stdio(&self) {
        let stdio = Stdio { input: Unblock::new(io::stdin()), output: Unblock::new(io::stdout()) };
        self.accept_lines(stdio, Via::Stdio).ended().await;
    }
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
