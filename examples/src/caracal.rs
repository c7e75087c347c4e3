//! A coordinator and services within the process, for the examples of Caracal.

use std::error::Error;

use axum::Router;
use nuncio_tokio::caracal::{
    ApplicationId, BearerToken, Caracal, CaracalBuilder, Coordinator, CoordinatorServer, HttpLimits, HttpRequest,
    Secret, TokenSource, ZoneId,
};
use serde_json::Value;
use tokio::net::TcpListener;

/// A coordinator of the zone `z1` on a socket, with its token service.
pub struct LocalCoordinator {
    coordinator: Coordinator,
    server: CoordinatorServer,
}

impl LocalCoordinator {
    /// Starts it for some applications, each of which may delegate to one that is named `payments`.
    pub async fn start(applications: &[&str]) -> Result<LocalCoordinator, Box<dyn Error>> {
        let mut builder = Coordinator::builder().zone("z1");
        for &name in applications {
            builder =
                builder.application(name, Secret::new(secret_of(name))).grant(name, "coordinator.delegate_to:payments");
        }
        let coordinator = builder.start()?;
        let server = CoordinatorServer::listen(coordinator.clone(), "127.0.0.1:0", HttpLimits::default()).await?;
        Ok(LocalCoordinator { coordinator, server })
    }

    /// Returns its base URL, which is also that of the token service.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Returns the settings of an application, which exchanges its client secret for tokens.
    pub fn application(&self, name: &str) -> Result<CaracalBuilder, Box<dyn Error>> {
        let url = self.url();
        let source = TokenSource::secret(&url, Secret::new(secret_of(name)));
        Ok(Caracal::builder(&url, ZoneId::new("z1")?, ApplicationId::new(name)?).token(source))
    }

    /// Returns a source of tokens that an application may delegate with to one that is named `payments`.
    pub fn delegating(&self, name: &str) -> TokenSource {
        let (coordinator, name) = (self.coordinator.clone(), name.to_owned());
        TokenSource::new(move || {
            let (coordinator, name) = (coordinator.clone(), name.clone());
            async move {
                let token = exchange(&coordinator, &name, "agent:lifecycle+coordinator.delegate_to:payments").await?;
                Ok::<_, Box<dyn Error + Send + Sync>>(BearerToken::new(&token)?)
            }
        })
    }

    /// Returns a token of an application with some scopes, which are separated by `+`.
    pub async fn token(&self, name: &str, scopes: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
        exchange(&self.coordinator, name, scopes).await
    }

    /// Returns the number of sessions that are active or suspended.
    pub fn live_sessions(&self) -> usize {
        self.coordinator.live_sessions()
    }
}

/// Exchanges the client secret of an application for a token.
async fn exchange(coordinator: &Coordinator, name: &str, scopes: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    let secret = secret_of(name);
    let form = format!("grant_type={grant}&zone_id=z1&application_id={name}&client_secret={secret}&scope={scopes}");
    let request = HttpRequest { method: "POST", target: "/oauth/2/token", headers: &[], body: form.as_bytes() };
    let reply = coordinator.answer(&request).await;
    let answer: Value = serde_json::from_str(reply.body().unwrap_or_default())?;
    let token = answer["access_token"].as_str().ok_or("the token service refuses the application")?;
    Ok(token.to_owned())
}

/// Returns the client secret of an application.
pub fn secret_of(application: &str) -> String {
    format!("s3cret-of-{application}")
}

/// Serves routes on a free port until the program ends, and returns the URL.
pub async fn serve(routes: Router) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}
