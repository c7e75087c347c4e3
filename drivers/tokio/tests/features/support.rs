//! Helpers for the tests of this driver.

use std::io;
use std::time::Duration;

use nuncio_tokio::arcp::{
    Client, Credential, Failure, Fault, Grant, JobContext, Level, Provisioner, Revocation, Secret, Server,
    ServerBuilder,
};
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

/// Issues one credential.
pub(crate) struct Minter;

impl Provisioner for Minter {
    async fn issue(&self, _: &Grant) -> Result<Vec<Credential>, Fault> {
        Ok(vec![Credential {
            id: "cred_1".to_owned(),
            value: Secret::new("sk-1"),
            endpoint: "http://127.0.0.1:9/v1".to_owned(),
            profile: None,
            constraints: None,
        }])
    }

    async fn revoke(&self, _: &Revocation) -> io::Result<()> {
        Ok(())
    }
}
