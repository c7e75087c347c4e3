//! Byte streams.

use nuncio_shared::io::Stream;
use smol::io::{AsyncRead, AsyncWrite};

/// Returns a smol stream in the form that servers and clients take, such as
/// [`Transport::websocket`](crate::arcp::Transport::websocket) and [`Server::accept_lines`](crate::arcp::Server::accept_lines).
pub fn stream<S>(stream: S) -> Stream
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    Box::pin(stream)
}
