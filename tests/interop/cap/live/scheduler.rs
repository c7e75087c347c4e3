//! Our worker, and a scheduler made of functions of the Python SDK 2.17.0, which has no scheduler of its own.

use std::sync::Arc;
use std::time::Duration;

use nuncio_core::cap::{MapOrder, Production, TrustNames, TrustPace, TrustSettings, WorkerTrust};
use nuncio_tests::peers::{CapSdk, Dialogue};
use serde_json::{Value, json};

use super::on;
use super::python;
use super::support::{Handlers, Peers, keys, signer, with_servers, worker};

/// The settings of a scheduler of our worker, whose tokens are valid for some seconds.
fn settings(lifetime: u32) -> Value {
    let worker = json!({"id": "rust-worker", "key": 3, "key_id": "proof-1", "tenant": "tenant-1", "agent": "agent-1"});
    json!({"lifetime": lifetime, "worker": worker})
}

fn trust() -> Arc<TrustSettings> {
    let names = TrustNames {
        agent_id: "agent-1".to_owned(),
        tenant_id: "tenant-1".to_owned(),
        proof_key_id: "proof-1".to_owned(),
        scheduler_id: "python-scheduler".to_owned(),
    };
    let pace = TrustPace { renew_interval: Duration::from_millis(50), ..TrustPace::default() };
    let settings = TrustSettings::new(names, Arc::new(signer(3)), keys(&[("server-1", 1)])).unwrap();
    Arc::new(settings.with_pace(pace).unwrap())
}

/// Starts our worker. One of its topics begins with another, so the package verifies its handshake in the order of its own.
fn start(peers: &Peers, trust: WorkerTrust, handlers: &Handlers) -> on::Worker {
    let builder = worker("rust-worker", &[], handlers).trust(trust);
    let builder = builder.configure(|config| config.map_order = MapOrder::Upb);
    on::block_on(async { builder.start(peers.bus().await, peers.store()).unwrap() })
}

/// Waits for the result of a job, whose packet the package has verified.
fn result(scheduler: &mut Dialogue, job: &str) -> Value {
    loop {
        let event = scheduler.await_event("result");
        assert_eq!(event["has_token"], true, "{event}");
        if event["said"]["job_id"] == job {
            return event["said"].clone();
        }
    }
}

#[test]
fn our_worker_proves_itself_to_a_scheduler_made_of_the_package() {
    with_servers("our_worker_proves_itself_to_a_scheduler_made_of_the_package", |peers| {
        let mut scheduler = python::start(CapSdk::V2_17, "scheduler.py", peers, settings(60));
        let handlers = Handlers::new();
        let _worker = start(peers, WorkerTrust::Enforce(trust()), &handlers);
        let trusted = scheduler.await_event("trusted");
        assert_eq!((&trusted["renewal"], &trusted["capabilities"]["heartbeats"]), (&json!(false), &json!(true)));
        assert!(trusted["topics"].as_array().unwrap().contains(&json!("job.echo")), "{trusted}");
        assert_eq!(scheduler.await_event("handshake")["has_token"], true);

        scheduler.ask(&json!({"do": "dispatch", "job": "job-0", "topic": "job.echo", "input": 0, "key": 9}));
        scheduler.ask(&json!({"do": "dispatch", "job": "job-1", "topic": "job.echo", "input": "hi"}));
        let ended = result(&mut scheduler, "job-1");
        assert_eq!(ended["status"], "JOB_STATUS_SUCCEEDED");
        assert_eq!(scheduler.ask(&json!({"do": "get", "pointer": ended["result_ptr"]})), json!({"echo": "hi"}));
        assert_eq!(handlers.calls("job-0"), 0, "its packet has another key");
        assert_eq!(scheduler.await_event("heartbeat")["has_token"], true);
    });
}

#[test]
fn our_worker_renews_its_session_and_begins_another_when_a_renewal_is_rejected() {
    with_servers("our_worker_renews_its_session_and_begins_another_when_a_renewal_is_rejected", |peers| {
        let mut scheduler = python::start(CapSdk::V2_17, "scheduler.py", peers, settings(2));
        let handlers = Handlers::new();
        let _worker = start(peers, WorkerTrust::Enforce(trust()), &handlers);
        assert_eq!(scheduler.await_event("trusted")["renewal"], false);
        assert_eq!(scheduler.await_event("trusted")["renewal"], true);
        // The session is not valid any more.
        scheduler.ask(&json!({"do": "reject", "reason": 7}));
        assert_eq!(scheduler.await_event("rejected")["renewal"], true);
        assert_eq!(scheduler.await_event("trusted")["renewal"], false, "a session of its own");
        // Before that the worker has not subscribed again, and the bus keeps no job for it.
        scheduler.await_event("handshake");
        scheduler.ask(&json!({"do": "dispatch", "job": "job-1", "topic": "job.echo", "input": 1}));
        assert_eq!(result(&mut scheduler, "job-1")["status"], "JOB_STATUS_SUCCEEDED");
    });
}

#[test]
fn our_worker_takes_sealed_jobs_of_the_package_and_seals_their_results_for_it() {
    with_servers("our_worker_takes_sealed_jobs_of_the_package_and_seals_their_results_for_it", |peers| {
        let mut sealed = settings(60);
        sealed["production"] = json!(true);
        let mut scheduler = python::start(CapSdk::V2_17, "scheduler.py", peers, sealed);
        let handlers = Handlers::new();
        let _worker = start(peers, WorkerTrust::Production(trust(), Production::default()), &handlers);
        scheduler.await_event("trusted");
        scheduler.await_event("handshake");
        let mut send = |job: &str, more: Value| {
            let mut request = json!({"do": "dispatch_sealed", "job": job, "topic": "job.steps", "input": "hi"});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            scheduler.ask(&request);
        };
        send("job-0", json!({"tenant": "tenant-2"}));
        send("job-1", json!({"times": 3}));
        let progress = scheduler.await_event("progress");
        assert_eq!((&progress["said"]["job_id"], &progress["has_token"]), (&json!("job-1"), &json!(true)));
        let ended = result(&mut scheduler, "job-1");
        assert_eq!(ended["status"], "JOB_STATUS_SUCCEEDED");
        assert_eq!(ended["identity"], json!({"tenant_id": "tenant-1", "principal_id": "me"}));
        let dispatch = json!({"dispatch_id": "dispatch-job-1", "attempt": "1", "assigned_worker_id": "rust-worker"});
        assert_eq!(ended["dispatch"], dispatch);
        assert_eq!((handlers.calls("job-0"), handlers.calls("job-1")), (0, 1));
    });
}
