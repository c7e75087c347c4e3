//! The metrics of a server in the text form of Prometheus.

use std::time::Duration;

use nuncio_tokio::arcp::journal::JournalHealth;
use nuncio_tokio::arcp::{AgentStats, ErrorCode, FinalStatus, Histogram, Server, Stats};
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder as _, TextEncoder};

/// The content type of [`text`].
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const STATUSES: [FinalStatus; 4] =
    [FinalStatus::Success, FinalStatus::Error, FinalStatus::Cancelled, FinalStatus::TimedOut];

/// Returns the metrics of a server as they are now.
pub(super) fn text(server: &Server) -> prometheus::Result<Vec<u8>> {
    let mut families = Families::default();
    families.build();
    families.server(&server.stats());
    families.agents(&server.agent_stats());
    if let Some(journal) = server.journal_health() {
        families.journal(&journal);
    }
    let mut text = Vec::new();
    TextEncoder::new().encode(&families.0, &mut text)?;
    Ok(text)
}

/// Metrics by their names, in the order in which they are written.
#[derive(Default)]
struct Families(Vec<MetricFamily>);

impl Families {
    fn build(&mut self) {
        let labels =
            [("version", env!("CARGO_PKG_VERSION")), ("os", std::env::consts::OS), ("arch", std::env::consts::ARCH)];
        self.gauges("nuncio_build_info", "The version of nuncio, as labels; always 1", [gauge(&labels, 1.0)]);
    }

    fn server(&mut self, stats: &Stats) {
        self.gauge("nuncio_connections", "Connections, with or without a session", stats.connections);
        let sessions = [("live", stats.sessions_live), ("detached", stats.sessions_detached)];
        self.gauges(
            "nuncio_sessions",
            "Sessions by state: live (open), or detached (disconnected or closed by the client; it can be resumed)",
            sessions.map(|(state, sessions)| gauge(&[("state", state)], number(sessions))),
        );
        let jobs = [
            ("pending", stats.jobs_pending),
            ("running", stats.jobs_running),
            ("cancelling", stats.jobs_cancelling),
            ("kept", stats.jobs_kept),
        ];
        self.gauges(
            "nuncio_jobs",
            "Jobs by state; the state kept counts ended jobs that can still be read",
            jobs.map(|(state, jobs)| gauge(&[("state", state)], number(jobs))),
        );
        self.gauge("nuncio_bytes_held", "Bytes held by sessions and jobs", stats.bytes_held);
        self.gauge("nuncio_questions_open", "Questions of agents to people that are open", stats.questions_open);
        let totals = &stats.totals;
        self.counter("nuncio_sessions_opened_total", "Sessions opened", totals.sessions);
        self.counter("nuncio_sessions_resumed_total", "Sessions resumed by another connection", totals.resumes);
        self.counter("nuncio_jobs_accepted_total", "Jobs accepted, including delegated ones", totals.jobs);
        self.counters(
            "nuncio_jobs_ended_total",
            "Jobs ended, by final status",
            STATUSES.map(|status| counter(&[("status", status.as_str())], totals.ended(status))),
        );
        self.counter("nuncio_events_total", "Events of jobs; the number of subscribers does not count", totals.events);
        self.counter(
            "nuncio_agents_blocked_total",
            "Times an agent had to wait for room in an event log",
            totals.blocked,
        );
        self.counter("nuncio_back_pressure_total", "Back-pressure events sent", totals.back_pressure);
        self.counters(
            "nuncio_refusals_total",
            "Requests refused, by error code",
            ErrorCode::ALL.map(|code| counter(&[("code", code.as_str())], totals.refused(code))),
        );
    }

    /// The server counts for registered agents alone, so a name from outside never becomes a label.
    fn agents(&mut self, agents: &[AgentStats]) {
        self.gauges(
            "nuncio_agent_jobs",
            "Jobs of an agent by state; a waiting job has no slot yet",
            agents.iter().flat_map(|agent| {
                let states = [("waiting", agent.jobs_waiting), ("running", agent.jobs_running)];
                states.map(|(state, jobs)| gauge(&[("agent", &agent.name), ("state", state)], number(jobs)))
            }),
        );
        self.counters(
            "nuncio_agent_jobs_accepted_total",
            "Jobs accepted for an agent, including delegated ones",
            agents.iter().map(|agent| counter(&[("agent", &agent.name)], agent.counts.jobs)),
        );
        self.counters(
            "nuncio_agent_jobs_ended_total",
            "Jobs of an agent that have ended, by final status",
            agents.iter().flat_map(|agent| {
                STATUSES.map(|status| {
                    counter(&[("agent", &agent.name), ("status", status.as_str())], agent.counts.ended(status))
                })
            }),
        );
        self.histograms(
            "nuncio_agent_job_wait_seconds",
            "Time that jobs of an agent have waited for a slot before they ran",
            agents.iter().map(|agent| histogram(&[("agent", &agent.name)], &agent.counts.waits)),
        );
        self.histograms(
            "nuncio_agent_job_run_seconds",
            "Time that jobs of an agent have run before they ended",
            agents.iter().map(|agent| histogram(&[("agent", &agent.name)], &agent.counts.runs)),
        );
    }

    fn journal(&mut self, journal: &JournalHealth) {
        if let Some(bytes) = journal.bytes {
            let bytes = gauge(&[], count(bytes));
            self.gauges("nuncio_journal_bytes", "Bytes of the journal and its write-ahead log", [bytes]);
        }
        let commits = histogram(&[], &journal.commits);
        self.histograms("nuncio_journal_commit_seconds", "Time that commits of the journal have taken", [commits]);
        self.gauges(
            "nuncio_journal_last_commit_seconds",
            "Time that the last commit has taken",
            [gauge(&[], journal.last_commit.as_secs_f64())],
        );
        self.gauges(
            "nuncio_journal_failing_seconds",
            "Time since when the journal cannot be written; 0 while it can",
            [gauge(&[], journal.failing_for.unwrap_or(Duration::ZERO).as_secs_f64())],
        );
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.gauges(name, help, [gauge(&[], number(value))]);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help, [counter(&[], value)]);
    }

    fn gauges(&mut self, name: &str, help: &str, metrics: impl IntoIterator<Item = Metric>) {
        self.push(name, help, MetricType::GAUGE, metrics.into_iter().collect());
    }

    fn counters(&mut self, name: &str, help: &str, metrics: impl IntoIterator<Item = Metric>) {
        self.push(name, help, MetricType::COUNTER, metrics.into_iter().collect());
    }

    fn histograms(&mut self, name: &str, help: &str, metrics: impl IntoIterator<Item = Metric>) {
        self.push(name, help, MetricType::HISTOGRAM, metrics.into_iter().collect());
    }

    /// Adds metrics of one name. Without metrics there is nothing to write.
    fn push(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }
}

fn gauge(labels: &[(&str, &str)], value: f64) -> Metric {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

fn counter(labels: &[(&str, &str)], value: u64) -> Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(count(value));
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

fn histogram(labels: &[(&str, &str)], counted: &Histogram) -> Metric {
    let bucket = |(bound, count): (Duration, u64)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(counted.buckets().map(bucket).collect());
    histogram.set_sample_count(counted.count());
    histogram.set_sample_sum(counted.sum().as_secs_f64());
    let mut metric = labelled(labels);
    metric.set_histogram(histogram);
    metric
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let label = |(name, value): &(&str, &str)| {
        let mut label = LabelPair::default();
        label.set_name((*name).to_owned());
        label.set_value((*value).to_owned());
        label
    };
    Metric::from_label(labels.iter().map(label).collect())
}

#[expect(clippy::cast_precision_loss, reason = "a value of Prometheus is a double, which is exact below 2^53")]
fn count(value: u64) -> f64 {
    value as f64
}

fn number(value: usize) -> f64 {
    count(value as u64)
}
