//! Our client against the runtime of the Python SDK 1.1.3: every feature of that runtime, and a drop and resume as far as
//! it supports them.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod cut;

use std::process::Command;
use std::time::Duration;

use nuncio_tests::peers::{Server, python, wanted};
use nuncio_tokio::arcp::{
    Client, ClientBuildError, ClientConfig, ClientError, FinalStatus, JobHandle, ListQuery, Outcome, Product,
    RequestFailure, Submit, Subscribe, Time,
};
use serde_json::{Value, json};

/// The Python runtime and a client connected to it.
struct Peer {
    server: Server,
    client: Client,
}

impl Peer {
    async fn new(flags: &[&str]) -> Peer {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/py/python_runtime.py");
        let mut command = Command::new(python());
        command.arg(script).args(["--port", "0"]).args(flags);
        let server = Server::start(command);
        let client = Client::builder(server.url(), "tok-alice").unwrap().connect().await.unwrap();
        Peer { server, client }
    }

    async fn connect_as(&self, token: &str) -> Client {
        Client::builder(self.server.url(), token).unwrap().connect().await.unwrap()
    }

    async fn submit(&self, agent: &str, input: Value) -> JobHandle {
        self.client.submit(&Submit::new(agent).input(&input)).await.unwrap()
    }

    async fn assert_echoes(&self) {
        let (_, outcome) = read_all(self.submit("echo", json!({"n": 1})).await).await;
        assert_eq!(inline(&outcome), json!({"echoed": {"n": 1}}));
    }
}

/// Runs a test on a new tokio runtime and fails it after two minutes. With `NUNCIO_PEERS=off` it is skipped.
fn with_python(name: &str, test: impl Future<Output = ()>) {
    if !wanted(name) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_mins(2), test).await.expect("the test hangs") });
}

/// Reads a job to its end: the kind and body of every event, and the outcome.
async fn read_all(mut job: JobHandle) -> (Vec<(String, Value)>, Outcome) {
    let mut events = Vec::new();
    while let Some(event) = job.events().try_next().await.unwrap() {
        events.push((event.kind.as_str().to_owned(), event.body.parse().unwrap()));
    }
    let outcome = job.outcome().await.unwrap();
    (events, outcome)
}

fn inline(outcome: &Outcome) -> Value {
    match &outcome.result {
        Product::Inline(raw) => raw.parse().unwrap(),
        other => panic!("not an inline result: {other:?}; {outcome:?}"),
    }
}

fn fault(outcome: &Outcome) -> &str {
    &outcome.fault.as_ref().unwrap().code
}

fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::Failed(RequestFailure::Refused(fault))) => fault.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn welcome_and_agents() {
    with_python("welcome_and_agents", async {
        let peer = Peer::new(&[]).await;
        let welcome = peer.client.welcome().unwrap();
        assert_eq!((welcome.runtime_name.as_str(), welcome.resumed), ("py-peer", false));
        assert_eq!(welcome.heartbeat_interval_sec, Some(30));
        assert!(welcome.agents.iter().any(|agent| agent.name == "echo"));
        peer.client.close().await;
    });
}

#[test]
fn a_bad_token_is_unauthenticated() {
    with_python("a_bad_token_is_unauthenticated", async {
        let peer = Peer::new(&[]).await;
        let refused = Client::builder(peer.server.url(), "tok-nobody").unwrap().connect().await;
        let Err(ClientBuildError::Session(end)) = refused else { panic!("a bad token was accepted") };
        assert!(end.to_string().contains("UNAUTHENTICATED"), "{end}");
    });
}

#[test]
fn echo_and_every_kind_of_event() {
    with_python("echo_and_every_kind_of_event", async {
        let peer = Peer::new(&[]).await;
        peer.assert_echoes().await;
        let (events, outcome) = read_all(peer.submit("events", json!({})).await).await;
        let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "log",
                "thought",
                "status",
                "metric",
                "tool_call",
                "tool_result",
                "artifact_ref",
                "progress",
                "x-vendor.acme.custom"
            ]
        );
        assert_eq!(events[0].1["attributes"], json!({"k": 1}));
        assert_eq!(events[8].1, json!({"anything": [1, 2, 3]}));
        assert_eq!(inline(&outcome), json!({"ok": true}));
    });
}

/// This runtime replays the events of a job before it answers the subscribe.
#[test]
fn a_history_larger_than_the_clients_limits_is_followed() {
    with_python("a_history_larger_than_the_clients_limits_is_followed", async {
        let peer = Peer::new(&[]).await;
        // It forgets what a job's submitter acknowledges.
        let config = ClientConfig::default().with(|config| config.auto_ack = None);
        let submitter =
            Client::builder(peer.server.url(), "tok-alice").unwrap().config(config).connect().await.unwrap();
        let submit = Submit::new("slow").input(&json!({"ticks": 100_000, "tick_ms": 1}));
        let mut job = submitter.submit(&submit).await.unwrap();
        let held = 2 * u64::try_from(ClientConfig::default().limits.events).unwrap();
        for _ in 0..held {
            job.events().try_next().await.unwrap().unwrap();
        }
        let history = Subscribe { history: true, ..Subscribe::default() };
        let mut watched = peer.client.subscribe(job.job_id(), history).await.unwrap();
        for expected in 0..held {
            let event = watched.events().try_next().await.unwrap().unwrap();
            assert_eq!(event.body.parse::<Value>().unwrap()["current"], expected);
        }
    });
}

#[test]
fn leases_and_budgets() {
    with_python("leases_and_budgets", async {
        let peer = Peer::new(&[]).await;
        let ops = json!({"ops": [
            {"cap": "fs.read", "target": "/ws/a"}, {"cap": "fs.read", "target": "/etc/passwd"},
            {"metric": {"name": "cost.x", "value": 0.6, "unit": "USD"}},
        ]});
        let submit = Submit::new("ops").input(&ops);
        let submit = submit.lease(&json!({"fs.read": ["/ws/**"], "cost.budget": ["USD:1.00"]}));
        let job = peer.client.submit(&submit).await.unwrap();
        // That runtime writes budgets as numbers or as amounts, depending on its version; we read both.
        assert_eq!(job.info().budget.len(), 1);
        assert_eq!(job.info().budget[0].0, "USD");
        let (events, outcome) = read_all(job).await;
        assert_eq!(inline(&outcome)["out"][1]["code"], "PERMISSION_DENIED");
        let remaining = events.iter().find(|(_, body)| body["name"] == "cost.budget.remaining").unwrap();
        assert_eq!(remaining.1["value"].as_f64(), Some(0.4));
    });
}

#[test]
fn a_lease_expires() {
    with_python("a_lease_expires", async {
        let peer = Peer::new(&[]).await;
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let soon = Time(u64::try_from(since.as_micros()).unwrap()).plus_secs(1);
        let job = peer.client.submit(&Submit::new("slow").expires_at(soon)).await.unwrap();
        let (_, outcome) = read_all(job).await;
        assert_eq!(fault(&outcome), "LEASE_EXPIRED");
    });
}

#[test]
fn streamed_results_are_collected() {
    with_python("streamed_results_are_collected", async {
        let peer = Peer::new(&[]).await;
        let collected = peer.submit("chunks", json!({})).await.collect(1 << 20).await.unwrap();
        assert_eq!(collected.text(), Some("hello world"));
        assert_eq!(collected.outcome.summary.as_deref(), Some("2 chunks"));
    });
}

#[test]
fn failures_and_panics() {
    with_python("failures_and_panics", async {
        let peer = Peer::new(&[]).await;
        let (_, outcome) = read_all(peer.submit("fail", json!({"code": "PERMISSION_DENIED"})).await).await;
        assert_eq!((outcome.status, fault(&outcome)), (FinalStatus::Error, "PERMISSION_DENIED"));
        let (_, outcome) = read_all(peer.submit("fail", json!({"throw": "raw"})).await).await;
        assert_eq!(fault(&outcome), "INTERNAL_ERROR");
    });
}

#[test]
fn cancel_and_timeout() {
    with_python("cancel_and_timeout", async {
        let peer = Peer::new(&[]).await;
        let mut job = peer.submit("slow", json!({})).await;
        assert!(job.events().try_next().await.unwrap().is_some(), "the job runs");
        // That runtime sends no `job.cancelled`; the terminal is its only answer.
        job.cancel(Some("enough")).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
        let slow = Submit::new("slow").max_runtime(Duration::from_secs(1));
        let (_, outcome) = read_all(peer.client.submit(&slow).await.unwrap()).await;
        assert_eq!(outcome.status, FinalStatus::TimedOut);
    });
}

#[test]
fn versions_and_unknown_agents() {
    with_python("versions_and_unknown_agents", async {
        let peer = Peer::new(&[]).await;
        for (agent, ran) in [("ver", "ver@2.0.0"), ("ver@1.0.0", "ver@1.0.0")] {
            let (_, outcome) = read_all(peer.submit(agent, json!(null)).await).await;
            assert_eq!(inline(&outcome), json!({"ran": ran}));
        }
        // A refused submit does not affect other jobs.
        let running = peer.submit("slow", json!({"ticks": 10, "tick_ms": 20})).await;
        assert_eq!(refused(peer.client.submit(&Submit::new("ver@9.9.9")).await), "AGENT_VERSION_NOT_AVAILABLE");
        assert_eq!(refused(peer.client.submit(&Submit::new("nobody")).await), "AGENT_NOT_AVAILABLE");
        let (_, outcome) = read_all(running).await;
        assert_eq!(inline(&outcome), json!({"ticks": 10}));
    });
}

#[test]
fn idempotency() {
    with_python("idempotency", async {
        let peer = Peer::new(&[]).await;
        let submit = |n: u64| Submit::new("slow").input(&json!({"ticks": n})).idempotency_key("k");
        let first = peer.client.submit(&submit(5)).await.unwrap();
        let again = peer.client.submit(&submit(5)).await.unwrap();
        assert_eq!(first.job_id(), again.job_id());
        assert_eq!(refused(peer.client.submit(&submit(6)).await), "DUPLICATE_KEY");
        let (_, outcome) = read_all(first).await;
        assert_eq!(inline(&outcome), json!({"ticks": 5}));
    });
}

#[test]
fn list_and_subscribe() {
    with_python("list_and_subscribe", async {
        let peer = Peer::new(&[]).await;
        let job = peer.submit("slow", json!({"ticks": 40, "tick_ms": 25})).await;
        let watcher = peer.connect_as("tok-alice2").await;
        let page = watcher.list(&ListQuery { status: vec!["running".into()], ..ListQuery::default() }).await.unwrap();
        assert_eq!(page.jobs.iter().map(|row| row.job_id.as_str()).collect::<Vec<_>>(), [job.job_id()]);
        let subscribe = Subscribe { history: true, from_event_seq: Some(0) };
        let mut watch = watcher.subscribe(job.job_id(), subscribe).await.unwrap();
        let mut ticks = Vec::new();
        while let Some(event) = watch.events().try_next().await.unwrap() {
            let body: Value = event.body.parse().unwrap();
            ticks.extend(body["current"].as_u64());
        }
        assert_eq!(ticks, (0..40).collect::<Vec<_>>(), "replayed and live events arrive once each and in order");
        assert_eq!(watch.outcome().await.unwrap().status, FinalStatus::Success);
        let stranger = peer.connect_as("tok-bob").await;
        assert!(
            ["PERMISSION_DENIED", "JOB_NOT_FOUND"]
                .contains(&refused(stranger.subscribe(job.job_id(), subscribe).await.map(|_| ())).as_str())
        );
    });
}

#[test]
fn heartbeats_keep_an_idle_session_alive() {
    with_python("heartbeats_keep_an_idle_session_alive", async {
        let peer = Peer::new(&["--heartbeat", "1"]).await;
        // For five seconds both sides send only pings and pongs.
        let (_, outcome) = read_all(peer.submit("stubborn", json!({"ms": 5000})).await).await;
        assert_eq!(inline(&outcome), json!("stubborn-done"));
        assert!(peer.client.ended().is_none());
        peer.assert_echoes().await;
    });
}

#[test]
fn a_flood_arrives_complete_and_in_order() {
    with_python("a_flood_arrives_complete_and_in_order", async {
        let peer = Peer::new(&[]).await;
        let (events, outcome) = read_all(peer.submit("flood", json!({"n": 20_000, "size": 10})).await).await;
        let messages: Vec<&str> = events.iter().filter_map(|(_, body)| body["message"].as_str()).collect();
        assert_eq!(messages.len(), 20_000);
        assert!(messages.iter().enumerate().all(|(i, message)| *message == format!("{}{i}", "x".repeat(10))));
        assert_eq!(inline(&outcome), json!({"n": 20_000}));
    });
}

#[test]
fn a_hundred_jobs_at_once() {
    with_python("a_hundred_jobs_at_once", async {
        let peer = Peer::new(&[]).await;
        let mut jobs = Vec::new();
        for n in 0..100 {
            jobs.push((n, peer.submit("echo", json!(n)).await));
        }
        for (n, job) in jobs {
            let (_, outcome) = read_all(job).await;
            assert_eq!(inline(&outcome), json!({ "echoed": n }), "each submit gets its own result");
        }
    });
}

#[test]
fn credentials_are_shown_to_the_submitter() {
    with_python("credentials_are_shown_to_the_submitter", async {
        let peer = Peer::new(&["--creds"]).await;
        let job = peer.submit("echo", json!(1)).await;
        let [credential] = job.info().credentials.as_slice() else { panic!("{:?}", job.info()) };
        assert_eq!(credential.value.expose(), format!("test-token-{}", job.job_id()));
        assert!(!format!("{:?}", job.info()).contains("test-token"), "the secret is not in the debug output");
    });
}
