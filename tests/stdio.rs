//! A child process as a runtime, with the server of either driver for clients of either. This program is its own child,
//! so it does without a test harness that would write to stdout.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is a test program")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use nuncio_shared::arcp::{Client, Failure, JobContext, ServerBuilder, SessionEnd, Submit};
use nuncio_shared::auth::StaticTokens;
use nuncio_shared::io::Driver;
use serde_json::{Value, json};

const DRIVERS: [&str; 2] = ["tokio", "smol"];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", "tokio", mark] => runtime.block_on(async {
            offer(nuncio_tokio::arcp::Server::builder()).build().unwrap().serve_stdio().await;
            std::fs::write(mark, "ended by itself").unwrap();
        }),
        ["serve", "smol", mark] => smol::block_on(async {
            offer(nuncio_smol::arcp::Server::builder()).build().unwrap().serve_stdio().await;
            std::fs::write(mark, "ended by itself").unwrap();
        }),
        // Other arguments, which the harness may pass, are ignored.
        _ => runtime.block_on(async {
            for server in DRIVERS {
                let (program, mark) = (std::env::current_exe().unwrap(), mark(server));
                let mut command = tokio::process::Command::new(&program);
                command.arg("serve").arg(server).arg(&mark);
                serves(nuncio_tokio::arcp::Client::spawn(command, "tok-alice").connect().await.unwrap(), &mark).await;
                let mut command = smol::process::Command::new(&program);
                command.arg("serve").arg(server).arg(&mark);
                serves(nuncio_smol::arcp::Client::spawn(command, "tok-alice").connect().await.unwrap(), &mark).await;
            }
            let mut command = tokio::process::Command::new("sleep");
            command.arg("86400");
            is_killed::<nuncio_tokio::Tokio>(command).await;
            let mut command = smol::process::Command::new("sleep");
            command.arg("86400");
            is_killed::<nuncio_smol::Smol>(command).await;
            for program in ["true", "/nonexistent/runtime"] {
                let command = tokio::process::Command::new(program);
                let error = nuncio_tokio::arcp::Client::spawn(command, "t").connect().await.unwrap_err();
                assert!(error.to_string().contains("could not be reached"), "{error}");
                let command = smol::process::Command::new(program);
                let error = nuncio_smol::arcp::Client::spawn(command, "t").connect().await.unwrap_err();
                assert!(error.to_string().contains("could not be reached"), "{error}");
            }
        }),
    }
    // A read of stdin may still be pending.
    runtime.shutdown_background();
}

/// The file in which a child writes that it ended by itself.
fn mark(server: &str) -> PathBuf {
    std::env::temp_dir().join(format!("nuncio-stdio-{server}-{}", std::process::id()))
}

fn offer<D: Driver>(builder: ServerBuilder<D>) -> ServerBuilder<D> {
    async fn echo(input: Value, _: JobContext) -> Result<Value, Failure> {
        Ok(json!({ "echoed": input }))
    }
    builder.verifier(StaticTokens::new().with("tok-alice", "alice")).agent("echo", echo)
}

/// Lets a client of either driver run a job in the child.
async fn serves<D: Driver>(client: Client<D>, mark: &Path) {
    // The input is longer than a line that Python could read, and contains line breaks: it is split into chunks that
    // fit.
    let input = json!({"text": "line\n".repeat(40_000)});
    let mut job = client.submit(&Submit::new("echo").input(&input)).await.unwrap();
    let answer: Value = job.collect(1 << 20).await.unwrap().json().unwrap();
    assert_eq!(answer, json!({"echoed": input}));
    assert!(matches!(client.close().await, SessionEnd::Closed(_)));
    drop((job, client));
    // The child needs a moment to end by itself.
    while std::fs::read_to_string(mark).ok().as_deref() != Some("ended by itself") {
        tokio::task::yield_now().await;
    }
    std::fs::remove_file(mark).unwrap();
}

/// A child that does not end by itself can be killed.
async fn is_killed<D: Driver>(command: D::Command) {
    let mut process = D::spawn(command).unwrap();
    process.child.kill().unwrap();
    let ended = tokio::time::timeout(Duration::from_mins(1), process.child.wait()).await;
    ended.expect("a killed child ends").unwrap();
}
