//! An async function verifies tokens, here by asking an identity service.
//!
//! `cargo run -p nuncio-examples --bin custom_auth`

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nuncio_tokio::arcp::{
    Client, ClientBuildError, CloseReason, ErrorCode, Failure, JobContext, RemoteFault, Server, SessionEnd, Submit,
};
use nuncio_tokio::auth::{Claim, Rejection};

/// Stands in for an identity service. A real one is reached over the network, which is why verifiers are async.
#[derive(Default)]
struct Directory {
    down: AtomicBool,
}

impl Directory {
    async fn owner_of(&self, token: &str) -> Result<Option<String>, std::io::Error> {
        tokio::task::yield_now().await; // stands in for the network
        if self.down.load(Ordering::Relaxed) {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        }
        Ok(token.strip_prefix("badge-of-").map(|name| format!("{name}@example.com")))
    }
}

async fn whoami((): (), ctx: JobContext) -> Result<String, Failure> {
    Ok(ctx.principal().to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = Arc::new(Directory::default());
    let asked = Arc::clone(&directory);
    let verify = move |claim: Claim| {
        let directory = Arc::clone(&asked);
        async move {
            // The debug output of a claim hides its token; `expose` returns it.
            println!("asked about {claim:?}");
            match directory.owner_of(claim.token.expose()).await {
                Ok(Some(owner)) => Ok(owner),
                Ok(None) => Err(Rejection::Invalid),
                Err(_) => Err(Rejection::Unavailable),
            }
        }
    };
    let server = Server::builder().verifier(verify).agent("whoami", whoami).build()?;
    let listening = server.listen("127.0.0.1:0").await?;

    let client = Client::builder(listening.url(), "badge-of-ada")?.connect().await?;
    let name: String = client.submit(&Submit::new("whoami")).await?.collect(0).await?.json()?;
    assert_eq!(name, "ada@example.com");

    // A wrong token is refused permanently, so the client does not retry.
    let refused =
        Client::builder(listening.url(), "forged")?.connect().await.err().ok_or("a forged badge was let in")?;
    println!("{refused}");
    assert!(matches!(&refused, ClientBuildError::Session(SessionEnd::Closed(CloseReason::Refused(_)))));
    assert_eq!(refused.fault().and_then(RemoteFault::known), Some(ErrorCode::Unauthenticated));

    // A service that is unavailable has not refused the token, so this error may be retried.
    directory.down.store(true, Ordering::Relaxed);
    let later = Client::builder(listening.url(), "badge-of-ada")?
        .connect()
        .await
        .err()
        .ok_or("a badge was let in without verification")?;
    println!("{later}");
    assert!(later.fault().is_some_and(|fault| fault.known() == Some(ErrorCode::InternalError) && fault.retryable));
    // Live sessions do not depend on the service.
    assert_eq!(client.submit(&Submit::new("whoami")).await?.collect(0).await?.json::<String>()?, name);
    Ok(())
}
