//! `nuncio status`: the state of a runtime, for its operators.

use std::process::Output;

use nuncio_tokio::arcp::{Config, Feature, Features, JobContext, Server};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

use crate::support::{Serving, nuncio, stderr, stdout};

const TOKENS: [&str; 6] = ["--token", "t=me", "--token", "o=ops", "--operator", "ops"];

fn serve(arguments: &[&str]) -> Serving {
    Serving::start(&[&TOKENS[..], arguments].concat())
}

fn status(url: &str, token: &str, arguments: &[&str]) -> Output {
    let mut command = nuncio(&["status", "--url", url, "--token", token]);
    command.args(arguments).output().expect("the binary runs")
}

/// Returns the state as JSON.
fn read(url: &str) -> Value {
    let output = status(url, "o", &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(stdout(&output)).expect("one object")
}

/// Returns the lines for people.
fn lines(url: &str) -> Vec<String> {
    let output = status(url, "o", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn an_operator_reads_the_state() {
    let serving = serve(&[]);
    assert!(serving.submit("t", &["echo", "--input", "1"]).status.success());
    let state = read(&serving.url);
    assert_eq!(state["jobs"], json!({"pending": 0, "running": 0, "cancelling": 0, "kept": 1}));
    assert_eq!((&state["connections"], &state["sessions"]["live"]), (&json!(1), &json!(1)));
    assert_eq!(state["memory"]["limit"], 1 << 30);
    assert!(state["memory"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{state}");
    assert!(state["uptime_sec"].is_u64(), "{state}");
    let members: Vec<&String> = state.as_object().expect("an object").keys().collect();
    assert_eq!(members.len(), 6, "nothing is said of a journal, pools and shards: {members:?}");

    let lines = lines(&serving.url);
    assert_eq!(lines[0], format!("runtime     nuncio {}", env!("CARGO_PKG_VERSION")));
    assert!(lines.contains(&"jobs        0 running, 0 waiting, 0 cancelling, 1 ended".to_owned()), "{lines:?}");
    let sessions = lines.iter().find(|line| line.starts_with("sessions    1 open, ")).expect("the line of sessions");
    assert!(sessions.ends_with(" disconnected or closed by their clients"), "{sessions}");
    assert!(lines.iter().any(|line| line.starts_with("memory") && line.ends_with(" of 1.0 GiB")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("journal") || line.starts_with("pool")), "{lines:?}");
}

#[test]
fn the_size_of_the_journal_is_that_of_its_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("j.db");
    let path = file.to_str().expect("text");
    let serving = serve(&["--journal", path, "--journal-max", "64 MiB"]);
    assert!(serving.submit("t", &["echo", "--input", "1"]).status.success());
    let state = read(&serving.url);
    let journal = &state["journal"];
    let size = |name: &str| std::fs::metadata(name).map_or(0, |file| file.len());
    let bytes = journal["bytes"].as_u64().expect("a number");
    // Its own session was written after the size was measured.
    assert!(bytes >= 4096 && bytes <= size(path) + size(&format!("{path}-wal")), "{bytes}");
    assert_eq!(journal["max_bytes"], 64 << 20);
    assert!(journal["free_bytes"].as_u64().is_some_and(|free| free > 0), "{journal}");
    assert!(journal["commits"].as_u64().is_some_and(|commits| commits > 0), "{journal}");
    assert!(journal["last_commit_us"].is_u64() && journal["committed_sec"].is_u64(), "{journal}");
    assert_eq!((journal.get("failing_sec"), journal.get("error")), (None, None), "{journal}");

    let lines = lines(&serving.url);
    let at = lines.iter().position(|line| line.starts_with("journal     ")).expect("a line");
    assert!(lines[at].contains(" KiB of at most 64.0 MiB, ") && lines[at].ends_with(" free on its disk"), "{lines:?}");
    assert!(lines[at + 1].contains(" commits; the last one was "), "{lines:?}");
}

#[test]
fn another_principal_is_refused() {
    let serving = serve(&[]);
    for arguments in [&[][..], &["--json"]] {
        let refused = status(&serving.url, "t", arguments);
        assert_eq!(refused.status.code(), Some(5));
        let said = format!("{}{}", stdout(&refused), stderr(&refused));
        assert!(said.contains("PERMISSION_DENIED") && said.contains("--operator"), "{said}");
    }
}

#[test]
fn a_runtime_that_does_not_know_the_request_is_not_asked() {
    let threads = tokio::runtime::Runtime::new().expect("threads");
    let (_server, listening) = threads.block_on(async {
        let config = Config::default().with(|config| config.features = Features::ALL.without(Feature::Status));
        let server = Server::builder().config(config).verifier(StaticTokens::new().with("o", "ops"));
        let server = server.agent("echo", |input: Value, _: JobContext| async move { Ok(input) }).build();
        let server = server.expect("a server");
        let listening = server.listen("127.0.0.1:0").await.expect("a port");
        (server, listening)
    });
    let refused = status(listening.url(), "o", &[]);
    assert_eq!(refused.status.code(), Some(5));
    assert!(stderr(&refused).contains("does not report its state"), "{}", stderr(&refused));
}

/// A server whose agent runs on a pool shows the bus, and the jobs that it has handed to the pool.
#[cfg(unix)]
#[test]
fn the_pool_is_shown_with_its_jobs() {
    use crate::cap::site::{ECHO, Site, script};

    let site = Site::on_own_bus();
    script(site.folder.path(), "echo.sh", ECHO);
    let _router = site.component(&["router", "--id", "router-1", "--unsigned"]);
    let _worker = site.component(&["worker", "--id", "worker-1", "--unsigned", "--topic", "job.echo=sh echo.sh"]);
    let serving = serve(&[
        "--cap-agent",
        "pooled=job.echo",
        "--cap",
        &site.nats,
        "--cap-redis",
        &site.redis,
        "--cap-id",
        "front-1",
        "--cap-unsigned",
    ]);
    let done = serving.submit("t", &["pooled", "--input", "7"]);
    assert_eq!((done.status.code(), stdout(&done)), (Some(0), "7\n"), "{}", stderr(&done));
    let state = read(&serving.url);
    let pool = &state["pools"][0];
    assert_eq!(pool["bus"]["state"], "connected");
    assert_eq!(pool["agents"], json!([{"agent": "pooled", "topic": "job.echo", "dispatched": 1, "outstanding": 0}]));
    let lines = lines(&serving.url);
    let at = lines.iter().position(|line| line.starts_with("pool        connected for ")).expect("a line");
    assert_eq!(lines[at + 1].trim(), "pooled (job.echo): 1 job dispatched, 0 outstanding", "{lines:?}");
}
