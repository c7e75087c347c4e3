//! Connections are lost, but sessions are not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::client::Client;
use nuncio_shared::arcp::{
    Body, ClientError, ConnectError, FinalStatus, JobContext, Reconnect, SessionEnd, SessionEvent, Submit, Transport,
};
use nuncio_shared::auth::StaticTokens;
use serde_json::Value;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::unix::UnixStream;

use super::support::{Cut, builder, cut_websocket, memory_transport, numbers, within};

const EVENTS: u64 = 2_000;

/// Returns a policy that reconnects quickly, for tests that lose many connections.
fn quick() -> Reconnect {
    Reconnect::default().first_pause(Duration::from_micros(1)).longest_pause(Duration::from_millis(1))
}

async fn floods(_: Value, ctx: JobContext) -> Result<u64, nuncio_shared::arcp::Failure> {
    for number in 0..EVENTS {
        ctx.emit(&Body::metric("n", &number.into(), None, None)?).await?;
    }
    Ok(EVENTS)
}

#[test]
fn repeated_cuts_lose_and_repeat_nothing() {
    within(async {
        let server = builder().agent("floods", floods).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let url = listening.url().to_owned();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let connector = move || {
            // Each connection is cut within a frame, long before all events have arrived.
            let number = counted.fetch_add(1, Ordering::SeqCst);
            cut_websocket(url.clone(), 20_000 + 7_919 * (number % 5))
        };
        let client = Client::over(connector, "tok-alice").reconnect(quick()).connect().await.unwrap();
        let mut job = client.submit(&Submit::new("floods")).await.unwrap();
        assert_eq!(numbers(&mut job).await, EVENTS);
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        assert!(connections.load(Ordering::SeqCst) > 5, "{connections:?}");
    });
}

#[test]
fn a_submit_whose_answer_was_lost_is_repeated_and_runs_once() {
    within(async {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let counts = move |_: Value, _: JobContext| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        };
        let server = builder().agent("counts", counts).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        // The first connection is cut at increasing numbers of bytes: before, within and after the answer.
        for first in (700..2_200).step_by(50) {
            let before = runs.load(Ordering::SeqCst);
            let url = listening.url().to_owned();
            let mut limits = vec![usize::MAX, first];
            let connector = move || cut_websocket(url.clone(), limits.pop().unwrap_or(usize::MAX));
            let client = Client::over(connector, "tok-alice").reconnect(quick()).connect().await.unwrap();
            let mut job = client.submit(&Submit::new("counts")).await.unwrap();
            assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
            assert_eq!(runs.load(Ordering::SeqCst), before + 1, "cut after {first} bytes");
        }
        assert!(runs.load(Ordering::SeqCst) > 0);
    });
}

#[test]
fn session_events_report_losses_and_resumes() {
    within(async {
        let server = builder().agent("floods", floods).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let url = listening.url().to_owned();
        let mut limits = vec![usize::MAX, 10_000];
        let connector = move || cut_websocket(url.clone(), limits.pop().unwrap_or(usize::MAX));
        let client = Client::over(connector, "tok-alice").reconnect(quick()).connect().await.unwrap();
        let session = client.welcome().unwrap().session_id.clone();
        let mut events = client.session_events();
        let mut job = client.submit(&Submit::new("floods")).await.unwrap();
        job.outcome().await.unwrap();
        assert!(matches!(events.next().await, Some(SessionEvent::Lost(_))));
        assert!(matches!(events.next().await, Some(SessionEvent::Reconnecting { .. })));
        let Some(SessionEvent::Live(welcome)) = events.next().await else { panic!("the session is not resumed") };
        assert!(welcome.resumed);
        assert_eq!(welcome.session_id, session);
        client.close().await;
        assert!(matches!(events.next().await, Some(SessionEvent::Over(SessionEnd::Closed(_)))));
    });
}

#[test]
fn an_expired_session_ends_with_a_clear_error() {
    within(async {
        let forever = |_: Value, ctx: JobContext| async move {
            ctx.cancelled().await;
            Ok(())
        };
        let first = builder().agent("forever", forever).build().unwrap();
        let second = builder().build().unwrap();
        let (cut, at) = UnixStream::pair().unwrap();
        // The first server's connection lasts until `cut` is dropped; the next connection leads to the second server.
        let mut servers = vec![second.clone(), first.clone()];
        let mut cutter = Some(at);
        let connector = move || {
            let transport = match (servers.pop(), cutter.take()) {
                (Some(server), Some(at)) => {
                    let (ours, theirs) = UnixStream::pair().unwrap();
                    server.accept_lines(Box::pin(theirs), nuncio_shared::arcp::Via::Memory);
                    Transport::lines(Box::pin(Tied { stream: ours, at }))
                }
                (Some(server), None) => memory_transport(&server),
                (None, _) => return std::future::ready(Err(io::ErrorKind::ConnectionRefused.into())),
            };
            std::future::ready(Ok(transport))
        };
        let client = Client::over(connector, "tok-alice").reconnect(quick()).connect().await.unwrap();
        let mut job = client.submit(&Submit::new("forever")).await.unwrap();
        drop(cut);
        let end = job.outcome().await.unwrap_err();
        assert!(end.to_string().contains("RESUME_WINDOW_EXPIRED"), "{end}");
        let error = client.submit(&Submit::new("echo")).await.unwrap_err();
        assert!(matches!(error, ClientError::Ended(SessionEnd::Closed(_))), "{error}");
    });
}

#[test]
fn the_number_of_attempts_can_be_bounded() {
    within(async {
        let server = builder().build().unwrap();
        let mut left = 1;
        let connector = move || {
            if left == 0 {
                return std::future::ready(Err(io::ErrorKind::ConnectionRefused.into()));
            }
            left -= 1;
            let (ours, theirs) = UnixStream::pair().unwrap();
            server.accept_lines(Box::pin(theirs), nuncio_shared::arcp::Via::Memory);
            std::future::ready(Ok(Transport::lines(Box::pin(Cut { stream: ours, left: 10_000 }))))
        };
        let policy = quick().attempts(3);
        let client = Client::over(connector, "tok-alice").reconnect(policy).connect().await.unwrap();
        let mut events = client.session_events();
        let payload = "x".repeat(20_000);
        // The answer is longer than what the connection carries before it breaks.
        let submit = Submit::new("echo").input(&payload);
        if let Ok(mut job) = client.submit(&submit).await {
            job.outcome().await.unwrap_err();
        }
        let end = loop {
            match events.next().await {
                Some(SessionEvent::Over(end)) => break end,
                Some(_) => {}
                None => panic!("the end is not reported"),
            }
        };
        assert!(matches!(end, SessionEnd::GaveUp { attempts: 3, last: ConnectError::Io(_), .. }), "{end}");
    });
}

#[test]
fn without_reconnecting_a_lost_connection_ends_the_session() {
    within(async {
        let config =
            nuncio_shared::arcp::Config::default().with(|config| config.resume_window = Duration::from_secs(1));
        let tokens = StaticTokens::new().with("t", "p");
        let server =
            super::server::Server::builder().config(config).verifier(tokens).agent("floods", floods).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let url = listening.url().to_owned();
        let connector = move || cut_websocket(url.clone(), 10_000);
        let client = Client::over(connector, "t").reconnect(Reconnect::never()).connect().await.unwrap();
        let mut job = client.submit(&Submit::new("floods")).await.unwrap();
        let end = job.outcome().await.unwrap_err();
        assert!(matches!(end, SessionEnd::GaveUp { attempts: 0, .. }), "{end}");
    });
}

/// A stream that breaks when another one is closed.
struct Tied {
    stream: UnixStream,
    at: UnixStream,
}

impl AsyncRead for Tied {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if Pin::new(&mut self.at).poll_read(cx, &mut [0]).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tied {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[test]
fn a_pause_between_attempts_is_kept_and_ends_with_the_session() {
    within(async {
        let server = builder().build().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let connector = move || {
            if counted.fetch_add(1, Ordering::SeqCst) > 0 {
                return std::future::ready(Err(io::ErrorKind::ConnectionRefused.into()));
            }
            let (ours, theirs) = UnixStream::pair().unwrap();
            server.accept_lines(Box::pin(theirs), nuncio_shared::arcp::Via::Memory);
            std::future::ready(Ok(Transport::lines(Box::pin(Cut { stream: ours, left: 10_000 }))))
        };
        let hour = Duration::from_hours(1);
        let policy = Reconnect::default().first_pause(hour).longest_pause(hour).steady_after(hour);
        let client = Client::over(connector, "tok-alice").reconnect(policy).connect().await.unwrap();
        let mut events = client.session_events();
        let submitting = client.clone();
        let submitting = smol::spawn(async move {
            // The answer is longer than what the connection carries before it breaks.
            let mut job = submitting.submit(&Submit::new("echo").input(&"x".repeat(20_000))).await?;
            Ok::<_, ClientError>(job.outcome().await.is_err())
        });
        let pause = loop {
            match events.next().await {
                Some(SessionEvent::Reconnecting { after, .. }) if !after.is_zero() => break after,
                Some(_) => {}
                None => panic!("no pause is reported"),
            }
        };
        assert!(pause >= hour / 2, "{pause:?}");
        client.close().await;
        assert!(!matches!(submitting.await, Ok(false)), "the session ends in the pause");
        assert_eq!(calls.load(Ordering::SeqCst), 2, "the connection that was lost, and one attempt at once");
    });
}
