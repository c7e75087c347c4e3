//! Workers that prove who they are, and packets that are sealed.

use std::process::{Output, Stdio};

use serde_json::Value;

use super::site::{Component, ECHO, Site, script};
use crate::support::{Serving, nuncio, run, stderr, stdout};

/// A site with a second worker, whose workers can run `job.echo`.
fn site() -> Site {
    let site = Site::on_own_bus();
    script(site.folder.path(), "echo.sh", ECHO);
    site.keygen("worker-2");
    site
}

/// A router that waits only a moment for a worker.
fn router(site: &Site, arguments: &[&str]) -> Component {
    let router = ["router", "--id", "router-1", "--keys", "keys", "--worker-wait", "1ms"];
    site.component(&[&router[..], arguments].concat())
}

/// A worker of `job.echo` that proves itself to the router as one of a tenant.
fn worker(site: &Site, id: &str, tenant: &str, arguments: &[&str]) -> Component {
    let worker = ["worker", "--id", id, "--keys", "keys", "--topic", "job.echo=sh echo.sh"];
    let trust = ["--scheduler", "router-1", "--tenant", tenant, "--agent", "agent-1"];
    site.component(&[&worker[..], &trust, arguments].concat())
}

const SEALED: [&str; 6] = ["--production", "--peer", "router-1", "--peer", "worker-1", "--tenant"];

fn echo(site: &Site, arguments: &[&str]) -> Output {
    site.submit(&[&["job.echo", "--input", "7"], arguments].concat())
}

#[track_caller]
fn assert_done(output: &Output) {
    assert_eq!((output.status.code(), stdout(output)), (Some(0), "7\n"), "{}", stderr(output));
}

#[track_caller]
fn assert_no_worker(output: &Output) {
    assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    assert!(stderr(output).contains("JOB_WORKER_UNAVAILABLE"), "{}", stderr(output));
}

#[test]
fn s14_a_worker_that_is_enrolled_proves_itself_and_runs_jobs() {
    let site = site();
    let router = router(&site, &["--enroll", "worker-1=tenant-1/agent-1"]);
    let _worker = worker(&site, "worker-1", "tenant-1", &[]);
    router.until("the worker worker-1 has proved its identity");
    router.until("the worker worker-1 has joined");
    assert_done(&echo(&site, &[]));
}

#[test]
fn s14_a_worker_that_is_not_enrolled_gets_no_session_and_says_why() {
    let site = site();
    let router = router(&site, &["--enroll", "worker-1=tenant-1/agent-1"]);
    let stranger = worker(&site, "worker-2", "tenant-1", &[]);
    let refusal = stranger.until("could not prove itself");
    assert!(refusal.contains("the scheduler has rejected the worker: AUTHENTICATION_FAILED"), "{refusal}");
    let seen = router.until("a request for a trust session was rejected");
    assert!(seen.contains("AUTHENTICATION_FAILED"), "{seen}");
    assert_no_worker(&echo(&site, &[]));

    // A worker that is enrolled for another tenant is as unknown.
    let other = worker(&site, "worker-1", "tenant-2", &[]);
    let refusal = other.until("could not prove itself");
    assert!(refusal.contains("the scheduler"), "{refusal}");
    assert_no_worker(&echo(&site, &[]));
}

#[test]
fn s14_workers_without_a_session_get_jobs_while_sessions_are_optional() {
    let site = site();
    let _router = router(&site, &["--enroll", "worker-1=tenant-1/agent-1", "--optional-sessions"]);
    let _plain = site.component(&["worker", "--id", "worker-2", "--keys", "keys", "--topic", "job.echo=sh echo.sh"]);
    assert_done(&echo(&site, &[]));
}

#[test]
fn s19_a_sealed_job_ends_with_a_sealed_result() {
    let site = site();
    let terms = ["--production", "--packet-lifetime", "1m", "--clock-skew", "1s", "--replay-window", "10"];
    let known = ["--enroll", "worker-1=tenant-1/agent-1", "--submitter", "client-1=tenant-1", "--store", "jobs.db"];
    let router = router(&site, &[&terms[..], &known].concat());
    let _worker = worker(&site, "worker-1", "tenant-1", &terms);
    router.until("the worker worker-1 has joined");
    let watch = ["watch", "--keys", "keys", "--json", "--job", "job-1", "--count", "4"];
    let mut watching = site.cap(&watch).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut begins = [0; 8];
    std::io::Read::read_exact(watching.stderr.as_mut().unwrap(), &mut begins).unwrap();
    assert_eq!(&begins, b"watching");

    let peers = ["--peer", "router-1", "--peer", "worker-1", "--tenant", "tenant-1", "--principal", "me"];
    let sealed = [&terms[..], &peers, &["--job-id", "job-1"]].concat();
    assert_done(&echo(&site, &sealed));
    let watched = watching.wait_with_output().unwrap();
    let lines: Vec<Value> = stdout(&watched).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["signature"] == "verified" && line.get("fault").is_none()), "{lines:?}");

    // The router answers a request that comes again, with a result of its own.
    assert_done(&echo(&site, &sealed));
}

#[test]
fn s19_packets_that_are_not_sealed_or_of_another_tenant_are_refused() {
    let site = site();
    let enrolled = ["--enroll", "worker-1=tenant-1/agent-1", "--enroll", "worker-2=tenant-2/agent-1"];
    let submitters = ["--production", "--submitter", "client-1=tenant-1"];
    let router = router(&site, &[&enrolled[..], &submitters].concat());
    let _foreign = worker(&site, "worker-2", "tenant-2", &["--production"]);
    router.until("the worker worker-2 has joined");
    let refused = |arguments: &[&str], reason: &str| {
        let output = echo(&site, &[arguments, &["--no-wait"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let line = router.until("a packet was refused");
        assert!(line.contains(reason) && line.contains("sys.job.submit"), "{line}");
    };
    refused(&[&SEALED[..], &["tenant-2"]].concat(), "the packet is of another tenant");
    refused(&[], "the metadata of the signature is missing");
    // A job goes to workers of its tenant alone.
    assert_no_worker(&echo(&site, &[&SEALED[..], &["tenant-1"]].concat()));
    let _own = worker(&site, "worker-1", "tenant-1", &["--production"]);
    router.until("the worker worker-1 has joined");
    assert_done(&echo(&site, &[&SEALED[..], &["tenant-1"]].concat()));
}

#[test]
fn s19_a_server_seals_the_jobs_of_its_pool() {
    let site = site();
    let enrolled = ["--enroll", "worker-1=tenant-1/agent-1", "--store", "jobs.db"];
    let router = router(&site, &[&enrolled[..], &["--production", "--submitter", "client-1=tenant-1"]].concat());
    let _worker = worker(&site, "worker-1", "tenant-1", &["--production"]);
    router.until("the worker worker-1 has joined");
    let settings = format!(
        "[pool]\ncap = {:?}\ncap-redis = {:?}\ncap-id = \"client-1\"\ncap-keys = \"keys\"\ncap-agent = [\"echo=job.echo\"]\n\
         cap-production = true\ncap-tenant = \"tenant-1\"\ncap-packet-lifetime = \"5m\"\n",
        site.nats, site.redis
    );
    std::fs::write(site.path("serve.toml"), settings).unwrap();
    let mut serve = nuncio(&["serve", "--listen", "127.0.0.1:0", "--token", "s3cret=alice", "--config", "serve.toml"]);
    serve.args(["--cap-peer", "router-1", "--cap-peer", "worker-1"]).current_dir(site.folder.path());
    let server = Serving::of(serve);
    assert_done(&run(&["submit", "echo", "--token", "s3cret", "--input", "7", "--url", &server.url]));
}

#[test]
fn what_production_needs_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().to_str().unwrap();
    for id in ["r", "w", "c"] {
        assert_eq!(run(&["cap", "keygen", id, "--dir", keys]).status.code(), Some(0));
    }
    let refused = |arguments: &[&str], sentence: &str| {
        // The usage is checked before anything is connected.
        let output = run(&[&["cap"], arguments, &["--nats", "nats://127.0.0.1:1"]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(sentence), "{}", stderr(&output));
    };
    let router = ["router", "--id", "r", "--keys", keys, "--production"];
    let enrolled = [&router[..], &["--enroll", "w=tenant/agent"]].concat();
    let submitted = [&enrolled[..], &["--submitter", "c=tenant"]].concat();
    refused(&router, "needs --enroll");
    refused(&enrolled, "needs --submitter");
    refused(
        &[&enrolled[..], &["--submitter", "x=tenant"]].concat(),
        "--submitter x: there is no x.pub.pem in the directory of keys",
    );
    refused(&[&submitted[..], &["--operator", "w"]].concat(), "the operator w also needs --submitter w=TENANT");
    refused(&[&submitted[..], &["--optional-sessions"]].concat(), "cannot be used with");
    refused(&[&submitted[..], &["--packet-lifetime", "6m"]].concat(), "at most 5 min");
    refused(&["router", "--id", "r", "--keys", keys, "--submitter", "c=tenant"], "--production");

    let worker = ["worker", "--id", "w", "--keys", keys, "--topic", "job.a=cat", "--production"];
    let trusting = [&worker[..], &["--scheduler", "r", "--tenant", "t", "--agent", "a"]].concat();
    refused(&worker, "needs --scheduler");
    refused(&[&trusting[..], &["--trust", "warn"]].concat(), "exclude each other");

    let submit = ["submit", "job.a", "--id", "c", "--keys", keys, "--input", "1", "--production"];
    refused(&submit, "needs --tenant");
    refused(&[&submit[..], &["--tenant", "t"]].concat(), "needs --peer");
    refused(
        &[&submit[..], &["--tenant", "t", "--peer", "x"]].concat(),
        "--peer x: there is no x.pub.pem in the directory of keys",
    );
    refused(&["submit", "job.a", "--id", "c", "--keys", keys, "--input", "1", "--peer", "r"], "--production");

    let refused = |arguments: &[&str], sentence: &str| {
        let serve = ["serve", "--check", "--cap-agent", "a=job.a", "--cap", "nats://127.0.0.1:1", "--cap-id", "c"];
        let output = run(&[&serve[..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(sentence), "{}", stderr(&output));
    };
    let sealed = ["--cap-keys", keys, "--cap-production"];
    refused(&sealed, "--cap-production needs --cap-tenant NAME");
    refused(&[&sealed[..], &["--cap-tenant", "t"]].concat(), "--cap-production needs --cap-peer ID");
    let peers = ["--cap-tenant", "t", "--cap-peer"];
    refused(&[&sealed[..], &peers, &["x"]].concat(), "--cap-peer x: there is no x.pub.pem in the directory of keys");
    refused(&[&sealed[..], &peers, &["r", "--cap-packet-lifetime", "6m"]].concat(), "at most 5 min");
    refused(&["--cap-keys", keys, "--cap-tenant", "t"], "--cap-tenant needs --cap-production");
    refused(&["--cap-unsigned", "--cap-production"], "cannot be used with");
}
