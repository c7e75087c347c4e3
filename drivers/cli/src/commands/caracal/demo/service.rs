//! A service of the demonstration: it verifies who calls, and passes calls on by an edge of its own.

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Router};
use nuncio_tokio::caracal::{Caracal, Delegation, Mandate, MandateVerifier, Scope, SessionId, current};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::failure::Failure;
use super::ledger::{Ledger, Seen};
use super::narration::narrate;

/// A service with a session of its own, to which others delegate.
pub(super) struct Service {
    pub(super) caracal: Caracal,
    pub(super) scope: Scope,
    pub(super) url: String,
    handler: Arc<Handler>,
    _serving: JoinSet<()>,
}

/// What a request is handled with.
struct Handler {
    name: &'static str,
    caracal: Caracal,
    session: SessionId,
    ledger: Ledger,
    onward: OnceLock<Onward>,
}

/// Where a service passes its calls on to, and by which edge.
pub(super) struct Onward {
    pub(super) url: String,
    pub(super) delegation: Delegation,
}

impl Service {
    pub(super) async fn start(
        name: &'static str,
        caracal: Caracal,
        verifier: MandateVerifier,
        (listener, url): (TcpListener, String),
        ledger: Ledger,
    ) -> Result<Service, Failure> {
        let scope = caracal.spawn().await?;
        let (session, onward) = (scope.session().clone(), OnceLock::new());
        let handler = Arc::new(Handler { name, caracal: caracal.clone(), session, ledger, onward });
        let routes = Router::new().route("/", post(handle)).with_state(Arc::clone(&handler));
        let routes = routes.layer(caracal.layer().verify(verifier));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "a service of the demonstration has ended");
            }
        });
        Ok(Service { caracal, scope, url, handler, _serving: serving })
    }

    /// Sets where calls are passed on to.
    pub(super) fn pass_on(&self, onward: Onward) -> Result<(), Failure> {
        self.handler.onward.set(onward).map_err(|_| Failure::check("a service passes its calls on to two others"))
    }
}

async fn handle(State(handler): State<Arc<Handler>>, Extension(mandate): Extension<Mandate>) -> Response {
    match handler.call(&mandate).await {
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

impl Handler {
    async fn call(&self, mandate: &Mandate) -> Result<Response, Failure> {
        let context = current().ok_or(Failure::check("a request has no context"))?;
        let seen = Seen::of(self.name, mandate, &context);
        let (name, edges) = (self.name, self.ledger.edges(&context));
        let Some(edge) = context.edge() else { return Ok((StatusCode::FORBIDDEN, "no edge").into_response()) };
        // The edge in the headers is what the caller says. The coordinator knows whether it leads to this service.
        let inbound = self.caracal.inbound(self.session.clone()).await?;
        let is_active = inbound.iter().any(|held| held.edge == *edge && &*held.status == "active");
        self.ledger.add(Seen { is_refused: !is_active, ..seen });
        let outcome = if is_active { "" } else { ", and REFUSES it" };
        narrate(name, &format!("receives a call by {edges}, hop {}{outcome}", context.hop().count()));
        if !is_active {
            return Ok((StatusCode::FORBIDDEN, "the edge is not an active one into this service").into_response());
        }
        let Some(Onward { url, delegation }) = self.onward.get() else { return Ok("reserved".into_response()) };
        let context = delegation.context_after(&context)?;
        let answer = context.run(self.caracal.transport().send(Request::post(url).body("")?)).await?;
        Ok((answer.status(), answer.into_body()).into_response())
    }
}
