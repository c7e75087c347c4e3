//! A worker that proves itself to a scheduler over the bus.

use std::sync::Arc;
use std::time::SystemTime;

use futures_lite::StreamExt as _;
use nuncio_core::cap::{AuthorityConfig, BusPacket, Enrollment, MapOrder, Payload, Timestamp, TrustAuthority, seal};

use super::cap::{
    Bus as _, ComponentId, JobContext, JobRequest, Keyring, MemoryBus, Message, RingSigner, RingVerifier, Secret,
    Signer, Subject, Subscription, Time, TrustNames, TrustSettings, Worker, WorkerTrust,
};
use super::support::{Net, packet};
use crate::on::within;

pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Time(since.as_micros().try_into().unwrap())
}

pub(crate) fn ring(name: &str, signer: &RingSigner) -> Keyring {
    let mut keys = Keyring::default();
    keys.add(name, signer.public_key()).unwrap();
    keys
}

/// Replies to a number of requests for trust, and returns the authority then.
async fn serve(bus: MemoryBus, asked: Subscription, mut authority: TrustAuthority, requests: usize) -> TrustAuthority {
    let mut asked = asked.take(requests);
    while let Some(received) = asked.next().await {
        let Message { subject, reply, payload } = received.message;
        let subject = Subject::parse(&subject).unwrap();
        let answer = authority.handle_request(now(), &subject, &payload).unwrap();
        bus.publish(Message { subject: reply.unwrap(), reply: None, payload: answer }).await.unwrap();
    }
    authority
}

/// A request of the scheduler's, signed.
fn request(key: &dyn Signer) -> Message {
    let job = JobRequest {
        job_id: "job-1".into(),
        topic: "job.echo".into(),
        tenant_id: "tenant".into(),
        ..JobRequest::default()
    };
    let request = BusPacket {
        trace_id: "trace-1".into(),
        sender_id: "scheduler".into(),
        created_at: Some(Timestamp::from_time(now())),
        protocol_version: 1,
        payload: Some(Payload::from(job)),
        ..BusPacket::default()
    };
    let sealed = seal(request, MapOrder::default(), Some(key)).unwrap();
    Message { subject: "job.echo".into(), reply: None, payload: sealed.bytes.into() }
}

#[test]
fn s14_a_worker_is_trusted_over_the_bus_and_its_result_carries_its_token() {
    within(async {
        let net = Net::new().await;
        let (worker_key, scheduler_key) = (RingSigner::generate().unwrap().0, RingSigner::generate().unwrap().0);
        let scheduler = net.bus.another();
        let signer = Arc::new(scheduler_key);
        let names = TrustNames {
            agent_id: "agent".into(),
            tenant_id: "tenant".into(),
            proof_key_id: "proof".into(),
            scheduler_id: "scheduler".into(),
        };
        let keys = ring("proof", &worker_key);
        let settings = TrustSettings::new(names, Arc::new(worker_key), ring("server", &signer)).unwrap();

        let id = ComponentId::new("scheduler").unwrap();
        let config = AuthorityConfig::new(id, "server", Arc::clone(&signer) as Arc<dyn Signer>, Arc::new(RingVerifier));
        let mut authority = TrustAuthority::new(config, [9; 32], now());
        let enrollment = Enrollment { agent_id: "agent".into(), tenant_id: "tenant".into(), keys, topics: None };
        authority.enroll("worker-1", enrollment).unwrap();

        let asked = scheduler.subscribe("sys.worker.handshake.*", None).await.unwrap();
        let serving = smol::spawn(serve(scheduler.clone(), asked, authority, 2));
        let builder = Worker::builder()
            .id("worker-1")
            .job("job.echo", |_: JobContext, text: Option<String>| async move { Ok(text) })
            .trust(WorkerTrust::Enforce(Arc::new(settings)));
        let (_worker, _) = net.worker(builder).await;
        let authority = serving.await;
        net.await_message("sys.handshake").await;

        scheduler.publish(request(&*signer)).await.unwrap();
        let result = packet(&net.await_message("sys.job.result").await);
        assert!(matches!(&result.payload, Some(Payload::JobResult(result)) if result.job_id == "job-1"));
        assert!(authority.admits(now(), "worker-1", &result.auth_token));
        assert!(!authority.admits(now(), "worker-1", &Secret::default()));
    });
}
