//! Contexts on jobs of CAP, also behind an ARCP server.

use serde_json::{Value, json};

use super::arcp::{self, LeaseRequest, Namespace};
use super::bridge::Pool;
use super::cap::{Client, Failure, JobContext, MemoryBus, MemoryStore, Router, Submit, Worker};
use super::caracal::Caracal;
use super::support::application;
use super::{HttpServer, connect, server};
use crate::on::within;

/// A pool whose workers return what they see of their jobs.
struct Net {
    client: Client,
    _router: Router,
    _worker: Worker,
}

impl Net {
    async fn start(caracal: &Caracal) -> Net {
        let (bus, store) = (MemoryBus::new(), MemoryStore::new());
        let router = Router::builder().id("router").start(bus.another()).unwrap();
        router.ready().await.unwrap();
        let caracal = caracal.clone();
        let look = move |ctx: JobContext, _: Value| {
            let caracal = caracal.clone();
            async move {
                let job = ctx.caracal(&caracal);
                let session =
                    job.require_caller().ok().map(|caller| caller.baggage.session.as_ref().map(ToString::to_string));
                let trace = job.caller().and_then(|caller| caller.trace).map(|trace| trace.trace_id.to_string());
                let headers = job.run(async { caracal.headers().await.unwrap() }).await.unwrap();
                let baggage = headers.get("baggage").unwrap();
                let has_secret =
                    ctx.labels().values().chain(ctx.env().values()).any(|text| text.contains("placeholder"));
                Ok::<_, Failure>(json!({
                    "caller": session, "baggage": baggage, "is_in_trace": trace.as_deref() == Some(ctx.trace_id()),
                    "has_secret": has_secret,
                }))
            }
        };
        let worker = Worker::builder().job("job.look", look).start(bus.another(), store.clone()).unwrap();
        worker.ready().await.unwrap();
        let client = Client::builder().id("front").connect(bus, store).unwrap();
        Net { client, _router: router, _worker: worker }
    }
}

#[test]
fn the_context_of_a_job_travels_to_the_worker_behind_the_server() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let caracal = application(&coordinator);
        let net = Net::start(&caracal).await;
        let server = Pool::new(net.client.clone()).serve(server(), "look", "job.look").unwrap().build().unwrap();
        let client = connect(&server).await;
        let scope = caracal.spawn().await.unwrap();
        let submit = scope.context().call(|| arcp::Submit::new("look").caracal(&caracal)).unwrap();
        let seen: Value = client.submit(&submit).await.unwrap().result().await.unwrap();
        let baggage = "caracal.agent_session=s-2,caracal.hop=0";
        assert_eq!(seen, json!({"caller": "s-1", "baggage": baggage, "is_in_trace": true, "has_secret": false}));

        let seen: Value = client.submit(&arcp::Submit::new("look")).await.unwrap().result().await.unwrap();
        assert_eq!(seen["caller"], Value::Null, "a job without a context has no label");
        let hostile = json!({"x-vendor.nuncio.caracal": {"baggage": "caracal.hop=32,caracal.agent_session=s-1"}});
        let submit = arcp::Submit::new("look").extensions(&hostile);
        let seen: Value = client.submit(&submit).await.unwrap().result().await.unwrap();
        assert_eq!(seen["caller"], Value::Null, "more hops than are sent are not passed on");
    });
}

#[test]
fn the_session_of_a_delegated_job_is_the_context_of_its_worker() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let caracal = application(&coordinator);
        let net = Net::start(&caracal).await;
        let agents = caracal.clone();
        let parent = move |_: Value, ctx: arcp::JobContext| {
            let caracal = agents.clone();
            async move {
                let scope = Namespace::parse("x-vendor.caracal.scope").unwrap();
                let lease = LeaseRequest::new().allow(scope, "read");
                let look = arcp::Delegation::new("look").lease(&lease);
                let work = async {
                    caracal.delegate_job(&ctx, &look).await?.result::<Value>().await.map_err(arcp::Failure::from)
                };
                ctx.caracal(&caracal).run(work).await?
            }
        };
        let server = Pool::new(net.client.clone()).serve(server().agent("parent", parent), "look", "job.look").unwrap();
        let server = server.build().unwrap();
        let lease = json!({"agent.delegate": ["look"], "x-vendor.caracal.scope": ["*"]});
        let submit = arcp::Submit::new("parent").lease(&lease);
        let seen: Value = connect(&server).await.submit(&submit).await.unwrap().result().await.unwrap();
        assert_eq!(seen["caller"], "s-2");
        assert_eq!(seen["baggage"], "caracal.agent_session=s-3,caracal.parent_edge=e-1,caracal.hop=1");
    });
}

#[test]
fn a_job_of_cap_carries_the_present_context() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let caracal = application(&coordinator);
        let net = Net::start(&caracal).await;
        let scope = caracal.spawn().await.unwrap();
        let submit = scope.context().call(|| Submit::new("job.look").caracal(&caracal)).unwrap();
        let mut job = net.client.submit(submit).await.unwrap();
        let seen: Value = job.result().await.unwrap();
        assert_eq!((&seen["caller"], &seen["has_secret"]), (&json!("s-1"), &json!(false)));
    });
}
