//! Byte streams.

use nuncio_shared::io::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

/// Returns a tokio stream in the form that servers and clients take, such as
/// [`Transport::websocket`](crate::arcp::Transport::websocket) and [`Server::accept_lines`](crate::arcp::Server::accept_lines).
pub fn stream<S>(stream: S) -> Stream
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    Box::pin(stream.compat())
}
