//! A connection dies silently, as when a cable is pulled. Heartbeats detect it, and the session resumes on another.
//!
//! `cargo run -p nuncio-examples --bin heartbeat`

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nuncio_tokio::arcp::{
    Client, Config, Failure, FinalStatus, JobContext, Level, LostReason, Server, SessionEvent, Submit,
};
use nuncio_tokio::auth::StaticTokens;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A proxy. When `pull` is notified, it stops forwarding the current connection without closing it.
async fn cable(listener: TcpListener, server: SocketAddr, pull: Arc<Notify>) -> io::Result<()> {
    let mut dead = Vec::new();
    loop {
        let (mut client, _) = listener.accept().await?;
        let mut server = TcpStream::connect(server).await?;
        tokio::select! {
            ended = copy_bidirectional(&mut client, &mut server) => println!("a connection ends: {ended:?}"),
            () = pull.notified() => dead.push((client, server)),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let proceed = Arc::new(Notify::new());
    let waiting = Arc::clone(&proceed);
    let patient = move |(): (), ctx: JobContext| {
        let proceed = Arc::clone(&waiting);
        async move {
            ctx.log(Level::Info, "before").await?;
            proceed.notified().await;
            ctx.log(Level::Info, "after").await?;
            Ok::<_, Failure>(())
        }
    };
    // The server sets the interval. After two silent intervals either side drops the connection. The default is 30 s.
    let config = Config::default().with(|config| config.heartbeat_interval = Duration::from_secs(1));
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().config(config).verifier(tokens).agent("patient", patient).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/arcp", listener.local_addr()?);
    let pull = Arc::new(Notify::new());
    tokio::spawn(cable(listener, listening.address(), Arc::clone(&pull)));

    let client = Client::builder(&url, "secret")?.connect().await?;
    assert_eq!(client.welcome().and_then(|welcome| welcome.heartbeat_interval_sec), Some(1));
    let mut session = client.session_events();
    let mut job = client.submit(&Submit::new("patient")).await?;
    while job.events().try_next().await?.is_some_and(|event| !event.body.as_str().contains("before")) {}

    pull.notify_one();
    // The client resumes without help. A program that shows its connection state to users reads these events.
    let mut story = Vec::new();
    while let Some(event) = session.next().await {
        println!("{event:?}");
        match event {
            SessionEvent::Lost(reason) => story.push(matches!(reason, LostReason::Heartbeat)),
            SessionEvent::Live(welcome) if welcome.resumed => break,
            _ => {}
        }
    }
    assert_eq!(story, [true], "the connection was lost once, for lack of heartbeats");

    proceed.notify_one();
    let event = job.events().try_next().await?.ok_or("the job ended early")?;
    assert!(event.body.as_str().contains("after"), "no event is repeated");
    assert_eq!(job.outcome().await?.status, FinalStatus::Success);
    Ok(())
}
