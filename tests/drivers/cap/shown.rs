//! What the types of CAP show of themselves: their ids and debug forms, which have neither inputs nor secrets.

use serde_json::Value;

use super::cap::testing::{HandlerTest, Recorder};
use super::cap::{
    BlobStore as _, Bus as _, Client, JobContext, MemoryBus, MemoryServer, MemoryStore, Message, NatsBus, NatsOptions,
    Next, RedisOptions, RedisStore, Router, Submit, Worker,
};
use crate::on::within;

fn shown(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

#[test]
fn nodes_and_their_builders_show_their_ids() {
    within(async {
        let (bus, store) = (MemoryBus::new(), MemoryStore::new());
        let (worker, client, router) =
            (Worker::builder().id("w"), Client::builder().id("c"), Router::builder().id("r"));
        assert_eq!(shown(&worker), r#"WorkerBuilder { id: Some("w"), .. }"#);
        assert_eq!(shown(&client), r#"ClientBuilder { id: Some("c"), .. }"#);
        assert_eq!(shown(&router), r#"RouterBuilder { id: Some("r"), .. }"#);
        let worker = worker.job("job.echo", |_: JobContext, input: Value| async { Ok(input) });
        let worker = worker.start(bus.another(), store.clone()).unwrap();
        let client = client.connect(bus.another(), store).unwrap();
        let router = router.start(bus.another()).unwrap();
        assert_eq!((worker.id(), client.id(), router.id()), ("w", "c", "r"));
        assert_eq!(shown(&worker), r#"Worker { id: "w", .. }"#);
        assert_eq!(shown(&client), r#"Client { id: "c", .. }"#);
        assert_eq!(shown(&router), r#"Router { id: "r", .. }"#);
    });
}

#[test]
fn a_job_shows_its_id_and_not_its_input() {
    within(async {
        let client = Client::builder().connect(MemoryBus::new(), MemoryStore::new()).unwrap();
        let submit = Submit::new("job.echo").job_id("job-1").input("secret").env("KEY", "secret");
        let text = shown(&submit);
        assert!(text.starts_with("Submit {") && text.contains("job-1") && !text.contains("secret"), "{text}");
        assert_eq!(shown(client.submit(submit).await.unwrap()), r#"JobHandle { job_id: "job-1", .. }"#);
    });
}

#[test]
fn a_handler_sees_what_its_context_is_of() {
    within(async {
        let handler = |ctx: JobContext, (): ()| async move {
            let progress = ctx.progress(40).message("nearly half");
            Ok([shown(&ctx), shown(&progress)])
        };
        let layer = |ctx: JobContext, input: Value, next: Next| async move {
            assert_eq!(shown(&next), "Next { left: 0, .. }");
            next.run(ctx, input).await
        };
        let test = HandlerTest::new(handler).layer(layer);
        assert!(shown(&test).starts_with("HandlerTest {") && shown(&test).contains("test-job-1"), "{test:?}");
        let output = test.run(&()).await.output.unwrap();
        assert_eq!(output[0], r#"JobContext { job_id: "test-job-1", topic: "job.test", .. }"#);
        let progress = output[1].as_str().unwrap();
        assert!(progress.starts_with("ProgressReport {") && progress.contains("nearly half"), "{progress}");
    });
}

#[test]
fn buses_and_stores_show_their_state() {
    within(async {
        let (bus, store) = (MemoryBus::new(), MemoryStore::new());
        assert_eq!(shown(&bus), "MemoryBus { state: Connected(1), .. }");
        store.set("key", "secret".into(), None).await.unwrap();
        assert_eq!(shown(&store), format!("MemoryStore {{ bytes: {}, .. }}", store.bytes_held()));
        let server = MemoryServer::start(&bus, &store, "127.0.0.1:0", "127.0.0.1:0").await.unwrap();
        let (nats, redis) = (server.nats_url(), server.redis_url());
        assert_eq!(shown(&server), format!("MemoryServer {{ nats_url: {nats:?}, redis_url: {redis:?}, .. }}"));
        let bus = NatsBus::connect(NatsOptions::new(nats).unwrap()).await.unwrap();
        let text = shown(&bus);
        assert!(text.starts_with("NatsBus {") && text.contains("Connected(1)"), "{text}");
        let store = RedisStore::new(RedisOptions::new(redis).unwrap()).unwrap();
        assert!(shown(&store).starts_with("RedisStore {"), "{store:?}");
        assert_eq!(shown(Recorder::new(&MemoryBus::new()).unwrap()), "Recorder { messages: 0, .. }");
    });
}

#[test]
fn a_recorder_keeps_what_is_published_and_a_test_cancels_its_handler() {
    within(async {
        let bus = MemoryBus::new();
        let mut recorder = Recorder::new(&bus).unwrap();
        for (subject, payload) in [("job.a", "1"), ("job.b", "2"), ("job.a", "3"), ("job.b", "4")] {
            let message = Message { subject: subject.into(), reply: None, payload: payload.into() };
            bus.publish(message).await.unwrap();
        }
        assert_eq!(recorder.next("job.b").await.unwrap().payload, "2");
        assert_eq!(shown(&recorder), "Recorder { messages: 2, .. }");
        let payloads: Vec<_> = recorder.messages().iter().map(|message| message.payload.clone()).collect();
        assert_eq!(payloads, ["1", "2", "3", "4"]);

        let handler = |ctx: JobContext, (): ()| async move { Ok(ctx.is_cancelled()) };
        let (quiet, cancelled) = (HandlerTest::new(handler), HandlerTest::new(handler));
        cancelled.cancellation().cancel();
        assert_eq!(quiet.run(&()).await.output.unwrap(), false);
        assert_eq!(cancelled.run(&()).await.output.unwrap(), true);
    });
}
