//! Health and Prometheus metrics, on a port of their own: what watches a service is not let in where its clients are.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use nuncio_tokio::arcp::{ErrorCode, FinalStatus, Server, Stats};
use tokio::net::TcpListener;

/// What the endpoints show.
#[derive(Clone)]
struct Shown {
    server: Server,
    recorder: Arc<PrometheusRecorder>,
    metrics: PrometheusHandle,
}

/// Serves `/metrics`, `/healthz` and `/readyz` for as long as the process lives; the address it got.
pub(super) async fn serve(address: &str, server: &Server) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    with_local_recorder(&recorder, describe);
    let shown = Shown { server: server.clone(), recorder: Arc::new(recorder), metrics };
    let routes = Router::new()
        .route("/metrics", get(scrape))
        // It answers, so it lives.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .with_state(shown);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    Ok(address)
}

async fn readiness(State(shown): State<Shown>) -> impl IntoResponse {
    if shown.server.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn scrape(State(shown): State<Shown>) -> impl IntoResponse {
    let stats = shown.server.stats();
    with_local_recorder(&*shown.recorder, || record(&stats));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shown.metrics.render())
}

fn describe() {
    describe_gauge!("nuncio_connections", "Connections, welcomed or not");
    describe_gauge!("nuncio_sessions", "Sessions by state: live has a connection, detached may be resumed");
    describe_gauge!("nuncio_jobs", "Jobs by state; kept ones have ended");
    describe_gauge!("nuncio_bytes_held", Unit::Bytes, "Bytes held by sessions and jobs");
    describe_counter!("nuncio_sessions_opened_total", "Sessions opened");
    describe_counter!("nuncio_sessions_resumed_total", "Times a session was taken up again by another connection");
    describe_counter!("nuncio_jobs_accepted_total", "Jobs accepted, delegated ones included");
    describe_counter!("nuncio_jobs_ended_total", "Jobs ended, by final_status");
    describe_counter!("nuncio_events_total", "Events of jobs, each once however many watch");
    describe_counter!("nuncio_agents_blocked_total", "Times an agent had to wait for room in a log");
    describe_counter!("nuncio_back_pressure_total", "Times a session was told of back-pressure");
    describe_counter!("nuncio_refusals_total", "Requests refused, by error code");
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; nobody counts 2^53 connections")]
fn record(stats: &Stats) {
    gauge!("nuncio_connections").set(stats.connections as f64);
    gauge!("nuncio_bytes_held").set(stats.bytes_held as f64);
    for (state, sessions) in [("live", stats.sessions_live), ("detached", stats.sessions_detached)] {
        gauge!("nuncio_sessions", "state" => state).set(sessions as f64);
    }
    let jobs = [
        ("pending", stats.jobs_pending),
        ("running", stats.jobs_running),
        ("cancelling", stats.jobs_cancelling),
        ("kept", stats.jobs_kept),
    ];
    for (state, jobs) in jobs {
        gauge!("nuncio_jobs", "state" => state).set(jobs as f64);
    }
    let totals = &stats.totals;
    counter!("nuncio_sessions_opened_total").absolute(totals.sessions);
    counter!("nuncio_sessions_resumed_total").absolute(totals.resumes);
    counter!("nuncio_jobs_accepted_total").absolute(totals.jobs);
    counter!("nuncio_events_total").absolute(totals.events);
    counter!("nuncio_agents_blocked_total").absolute(totals.blocked);
    counter!("nuncio_back_pressure_total").absolute(totals.back_pressure);
    for status in [FinalStatus::Success, FinalStatus::Error, FinalStatus::Cancelled, FinalStatus::TimedOut] {
        counter!("nuncio_jobs_ended_total", "status" => status.as_str()).absolute(totals.ended(status));
    }
    for code in ErrorCode::ALL {
        counter!("nuncio_refusals_total", "code" => code.as_str()).absolute(totals.refused(code));
    }
}
