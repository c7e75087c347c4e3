//! What the tests of this driver share.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "every test program uses a part of it")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_tokio::{Client, ClientOptions, Failure, JobContext, Server, ServerBuilder, StaticTokens, Transport};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Fails a test that would hang. No test depends on how long anything takes.
pub async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), test).await.expect("the test hangs")
}

pub fn builder() -> ServerBuilder {
    let tokens = StaticTokens::new().with("tok-alice", "alice").with("tok-alice2", "alice").with("tok-bob", "bob");
    Server::builder().verifier(tokens).agent("echo", echo)
}

async fn echo(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log("info", "echo started").await?;
    Ok(json!({ "echoed": input }))
}

/// A client in the same process.
pub async fn connect(server: &Server, token: &str) -> Client {
    Client::over(server.memory_connector(), token).connect().await.expect("the session opens")
}

/// A stream that breaks once so many bytes were read from it.
pub struct Cut<S> {
    pub stream: S,
    pub left: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut part = buffer.take(self.left);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        let count = part.filled().len();
        // What was read lies in the buffer's own memory; it only has to be told how much.
        let bytes = part.filled().to_vec();
        buffer.put_slice(&bytes);
        self.left -= count;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A WebSocket that breaks once so many bytes were read from it.
pub async fn cut_websocket(url: String, left: usize) -> io::Result<Transport> {
    let options = ClientOptions::new(&url).map_err(io::Error::other)?;
    let stream = TcpStream::connect((options.host(), options.port())).await?;
    Ok(Transport::websocket(Cut { stream, left }, options))
}
