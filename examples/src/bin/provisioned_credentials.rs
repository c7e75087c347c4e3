//! A job gets a key of its own for a paid service: minted for it, bounded like it, exchanged midway, dead after it.
//!
//! `cargo run -p nuncio-examples --bin provisioned_credentials`

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nuncio_tokio::arcp::{
    AnyPrincipal, Client, Config, Credential, Failure, Fault, Grant, JobContext, Provisioner, Revocation, Secret,
    Server, Submit, Subscribe,
};
use nuncio_tokio::auth::StaticTokens;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// The service's administration. A real one is asked over the network; the keys are its to make.
#[derive(Clone)]
struct Vault {
    valid: Arc<Mutex<Vec<String>>>,
    revoked: UnboundedSender<String>,
}

impl Vault {
    fn keys(&self) -> MutexGuard<'_, Vec<String>> {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mint(&self, key: &str) -> Secret {
        self.keys().push(key.to_owned());
        Secret::new(key)
    }
}

impl Provisioner for Vault {
    async fn issue(&self, grant: &Grant) -> Result<Vec<Credential>, Fault> {
        // The grant has lease, budget and end, too: a key must not be good for more.
        let value = self.mint(&format!("sk-{}-1", grant.principal));
        let endpoint = "https://models.example.com/v1".to_owned();
        let credential = Credential { id: "models".to_owned(), value, endpoint, profile: None, constraints: None };
        Ok(vec![credential])
    }

    async fn revoke(&self, revocation: &Revocation) -> io::Result<()> {
        let Some(value) = &revocation.value else {
            // Asked by a restarted server, which knows no values. The keys of this vault are gone by then.
            return Ok(());
        };
        self.keys().retain(|valid| valid != value.expose());
        self.revoked.send(value.expose().to_owned()).map_err(io::Error::other)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (sender, mut revoked) = unbounded_channel();
    let vault = Vault { valid: Arc::default(), revoked: sender };
    let service = vault.clone();
    let ask = move |(): (), ctx: JobContext| {
        let service = service.clone();
        async move {
            // Asked for each time it is used: it may have been exchanged.
            let valid =
                || ctx.credentials().iter().all(|key| service.keys().iter().any(|valid| valid == key.value.expose()));
            let before = valid();
            ctx.rotate("models", service.mint("sk-me-2"))?;
            Ok::<_, Failure>(before && valid())
        }
    };
    let tokens = StaticTokens::new().with("secret", "me").with("curious", "you");
    let config = Config::default().with(|config| config.policy = Arc::new(AnyPrincipal));
    let server = Server::builder().config(config).verifier(tokens).provisioner(vault).agent("ask", ask).build()?;
    // Keys are shown over TLS, pipes and loopback only.
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    let mut job = client.submit(&Submit::new("ask").lease(&json!({"model.use": ["fast/*"]}))).await?;
    println!("{:?}", job.info().credentials);
    assert!(job.info().credentials.iter().any(|credential| credential.value.expose() == "sk-me-1"));
    assert!(job.collect(0).await?.json::<bool>()?, "the job's own keys were good");

    // The first when it was replaced, the second when the job ended.
    assert_eq!(revoked.recv().await.as_deref(), Some("sk-me-1"));
    assert_eq!(revoked.recv().await.as_deref(), Some("sk-me-2"));
    // Who may watch the job is not shown its keys.
    let watcher = Client::builder(listening.url(), "curious")?.connect().await?;
    let everything = Subscribe { history: true, ..Subscribe::default() };
    let mut seen = watcher.subscribe(job.job_id(), everything).await?;
    assert!(seen.info().credentials.is_empty());
    while let Some(event) = seen.events().next().await {
        assert!(!event.body.as_str().contains("sk-"), "{}", event.body.as_str());
    }
    Ok(())
}
