//! A child process as a runtime, of either driver for clients of either. This program is its own child, so it has no test
//! harness that would write to stdout.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test program")]

use std::path::{Path, PathBuf};

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
        // The harness's own arguments do not matter.
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
    // A read of stdin may still be under way.
    runtime.shutdown_background();
}

/// Where a child writes that it ended by itself.
fn mark(server: &str) -> PathBuf {
    std::env::temp_dir().join(format!("nuncio-stdio-{server}-{}", std::process::id()))
}

fn offer<D: Driver>(builder: ServerBuilder<D>) -> ServerBuilder<D> {
    async fn echo(input: Value, _: JobContext) -> Result<Value, Failure> {
        Ok(json!({ "echoed": input }))
    }
    builder.verifier(StaticTokens::new().with("tok-alice", "alice")).agent("echo", echo)
}

async fn serves<D: Driver>(client: Client<D>, mark: &Path) {
    // Larger than a line that Python could read, and with line breaks: it is cut into chunks that fit.
    let input = json!({"text": "line\n".repeat(40_000)});
    let mut job = client.submit(&Submit::new("echo").input(&input).unwrap()).await.unwrap();
    let answer: Value = job.collect(1 << 20).await.unwrap().json().unwrap();
    assert_eq!(answer, json!({"echoed": input}));
    assert!(matches!(client.close().await, SessionEnd::Closed(_)));
    drop((job, client));
    // The child is given the time to end by itself.
    while std::fs::read_to_string(mark).ok().as_deref() != Some("ended by itself") {
        tokio::task::yield_now().await;
    }
    std::fs::remove_file(mark).unwrap();
}
