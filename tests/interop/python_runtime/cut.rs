//! A drop and a resume, as far as that runtime can do one: a job that has ended is replayed; one that runs dies there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use nuncio_tokio::{Client, ClientOptions, Submit, Transport};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Peer, all, inline, with_python};

/// A stream that breaks when the bytes left to read are used up.
struct Fuse {
    stream: TcpStream,
    left: Arc<AtomicUsize>,
}

impl AsyncRead for Fuse {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut bytes = vec![0; left.min(buffer.remaining())];
        let mut part = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        buffer.put_slice(part.filled());
        self.left.fetch_sub(part.filled().len(), Ordering::SeqCst);
        read
    }
}

impl AsyncWrite for Fuse {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[test]
fn an_ended_job_is_replayed_after_a_cut() {
    with_python("an_ended_job_is_replayed_after_a_cut", async {
        let peer = Peer::new(&[]).await;
        let url = peer.server.url().to_owned();
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let fuse = Arc::clone(&left);
        let connector = move || {
            let (options, left) = (ClientOptions::new(&url).map_err(io::Error::other), Arc::clone(&fuse));
            async move {
                let options = options?;
                let stream = TcpStream::connect((options.host(), options.port())).await?;
                // The next connection is whole.
                left.store(usize::MAX, Ordering::SeqCst);
                Ok(Transport::websocket(Fuse { stream, left }, options))
            }
        };
        let client = Client::over(connector, "tok-alice").connect().await.unwrap();
        // That runtime writes job.accepted, the only event and the result of an echo in one go. The cut comes within the
        // event, when they are all written.
        left.store(600, Ordering::SeqCst);
        let job = client.submit(&Submit::new("echo").input(&json!(1)).unwrap()).await.unwrap();
        let (events, outcome) = all(job).await;
        assert_eq!(events.iter().filter(|(kind, _)| kind == "log").count(), 1, "once: {events:?}");
        assert_eq!(inline(&outcome), json!({"echoed": 1}));
        assert!(client.welcome().unwrap().resumed, "it was resumed");
    });
}
