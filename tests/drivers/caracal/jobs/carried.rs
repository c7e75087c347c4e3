//! The context that a job carries, and what its agent makes of it.

use serde_json::{Value, json};

use super::arcp::{Failure, JobContext, Submit};
use super::bridge::NoCaller;
use super::caracal::{Caracal, http_types::HeaderMap};
use super::support::{application, builder, token};
use super::{HttpServer, SPAWN, bodies, connect, server};
use crate::on::within;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const KEY: &str = "x-vendor.nuncio.caracal";

/// Returns what an agent sees of its job, and the header fields of a call that it makes in the session of the job.
async fn look(caracal: Caracal, ctx: JobContext) -> Value {
    let job = ctx.caracal(&caracal);
    let headers = HeaderMap::from(job.run(async { caracal.headers().await.unwrap() }).await.unwrap());
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let session = job.caller().and_then(|caller| caller.baggage.session.as_ref()).map(ToString::to_string);
    json!({
        "extensions": ctx.extensions().map_or("none", |json| json.get()),
        "trace": ctx.trace_id().to_string(),
        "caller": session,
        "has_session": job.context().is_some(),
        "required": job.require_caller().map(|_| "there").map_err(|none| none.to_string()),
        "baggage": text("baggage"),
        "call_trace": text("traceparent").split('-').nth(1),
        "authorization": text("authorization"),
    })
}

/// Submits a job to an agent of `app-a` that looks at it.
async fn looked(coordinator: &HttpServer, submit: Submit) -> Value {
    let caracal = application(coordinator);
    let agent = move |_: Value, ctx: JobContext| {
        let caracal = caracal.clone();
        async move { Ok(look(caracal, ctx).await) }
    };
    let server = server().agent("look", agent).build().unwrap();
    let mut job = connect(&server).await.submit(&submit).await.unwrap();
    job.result().await.unwrap()
}

/// Returns an inbound context of the submitter, which calls itself `app-b`.
fn submitter(coordinator: &HttpServer) -> (Caracal, super::caracal::ActiveContext) {
    let source = super::caracal::TokenSource::fixed(token("submitters-token"));
    let caracal = builder(&coordinator.url()).token(source).build().unwrap();
    let mut headers = HeaderMap::new();
    let baggage = "caracal.agent_session=s-9,caracal.delegation_edge=e-9,caracal.hop=2,tenant=acme";
    for (name, value) in [
        ("authorization", "Bearer submitters-token".to_owned()),
        ("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01")),
        ("baggage", baggage.to_owned()),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let context = caracal.bind_from_headers(&headers).unwrap();
    (caracal, context)
}

#[test]
fn a_job_carries_the_context_of_its_submitter_without_the_token() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let (caracal, context) = submitter(&coordinator);
        let submit = Submit::new("look").extensions(&json!({"x-vendor.acme.row": 7, KEY: "replaced"}));
        let submit = context.call(|| submit.caracal(&caracal)).unwrap();
        let seen = looked(&coordinator, submit).await;
        let extensions: Value = serde_json::from_str(seen["extensions"].as_str().unwrap()).unwrap();
        assert_eq!(extensions["x-vendor.acme.row"], 7, "other extensions stay");
        let carried = extensions[KEY].as_object().unwrap();
        assert_eq!(carried.keys().collect::<Vec<_>>(), ["baggage", "traceparent"]);
        assert!(!seen["extensions"].as_str().unwrap().contains("submitters-token"));
        assert_eq!((&seen["trace"], &seen["caller"]), (&json!(TRACE), &json!("s-9")));
        assert_eq!(seen["required"]["Ok"], "there");

        // The agent acts as its own application, in a root session, for which it passes the caller's hops and baggage on.
        assert_eq!(seen["authorization"], "Bearer jwt-placeholder");
        let baggage = "caracal.agent_session=s-1,caracal.parent_edge=e-9,caracal.hop=2,tenant=acme";
        assert_eq!((&seen["baggage"], &seen["call_trace"]), (&json!(baggage), &json!(TRACE)));
        let requests = coordinator.await_requests(2).await;
        assert_eq!(bodies(&requests, SPAWN), [json!({"application_id": "app-a", "kind": "instance"})]);
        assert_eq!(requests[1].line, "DELETE /zones/z1/agents/s-1", "the session ends with the agent's work");
    });
}

#[test]
fn outside_every_context_a_job_carries_none() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let (caracal, _) = submitter(&coordinator);
        let seen = looked(&coordinator, Submit::new("look").caracal(&caracal).unwrap()).await;
        assert_eq!((&seen["extensions"], &seen["caller"]), (&json!("none"), &Value::Null));
        assert_eq!(seen["required"]["Err"], NoCaller::Missing.to_string());
        assert_eq!(seen["baggage"], "caracal.agent_session=s-1,caracal.hop=0");
    });
}

#[test]
fn a_session_that_a_submitter_claims_is_never_acted_in() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let caracal = application(&coordinator);
        let scope = caracal.spawn().await.unwrap();
        // The claim is even true: the session belongs to the application of the agent.
        let submit = scope.context().call(|| Submit::new("look").caracal(&caracal)).unwrap();
        let seen = looked(&coordinator, submit).await;
        assert_eq!((&seen["caller"], &seen["has_session"]), (&json!("s-1"), &json!(false)));
        assert_eq!(seen["baggage"], "caracal.agent_session=s-2,caracal.hop=0");
        let spawned = json!({"application_id": "app-a", "kind": "instance"});
        assert_eq!(bodies(&coordinator.seen(), SPAWN), [spawned.clone(), spawned], "it is not a parent");
    });
}

#[test]
fn a_context_that_cannot_be_read_is_ignored_unless_the_agent_requires_one() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let long = format!("a={}", "b".repeat(8_191));
        let many = vec!["a=b"; 65].join(",");
        for carried in [
            json!(7),
            json!([]),
            json!("text"),
            json!({"baggage": 7}),
            json!({"traceparent": ["00"]}),
            json!({"traceparent": ""}),
            json!({"traceparent": "00-00000000000000000000000000000000-00f067aa0ba902b7-01"}),
            json!({"traceparent": "\r\nauthorization: x"}),
            json!({"baggage": long}),
            json!({"baggage": many}),
            json!({"baggage": "", "other": "x".repeat(20_000)}),
        ] {
            let seen = looked(&coordinator, Submit::new("look").extensions(&json!({KEY: carried}))).await;
            assert_eq!(seen["caller"], Value::Null, "{carried}");
            let reason = seen["required"]["Err"].as_str().unwrap();
            assert!(reason.starts_with("the ") && reason.contains("context"), "{carried}: {reason}");
            assert!(seen["baggage"].as_str().unwrap().ends_with("caracal.hop=0"), "{carried}: {seen}");
        }
        // What can be read in part is read in part, as from header fields.
        for (carried, baggage) in [
            (Value::Null, ",caracal.hop=0"),
            (json!({}), ",caracal.hop=0"),
            (json!({"baggage": "caracal.hop=x,=y,;;,tenant=a\r\nb,caracal.agent_session="}), ",caracal.hop=0"),
            (json!({"baggage": "caracal.hop=3, tenant=acme"}), ",caracal.hop=3,tenant=acme"),
        ] {
            let seen = looked(&coordinator, Submit::new("look").extensions(&json!({KEY: carried}))).await;
            assert!(seen["baggage"].as_str().unwrap().ends_with(baggage), "{carried}: {seen}");
        }
    });
}

#[test]
fn an_agent_that_requires_a_context_fails_with_invalid_request() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let caracal = application(&coordinator);
        let agent = move |_: Value, ctx: JobContext| {
            let caracal = caracal.clone();
            async move { Ok::<_, Failure>(ctx.caracal(&caracal).require_caller()?.baggage.hop.count()) }
        };
        let server = server().agent("strict", agent).build().unwrap();
        let client = connect(&server).await;
        for (extensions, sentence) in
            [(json!({}), "carries no Caracal context"), (json!({KEY: {"traceparent": "x"}}), "traceparent")]
        {
            let mut job = client.submit(&Submit::new("strict").extensions(&extensions)).await.unwrap();
            let error = job.result::<u8>().await.unwrap_err().to_string();
            assert!(error.contains("INVALID_REQUEST") && error.contains(sentence), "{error}");
        }
        let carried = json!({KEY: {"baggage": "caracal.hop=1"}});
        let mut job = client.submit(&Submit::new("strict").extensions(&carried)).await.unwrap();
        assert_eq!(job.result::<u8>().await.unwrap(), 1);
        assert!(coordinator.seen().is_empty(), "reading a context asks the coordinator nothing");
    });
}
