//! An agent tries operations that its lease does not allow. They are refused, and the agent may continue with others.
//!
//! `cargo run -p nuncio-examples --bin lease_violation`

use std::error::Error;

use nuncio_tokio::arcp::{Client, ErrorCode, Failure, FinalStatus, JobContext, RemoteFault, Server, Submit};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

/// Reads the files that it may read, and reports those that it may not.
async fn collect((): (), ctx: JobContext) -> Result<Vec<String>, Failure> {
    let wishes = ["/workspace/notes.md", "/workspace/../etc/passwd", "/workspace/drafts/./a.md", "/workspacesque/b.md"];
    let mut read = Vec::new();
    for (number, path) in wishes.iter().enumerate() {
        let call = format!("c{number}");
        ctx.tool_call(&call, "read").args(&json!({ "path": path })).await?;
        match ctx.authorize("fs.read", path) {
            // Open this target rather than `path`: it is the one that was compared with the lease.
            Ok(allowed) => {
                ctx.tool_result(&call, &json!({ "opened": allowed.target() })).await?;
                read.push(allowed.target().to_owned());
            }
            Err(denied) => ctx.tool_error(&call, &denied.fault()).await?,
        }
    }
    Ok(read)
}

/// Does not handle refusals: `?` ends the job with the error of the refusal.
async fn vandal((): (), ctx: JobContext) -> Result<(), Failure> {
    ctx.authorize("fs.write", "/workspace/notes.md")?;
    unreachable!("the lease has no fs.write at all");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("collect", collect).agent("vandal", vandal).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;
    let lease = json!({"fs.read": ["/workspace/**"]});

    let mut job = client.submit(&Submit::new("collect").lease(&lease)).await?;
    let mut denied = Vec::new();
    while let Some(event) = job.events().try_next().await? {
        let body: Value = event.body.parse()?;
        if let Some(fault) = body.get("error") {
            println!("{fault}");
            assert_eq!(fault["code"], "PERMISSION_DENIED");
            denied.push(body["call_id"].clone());
        }
    }
    assert_eq!(denied, ["c1", "c3"], "neither dots nor a directory with a similar name are within the lease");
    let read: Vec<String> = job.collect(0).await?.json()?;
    assert_eq!(read, ["/workspace/notes.md", "/workspace/drafts/a.md"]);

    let outcome = client.submit(&Submit::new("vandal").lease(&lease)).await?.outcome().await?;
    assert_eq!(outcome.status, FinalStatus::Error);
    let fault = outcome.fault.ok_or("a failed job says why")?;
    assert_eq!(fault.known(), Some(ErrorCode::PermissionDenied));
    assert!(!fault.retryable, "the same attempt would be refused again");

    // An invalid lease is refused before a job is made.
    let nonsense = Submit::new("collect").lease(&json!({"fs.levitate": ["/**"]}));
    let refused = client.submit(&nonsense).await.err().ok_or("a namespace that does not exist was accepted")?;
    println!("{refused}");
    assert_eq!(refused.fault().and_then(RemoteFault::known), Some(ErrorCode::InvalidRequest));
    Ok(())
}
