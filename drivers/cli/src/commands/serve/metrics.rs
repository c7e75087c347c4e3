//! Health checks and Prometheus metrics, on a port of their own, so that monitoring need not reach the port of clients.

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
use nuncio_tokio::arcp::journal::JournalHealth;
use nuncio_tokio::arcp::{ErrorCode, FinalStatus, Server, Stats};
use tokio::net::TcpListener;

use super::metrics_port::MetricsPort;

#[derive(Clone)]
struct Endpoints {
    server: Server,
    recorder: Arc<PrometheusRecorder>,
    metrics: PrometheusHandle,
}

/// Serves `/metrics`, `/healthz` and `/readyz` for the rest of the process. Returns the address it is bound to.
pub(super) async fn serve(address: &str, server: &Server) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    with_local_recorder(&recorder, describe);
    let endpoints = Endpoints { server: server.clone(), recorder: Arc::new(recorder), metrics };
    let routes = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .with_state(endpoints);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(MetricsPort::new(listener), routes).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(address)
}

async fn readiness(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    let failing = endpoints.server.journal_health().is_some_and(|health| health.failing_for.is_some());
    if endpoints.server.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if failing {
        (StatusCode::SERVICE_UNAVAILABLE, "the journal cannot be written\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn scrape(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    let stats = endpoints.server.stats();
    let journal = endpoints.server.journal_health();
    with_local_recorder(&*endpoints.recorder, || {
        record(&stats);
        if let Some(journal) = &journal {
            record_journal(journal);
        }
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], endpoints.metrics.render())
}

fn describe() {
    describe_gauge!("nuncio_connections", "Connections, with or without a session");
    describe_gauge!("nuncio_sessions", "Sessions by state: live ones are connected, detached ones can be resumed");
    describe_gauge!("nuncio_jobs", "Jobs by state: kept ones have ended");
    describe_gauge!("nuncio_bytes_held", Unit::Bytes, "Bytes held by sessions and jobs");
    describe_gauge!("nuncio_questions_open", "Questions of agents to people that are open");
    describe_counter!("nuncio_sessions_opened_total", "Sessions opened");
    describe_counter!("nuncio_sessions_resumed_total", "Sessions resumed by another connection");
    describe_counter!("nuncio_jobs_accepted_total", "Jobs accepted, including delegated ones");
    describe_counter!("nuncio_jobs_ended_total", "Jobs ended, by final status");
    describe_counter!("nuncio_events_total", "Events of jobs, each counted once whatever the number of subscribers");
    describe_counter!("nuncio_agents_blocked_total", "Times an agent had to wait for room in an event log");
    describe_counter!("nuncio_back_pressure_total", "Back-pressure events sent");
    describe_counter!("nuncio_refusals_total", "Requests refused, by error code");
    describe_gauge!("nuncio_journal_bytes", Unit::Bytes, "Bytes of the journal and its write-ahead log");
    describe_counter!("nuncio_journal_commits_total", "Commits of the journal");
    describe_gauge!("nuncio_journal_commit_seconds_total", Unit::Seconds, "Time that all commits have taken");
    describe_gauge!("nuncio_journal_last_commit_seconds", Unit::Seconds, "Time that the last commit has taken");
    describe_gauge!(
        "nuncio_journal_failing_seconds",
        Unit::Seconds,
        "Time since when the journal cannot be written; 0 while it can"
    );
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double, which is exact below 2^53")]
fn record_journal(journal: &JournalHealth) {
    if let Some(bytes) = journal.bytes {
        gauge!("nuncio_journal_bytes").set(bytes as f64);
    }
    counter!("nuncio_journal_commits_total").absolute(journal.commits);
    gauge!("nuncio_journal_commit_seconds_total").set(journal.commit_time.as_secs_f64());
    gauge!("nuncio_journal_last_commit_seconds").set(journal.last_commit.as_secs_f64());
    gauge!("nuncio_journal_failing_seconds").set(journal.failing_for.unwrap_or_default().as_secs_f64());
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double, which is exact below 2^53")]
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
    gauge!("nuncio_questions_open").set(stats.questions_open as f64);
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
