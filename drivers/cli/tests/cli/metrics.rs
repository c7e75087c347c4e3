//! The port of metrics of `nuncio serve`.

use std::collections::BTreeSet;

use crate::exposition::Scrape;
use crate::support::{Serving, http};

/// Starts a server with metrics. Returns the address of these, too.
fn serve(arguments: &[&str]) -> (Serving, String) {
    let mut serving = Serving::start(&[&["--token", "t=me", "--metrics", "127.0.0.1:0"], arguments].concat());
    let address = serving.metrics();
    (serving, address)
}

fn scrape(address: &str) -> Scrape {
    let answer = http(address, "/metrics");
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
    Scrape::parse(text)
}

#[test]
#[expect(clippy::float_cmp, reason = "they are whole numbers, which a double holds exactly")]
fn jobs_are_counted_and_measured_by_agent() {
    let (serving, address) = serve(&["--max-concurrent", "slow=1"]);
    assert!(serving.submit("t", &["echo"]).status.success());
    assert!(serving.submit("t", &["echo"]).status.success());
    assert_eq!(serving.submit("t", &["fail"]).status.code(), Some(1));
    for unknown in ["nobody", "x\"} 1", "echo@9"] {
        assert!(!serving.submit("t", &[unknown]).status.success());
    }
    let running = ["slow", "--input", r#"{"ticks":1000000}"#, "--detach"];
    assert!(serving.submit("t", &running).status.success());
    assert!(serving.submit("t", &running).status.success());

    let scrape = scrape(&address);
    let of = |name: &str, agent: &str| scrape.value(name, &[("agent", agent)]);
    assert_eq!(of("nuncio_agent_jobs_accepted_total", "echo"), 2.0);
    let ended = |agent, status| scrape.value("nuncio_agent_jobs_ended_total", &[("agent", agent), ("status", status)]);
    assert_eq!((ended("echo", "success"), ended("echo", "error")), (2.0, 0.0));
    assert_eq!((ended("fail", "success"), ended("fail", "error")), (0.0, 1.0));
    assert_eq!(of("nuncio_agent_job_run_seconds_count", "echo"), 2.0);
    assert!(of("nuncio_agent_job_run_seconds_sum", "echo") > 0.0);
    assert_eq!(of("nuncio_agent_job_wait_seconds_count", "slow"), 1.0, "the second one waits");
    let jobs = |state| scrape.value("nuncio_agent_jobs", &[("agent", "slow"), ("state", state)]);
    assert_eq!((jobs("waiting"), jobs("running")), (1.0, 1.0));
    let agents = ["chunks", "echo", "fail", "progress", "slow"];
    assert_eq!(scrape.values_of("agent"), agents.into(), "only agents that are offered are labels");
    assert_eq!(scrape.values_of("version"), [env!("CARGO_PKG_VERSION")].into());
}

/// The guide names every metric that there is, and no other.
#[test]
fn every_metric_is_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let (serving, address) = serve(&["--journal", journal.to_str().expect("a path that is text")]);
    assert!(serving.submit("t", &["echo"]).status.success());
    let scrape = scrape(&address);
    assert!(scrape.value("nuncio_journal_commit_seconds_count", &[]) > 0.0);
    assert!(scrape.value("nuncio_journal_commit_seconds_sum", &[]) > 0.0);
    let names: BTreeSet<&str> = scrape.families().map(|family| &*family.name).collect();
    let guide = include_str!("../../packaging/README.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `nuncio_")?.split_once('`'));
    let documented: Vec<String> = rows.map(|(name, _)| format!("nuncio_{name}")).collect();
    assert_eq!(documented.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
    assert_eq!(documented.len(), names.len(), "none is documented twice");
}
