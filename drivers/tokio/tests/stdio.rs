//! A child process as a runtime. This program is its own child, so it has no test harness that would write to stdout.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test program")]

mod support;

use nuncio_tokio::{Client, SessionEnd, Submit};
use serde_json::{Value, json};
use support::{builder, within};
use tokio::process::Command;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::args().nth(1).as_deref() {
        Some("serve") => runtime.block_on(async {
            builder().build().unwrap().serve_stdio().await;
            if let Some(path) = std::env::var_os("NUNCIO_TEST_MARK") {
                std::fs::write(path, "ended by itself").unwrap();
            }
        }),
        // The harness's own arguments do not matter.
        _ => runtime.block_on(within(async {
            a_child_serves_its_parent().await;
            a_child_that_is_no_runtime_is_an_error().await;
        })),
    }
    // A read of stdin may still be under way.
    runtime.shutdown_background();
}

async fn a_child_serves_its_parent() {
    let mark = std::env::temp_dir().join(format!("nuncio-stdio-{}", std::process::id()));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("serve").env("NUNCIO_TEST_MARK", &mark);
    let client = Client::spawn(command, "tok-alice").connect().await.unwrap();
    // Larger than a line that Python could read, and with line breaks: it is cut into chunks that fit.
    let input = json!({"text": "line\n".repeat(40_000)});
    let mut job = client.submit(&Submit::new("echo").input(&input).unwrap()).await.unwrap();
    let answer: Value = job.collect(1 << 20).await.unwrap().json().unwrap();
    assert_eq!(answer, json!({"echoed": input}));
    assert!(matches!(client.close().await, SessionEnd::Closed(_)));
    drop((job, client));
    // The child is given the time to end by itself.
    while std::fs::read_to_string(&mark).ok().as_deref() != Some("ended by itself") {
        tokio::task::yield_now().await;
    }
    std::fs::remove_file(&mark).unwrap();
}

async fn a_child_that_is_no_runtime_is_an_error() {
    let error = Client::spawn(Command::new("true"), "t").connect().await.unwrap_err();
    assert!(error.to_string().contains("could not be reached"), "{error}");
    let error = Client::spawn(Command::new("/nonexistent/runtime"), "t").connect().await.unwrap_err();
    assert!(error.to_string().contains("could not be reached"), "{error}");
}
