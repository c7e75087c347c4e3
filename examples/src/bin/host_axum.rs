//! ARCP as one of the routes of an axum application.
//!
//! `cargo run -p nuncio-examples --bin host_axum`

use std::error::Error;

use axum::{Router, routing::get};
use nuncio_tokio::arcp::{Client, Failure, JobContext, MountOptions, OriginPolicy, Server, Shutdown, Submit};
use nuncio_tokio::auth::StaticTokens;
use nuncio_tokio::console;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn echo(input: String, _: JobContext) -> Result<String, Failure> {
    Ok(input)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("echo", echo).build()?;
    let app = Router::new()
        .route("/", get(|| async { "the agents are at /arcp, and a page for browsers at /console/" }))
        // Accepts requests whose host is this machine; `handler_with` accepts other hosts.
        .route("/arcp", nuncio_tokio::arcp::axum::handler(server.clone()))
        // The page connects to a WebSocket beside it, and no page of another site may do so.
        .nest("/console/", console::router(server.clone(), MountOptions::default().origins(OriginPolicy::SameHost)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = Client::builder(&format!("ws://{address}/arcp"), "secret")?.connect().await?;
    let mut job = client.submit(&Submit::new("echo").input(&"beside other routes")).await?;
    let answer: String = job.collect(1_000).await?.json()?;
    assert_eq!(answer, "beside other routes");

    // The other route is not affected. A plain request to the agents' route is answered with 426, and a request with
    // another host, as a rebound DNS name causes it, is refused.
    for (path, host, status) in [
        ("/", "localhost", 200),
        ("/arcp", "localhost", 426),
        ("/arcp", "evil.example", 403),
        ("/console/", "localhost", 200),
    ] {
        let answer = http(&address.to_string(), path, host).await?;
        println!("{path} as {host}: {}", answer.lines().next().unwrap_or_default());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    client.close().await;
    assert_eq!(server.shutdown(std::time::Duration::from_secs(1)).await, Shutdown::Drained);
    Ok(())
}

async fn http(address: &str, path: &str, host: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
