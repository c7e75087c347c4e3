//! Helpers for the tests of this driver.

use std::time::Duration;

use nuncio_tokio::arcp::{Client, Failure, JobContext, Level, Server, ServerBuilder};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

/// Fails a test that hangs. Otherwise no test depends on how long anything takes.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), test).await.expect("the test hangs")
}

pub(crate) fn builder() -> ServerBuilder {
    let tokens = StaticTokens::new().with("tok-alice", "alice").with("tok-alice2", "alice").with("tok-bob", "bob");
    Server::builder().verifier(tokens).agent("echo", echo)
}

async fn echo(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log(Level::Info, "echo started").await?;
    Ok(json!({ "echoed": input }))
}

/// Connects a client within the process.
pub(crate) async fn connect(server: &Server, token: &str) -> Client {
    Client::over(server.memory_connector(), token).connect().await.expect("the session opens")
}
