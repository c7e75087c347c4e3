//! CAP: a router whose policy allows, denies, and leaves it to a person; jobs go to the least-loaded worker.

use std::error::Error;

use nuncio_tokio::cap::{
    Client, Decision, Dispatch, JobContext, JobStatus, MemoryBus, MemoryRecords, MemoryStore, PolicyCheck, Router,
    RouterEvent, Submit, Worker,
};
use tokio::sync::mpsc;

/// Decides by the label `risk`.
async fn policy(check: PolicyCheck) -> Decision {
    match check.request.labels.get("risk").map(String::as_str) {
        None => Decision::Allow,
        Some("high") => Decision::RequireHuman { reason: "this may break things".into() },
        Some(risk) => Decision::Deny { reason: format!("jobs of the risk {risk:?} do not run here") },
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (bus, store) = (MemoryBus::new(), MemoryStore::new());
    let (ask, mut asked) = mpsc::unbounded_channel();
    let router = Router::builder()
        .id("router-1")
        .policy(policy)
        .dispatch(Dispatch::LeastLoaded)
        // An accepted job is stored before anything else happens to it: in a file it outlives the router.
        .records(MemoryRecords::default())
        .on_event(move |event, job_id| {
            if let (RouterEvent::Approval { .. }, Some(job_id)) = (event, job_id) {
                // If nobody receives it, the example has ended.
                drop(ask.send(job_id.to_owned()));
            }
        })
        .start(bus.another())?;
    router.ready().await?;
    let mut workers = Vec::new();
    for id in ["worker-1", "worker-2"] {
        let worker =
            Worker::builder().id(id).job("job.double", |_: JobContext, number: u32| async move { Ok(2 * number) });
        let worker = worker.start(bus.another(), store.clone())?;
        worker.ready().await?;
        workers.push(worker);
    }
    let client = Client::builder().connect(bus, store)?;
    let submit = |number: u32| Submit::new("job.double").input(&number);

    let mut allowed = client.submit(submit(1)).await?;
    assert_eq!(allowed.result::<u32>().await?, 2);

    let mut denied = client.submit(submit(2).label("risk", "extreme")).await?;
    let outcome = denied.outcome().await?;
    println!("{:?}: {}", outcome.status, outcome.error_message);
    assert_eq!(outcome.status, JobStatus::DENIED);
    assert!(outcome.error_message.contains("do not run here"));

    let mut held = client.submit(submit(3).label("risk", "high")).await?;
    let waiting = asked.recv().await.ok_or("a person is asked")?;
    assert_eq!(waiting, held.job_id());
    let reasons: Vec<_> = router.jobs().into_iter().map(|job| job.reason).collect();
    assert!(reasons.iter().any(|reason| reason == "this may break things"), "{reasons:?}");
    // A person has looked at it and approves.
    router.decide(&waiting, Decision::Allow)?;
    assert_eq!(held.result::<u32>().await?, 6);
    router.close().await;
    Ok(())
}
