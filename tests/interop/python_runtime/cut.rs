//! Drop and resume, as far as the Python runtime supports them: it replays jobs that have ended, but kills running ones.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use nuncio_tokio::arcp::{Client, ClientOptions, ListQuery, Submit, Transport};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Peer, inline, read_all, with_python};

/// How much a connection lets its reader read.
enum Flow {
    /// Everything.
    Open,
    /// Nothing. Holds the waker of the waiting reader.
    Held(Option<Waker>),
    /// This many more bytes, then a connection reset.
    Left(usize),
}

/// A stream whose reading can be paused and cut off.
struct Fuse {
    stream: TcpStream,
    flow: Arc<Mutex<Flow>>,
}

impl AsyncRead for Fuse {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let fuse = &mut *self;
        let mut flow = fuse.flow.lock().unwrap();
        match &mut *flow {
            Flow::Open => Pin::new(&mut fuse.stream).poll_read(cx, buffer),
            Flow::Held(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Flow::Left(0) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Flow::Left(left) => {
                let mut bytes = vec![0; (*left).min(buffer.remaining())];
                let mut part = ReadBuf::new(&mut bytes);
                let read = Pin::new(&mut fuse.stream).poll_read(cx, &mut part);
                buffer.put_slice(part.filled());
                *left -= part.filled().len();
                read
            }
        }
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
        let flow = Arc::new(Mutex::new(Flow::Open));
        let fuse = Arc::clone(&flow);
        let connector = move || {
            let (options, flow) = (ClientOptions::new(&url).map_err(io::Error::other), Arc::clone(&fuse));
            async move {
                let options = options?;
                let stream = TcpStream::connect((options.host(), options.port())).await?;
                // Every new connection starts open.
                *flow.lock().unwrap() = Flow::Open;
                Ok(Transport::websocket(nuncio_tokio::stream(Fuse { stream, flow }), options))
            }
        };
        let client = Client::over(connector, "tok-alice").connect().await.unwrap();
        *flow.lock().unwrap() = Flow::Held(None);
        let submitting = tokio::spawn({
            let client = client.clone();
            async move { client.submit(&Submit::new("echo").input(&json!(1))).await.unwrap() }
        });
        // That runtime kills the jobs of a broken session, so the job has to end first; another session shows when.
        let ended = ListQuery { status: vec!["success".into()], ..ListQuery::default() };
        while peer.client.list(&ended).await.unwrap().jobs.is_empty() {}
        // Lets `job.accepted` through, and a part of the event that follows it.
        let held = std::mem::replace(&mut *flow.lock().unwrap(), Flow::Left(600));
        if let Flow::Held(Some(waker)) = held {
            waker.wake();
        }
        let (events, outcome) = read_all(submitting.await.unwrap()).await;
        assert_eq!(events.iter().filter(|(kind, _)| kind == "log").count(), 1, "the event arrives once: {events:?}");
        assert_eq!(inline(&outcome), json!({"echoed": 1}));
        // The replay may arrive before the welcome; an answer does not.
        client.list(&ListQuery::default()).await.unwrap();
        assert!(client.welcome().unwrap().resumed, "the session was resumed");
    });
}
