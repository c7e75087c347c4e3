//! A job gets its own key for a paid service. It is issued for the job, rotated while it runs, and revoked at its end.
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

/// Stands in for the administration of the service, which issues and revokes keys. A real one is a network service.
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
        // A grant also has the lease, the budget and the expiry. A real key must not allow more than they do.
        let value = self.mint(&format!("sk-{}-1", grant.principal));
        let endpoint = "https://models.example.com/v1".to_owned();
        let credential = Credential { id: "models".to_owned(), value, endpoint, profile: None, constraints: None };
        Ok(vec![credential])
    }

    async fn revoke(&self, revocation: &Revocation) -> io::Result<()> {
        let Some(value) = &revocation.value else {
            // After a restart a server knows only the ids of keys. The keys of this vault do not survive a restart.
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
            // Read the credentials before each use, because they may have been rotated.
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
    // Credentials are sent only over TLS, pipes and loopback.
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    let mut job = client.submit(&Submit::new("ask").lease(&json!({"model.use": ["fast/*"]}))).await?;
    println!("{:?}", job.info().credentials);
    assert!(job.info().credentials.iter().any(|credential| credential.value.expose() == "sk-me-1"));
    assert!(job.collect(0).await?.json::<bool>()?, "the job's keys were valid");

    // The first key is revoked when it is replaced, the second when the job ends.
    assert_eq!(revoked.recv().await.as_deref(), Some("sk-me-1"));
    assert_eq!(revoked.recv().await.as_deref(), Some("sk-me-2"));
    // Principals that may watch the job do not receive its keys.
    let watcher = Client::builder(listening.url(), "curious")?.connect().await?;
    let everything = Subscribe { history: true, ..Subscribe::default() };
    let mut seen = watcher.subscribe(job.job_id(), everything).await?;
    assert!(seen.info().credentials.is_empty());
    while let Some(event) = seen.events().try_next().await? {
        assert!(!event.body.as_str().contains("sk-"), "{}", event.body.as_str());
    }
    Ok(())
}
