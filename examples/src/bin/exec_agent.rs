//! Programs as agents: `nuncio serve` runs `exec_agent/agent.py` and `exec_agent/agent.sh`, ten lines each. Their
//! jobs are like any others to a client.
//!
//! `cargo run -p nuncio-examples --bin exec_agent -- path/to/nuncio`, after `cargo build --bin nuncio`

use std::error::Error;
use std::process::Stdio;

use nuncio_tokio::arcp::{Client, ErrorCode, FinalStatus, Submit};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let nuncio =
        std::env::args().nth(1).ok_or("the first argument must be the path of nuncio, such as target/debug/nuncio")?;
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/exec_agent");
    let mut serving = Command::new(nuncio)
        .args(["serve", "--listen", "127.0.0.1:0", "--token", "secret=me"])
        .args(["--agent", &format!("count=python3 {scripts}/agent.py")])
        .args(["--agent", &format!("shout=sh {scripts}/agent.sh")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(serving.stdout.take().ok_or("stdout is piped")?).lines();
    let ready = lines.next_line().await?.ok_or("nuncio ended before it was ready")?;
    let url = ready.strip_prefix("READY ").ok_or("the first line has no URL")?;
    let client = Client::builder(url, "secret")?.connect().await?;

    // The agent asks for permission before it counts, and the lease grants it.
    let pages = json!({"pages": ["to be", "or not to be"]});
    let submit = Submit::new("count").input(&pages).lease(&json!({"tool.call": ["counter"]}));
    let mut job = client.submit(&submit).await?;
    let mut progress = 0;
    while let Some(event) = job.events().try_next().await? {
        println!("{}: {}", event.kind.as_str(), event.body.as_str());
        progress += u32::from(event.kind.as_str() == "progress");
    }
    assert_eq!((progress, job.collect(0).await?.json::<Value>()?), (2, json!({"words": 6})));

    // Without the lease, permission is denied and the program exits with a status that means failure.
    let mut job = client.submit(&Submit::new("count").input(&pages)).await?;
    let outcome = job.outcome().await?;
    assert_eq!(outcome.status, FinalStatus::Error);
    assert_eq!(outcome.fault.as_ref().and_then(nuncio_tokio::arcp::RemoteFault::known), Some(ErrorCode::InternalError));

    // The chunks that the shell script prints become a streamed result.
    let mut job = client.submit(&Submit::new("shout").input(&"hello world")).await?;
    assert_eq!(job.collect(1_000).await?.text(), Some("HELLO! WORLD! "));
    client.close().await;
    Ok(())
}
