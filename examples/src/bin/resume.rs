//! A TCP connection is cut in the middle of a job. The client resumes, and every event arrives once and in order.
//!
//! `cargo run -p nuncio-examples --bin resume`

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use nuncio_tokio::arcp::{Client, Failure, FinalStatus, JobContext, Server, SessionEvent, Submit, Update};
use nuncio_tokio::auth::StaticTokens;
use tokio::io::{AsyncReadExt, copy};
use tokio::net::{TcpListener, TcpStream};

const EVENTS: u64 = 1_000;
/// A number of bytes that ends inside a frame.
const CUT_AFTER: u64 = 100_003;

async fn count((): (), ctx: JobContext) -> Result<u64, Failure> {
    for number in 0..EVENTS {
        ctx.metric("number", number).await?;
    }
    Ok(EVENTS)
}

/// Forwards everything, but cuts the first connection after `CUT_AFTER` bytes to the client.
async fn proxy(listener: TcpListener, server: SocketAddr) -> io::Result<()> {
    let mut limit = CUT_AFTER;
    loop {
        let (mut client, _) = listener.accept().await?;
        let mut server = TcpStream::connect(server).await?;
        let (from_client, mut to_client) = client.split();
        let (from_server, mut to_server) = server.split();
        let (mut up, mut down) = (from_client, from_server.take(limit));
        tokio::select! {
            _ = copy(&mut down, &mut to_client) => println!("the connection ends"),
            _ = copy(&mut up, &mut to_server) => println!("the client ends it"),
        }
        limit = u64::MAX;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("count", count).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/arcp", listener.local_addr()?);
    tokio::spawn(proxy(listener, listening.address()));

    let client = Client::builder(&url, "secret")?.connect().await?;
    let mut session = client.session_events();
    let mut job = client.submit(&Submit::new("count")).await?;
    let (mut seq, mut numbers) = (0, Vec::new());
    while let Some(update) = job.try_next().await? {
        let Update::Event(event) = update else { continue };
        assert_eq!(event.seq, seq + 1, "no gap and no repeat in the session's numbering");
        seq = event.seq;
        if event.kind.as_str() == "metric" {
            let body: serde_json::Value = event.body.parse()?;
            numbers.push(body["value"].as_u64());
        }
    }
    let outcome = job.outcome().await?;
    client.close().await;

    let mut resumed = 0;
    while let Some(event) = session.next().await {
        resumed += usize::from(matches!(event, SessionEvent::Live(welcome) if welcome.resumed));
    }
    println!("{} events, resumed {resumed} time(s)", numbers.len());
    assert_eq!(resumed, 1, "the session was resumed once");
    assert!(numbers.into_iter().eq((0..EVENTS).map(Some)), "every event arrives once, in order");
    assert_eq!(outcome.status, FinalStatus::Success);
    Ok(())
}
