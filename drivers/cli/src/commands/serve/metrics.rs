//! Health checks and Prometheus metrics, on a port of their own, so that monitoring need not reach the port of clients.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nuncio_tokio::arcp::Server;
use tokio::net::TcpListener;

use super::exposition;
use super::metrics_port::MetricsPort;

/// Serves `/metrics`, `/healthz` and `/readyz` for the rest of the process. Returns the address it is bound to.
pub(super) async fn serve(addresses: &[SocketAddr], server: &Server) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(addresses).await?;
    let address = listener.local_addr()?;
    let routes = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .with_state(server.clone());
    tokio::spawn(async move {
        if let Err(error) = axum::serve(MetricsPort::new(listener), routes).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(address)
}

async fn readiness(State(server): State<Server>) -> impl IntoResponse {
    let failing = server.journal_health().is_some_and(|health| health.failing_for.is_some());
    if server.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if failing {
        (StatusCode::SERVICE_UNAVAILABLE, "the journal cannot be written\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn scrape(State(server): State<Server>) -> Response {
    match exposition::text(&server) {
        Ok(text) => ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
