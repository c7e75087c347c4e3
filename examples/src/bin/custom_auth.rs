//! Who is let in is decided by a function: here, tokens that say whose they are, signed by whoever gave them out.
//!
//! `cargo run -p nuncio-examples --bin custom_auth`

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nuncio_tokio::arcp::{
    Client, ClientBuildError, CloseReason, ErrorCode, Failure, JobContext, RemoteFault, Server, SessionEnd, Submit,
};
use nuncio_tokio::auth::{Claim, Rejection};

/// Stands for an identity service. A real one is asked over the network, which is why a verifier is async.
#[derive(Default)]
struct Directory {
    down: AtomicBool,
}

impl Directory {
    async fn owner_of(&self, token: &str) -> Result<Option<String>, std::io::Error> {
        tokio::task::yield_now().await; // stands for the network
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
            // Showing a claim does not show its token; that takes a word.
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

    // A wrong token is refused for good: the client does not try again by itself.
    let refused =
        Client::builder(listening.url(), "forged")?.connect().await.err().ok_or("a forged badge was let in")?;
    println!("{refused}");
    assert!(matches!(&refused, ClientBuildError::Session(SessionEnd::Closed(CloseReason::Refused(_)))));
    assert_eq!(refused.fault().and_then(RemoteFault::known), Some(ErrorCode::Unauthenticated));

    // Who cannot be asked has not said no: that may be tried again, and only then is it worth it.
    directory.down.store(true, Ordering::Relaxed);
    let later =
        Client::builder(listening.url(), "badge-of-ada")?.connect().await.err().ok_or("nobody vouched for it")?;
    println!("{later}");
    assert!(later.fault().is_some_and(|fault| fault.known() == Some(ErrorCode::InternalError) && fault.retryable));
    // Sessions that are live do not depend on it any more.
    assert_eq!(client.submit(&Submit::new("whoami")).await?.collect(0).await?.json::<String>()?, name);
    Ok(())
}
