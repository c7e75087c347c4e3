//! Helpers of this suite.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use nuncio_shared::arcp::{ClientOptions, Failure, FinalStatus, JobContext, JobHandle, Level, Submit, Transport};
use nuncio_shared::auth::StaticTokens;
use serde_json::{Value, json};
use smol::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use smol::net::TcpStream;
use smol::net::unix::UnixStream;
use smol::stream::StreamExt as _;

use super::client::Client;
use super::server::{Server, ServerBuilder};
pub(crate) use crate::on::within;

pub(crate) fn builder() -> ServerBuilder {
    let tokens = StaticTokens::new().with("tok-alice", "alice").with("tok-alice2", "alice").with("tok-bob", "bob");
    Server::builder().verifier(tokens).agent("echo", echo)
}

async fn echo(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log(Level::Info, "echo started").await?;
    Ok(json!({ "echoed": input }))
}

/// Runs a job at the server of this URL, to its success.
pub(crate) async fn echoes(url: &str) {
    let client = Client::builder(url, "tok-alice").unwrap().connect().await.unwrap();
    let mut job = client.submit(&Submit::new("echo").input(&1)).await.unwrap();
    assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
}

/// Reads the events of a job to its end, without a gap in their numbers. Returns how many metrics there were, whose values
/// count from 0.
pub(crate) async fn numbers(job: &mut JobHandle) -> u64 {
    let (mut expected, mut seq) = (0, 0);
    while let Some(event) = job.events().try_next().await.unwrap() {
        assert_eq!(event.seq, seq + 1);
        seq = event.seq;
        if event.kind.as_str() == "metric" {
            let body: Value = event.body.parse().unwrap();
            assert_eq!(body["value"], expected);
            expected += 1;
        }
    }
    expected
}

/// Connects a client in the same process.
pub(crate) async fn connect(server: &Server, token: &str) -> Client {
    Client::over(memory_connector(server), token).connect().await.unwrap()
}

/// Returns a connector that always reaches this server.
pub(crate) fn memory_connector(
    server: &Server,
) -> impl FnMut() -> std::future::Ready<io::Result<Transport>> + Send + 'static {
    let server = server.clone();
    move || std::future::ready(Ok(memory_transport(&server)))
}

/// Returns a connection in the same process.
pub(crate) fn memory_transport(server: &Server) -> Transport {
    server.connect_memory()
}

/// A stream that breaks when a given number of bytes has been read from it.
pub(crate) struct Cut<S> {
    pub(crate) stream: S,
    pub(crate) left: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = self.left.min(buffer.len());
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer.get_mut(..most).unwrap_or_default());
        if let Poll::Ready(Ok(count)) = read {
            self.left -= count;
        }
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

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Opens a WebSocket that breaks when a given number of bytes has been read from it.
pub(crate) async fn cut_websocket(url: String, left: usize) -> io::Result<Transport> {
    let options = ClientOptions::new(&url).map_err(io::Error::other)?;
    let stream = TcpStream::connect((options.host(), options.port())).await?;
    Ok(Transport::websocket(Box::pin(Cut { stream, left }), options))
}

/// A connector to a runtime that welcomes every client, accepts every submit as the next of `job_1`, `job_2` …, and then
/// sends these frames for the job. A job that is subscribed to has succeeded. Its frames come before the answer, as those of
/// the Python runtime do.
pub(crate) fn scripted(
    frames: &[&'static str],
) -> impl FnMut() -> std::future::Ready<io::Result<Transport>> + Send + 'static {
    let frames = frames.to_vec();
    move || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        smol::spawn(play(theirs, frames.clone())).detach();
        std::future::ready(Ok(Transport::lines(Box::pin(ours))))
    }
}

async fn play(mut stream: UnixStream, frames: Vec<&str>) -> io::Result<()> {
    let mut lines = BufReader::new(stream.clone()).lines();
    let (mut jobs, mut seq) = (0, 0);
    while let Some(line) = lines.next().await {
        let frame: Value = serde_json::from_str(&line?)?;
        let mut answers = Vec::new();
        match frame["type"].as_str() {
            // It has none of our own features, so that the client does not take it for Nuncio's runtime.
            Some("session.hello") => answers.push(json!({
                "type": "session.welcome", "session_id": "sess_1",
                "payload": {"session_id": "sess_1", "runtime": {"name": "scripted", "version": "1"},
                    "resume_token": "rt_1", "capabilities": {"features": ["subscribe", "result_chunk"]}},
            })),
            Some("job.submit") => {
                jobs += 1;
                let id = format!("job_{jobs}");
                answers.push(json!({
                    "type": "job.accepted", "job_id": id, "payload": {"job_id": id, "request_id": frame["id"]},
                }));
                answers.extend(numbered(&frames, &json!(id), &mut seq));
            }
            Some("job.subscribe") => {
                let id = &frame["payload"]["job_id"];
                answers.extend(numbered(&frames, id, &mut seq));
                answers.push(json!({
                    "type": "job.subscribed", "job_id": id,
                    "payload": {"job_id": id, "request_id": frame["id"], "current_status": "success"},
                }));
            }
            _ => {}
        }
        for mut answer in answers {
            answer["arcp"] = json!("1.1");
            answer["id"] = json!("1");
            stream.write_all(format!("{answer}\n").as_bytes()).await?;
        }
    }
    Ok(())
}

/// Returns frames with the id of their job and the next numbers.
fn numbered(frames: &[&str], job: &Value, seq: &mut u64) -> Vec<Value> {
    let numbered = frames.iter().map(|frame| {
        let mut frame: Value = serde_json::from_str(frame).unwrap();
        *seq += 1;
        frame["job_id"] = job.clone();
        frame["event_seq"] = json!(*seq);
        frame
    });
    numbered.collect()
}
