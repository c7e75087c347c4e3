//! Caracal with ARCP: a mandate is the token of an ARCP client, its job carries its context, and a delegated job acts in a
//! session of its own, whose scopes follow its lease.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use nuncio_examples::caracal::{LocalCoordinator, serve};
use nuncio_tokio::arcp::{
    Client, Delegation, Failure, JobContext, LeaseRequest, Namespace, OrFail as _, Server, Submit,
};
use nuncio_tokio::caracal::http_types::{HeaderMap, Request};
use nuncio_tokio::caracal::{Caracal, MandateIssuer, MandateVerifier, ResourceBinding, ZoneId, current};
use serde_json::{Value, json};
use tokio::task::yield_now;

/// The service that agents call: it returns who acts, in which trace.
async fn who() -> String {
    let context = current();
    let context = context.as_ref();
    json!({
        "session": context.and_then(|context| context.session()).map(ToString::to_string),
        "edge": context.and_then(|context| context.edge()).map(ToString::to_string),
        "hop": context.map(|context| context.hop().count()),
        "trace": context.and_then(|context| context.trace()).map(|trace| trace.id.to_string()),
    })
    .to_string()
}

/// Calls the service in the present context.
async fn ask(desk: &Caracal, service: &str) -> Result<Value, Failure> {
    let request = Request::get(service).body("").or_fail("the URL of the service is malformed")?;
    let answer = desk.transport().send(request).await.or_fail("the service cannot be called")?;
    serde_json::from_slice(answer.body()).or_fail("the service answers with something else than JSON")
}

/// Plans in a session of its own, and has the rest done by `search`.
async fn plan(desk: Caracal, service: String, ctx: JobContext) -> Result<Value, Failure> {
    let job = ctx.caracal(&desk);
    let submitter = job.require_caller()?.baggage.session.as_ref().map(ToString::to_string);
    let work = async {
        let own = ask(&desk, &service).await?;
        let lease = LeaseRequest::new().allow(Namespace::ToolCall, "search.web");
        let mut search = desk.delegate_job(&ctx, &Delegation::new("search").lease(&lease)).await?;
        let delegated: Value = search.result().await?;
        Ok(json!({"principal": ctx.principal(), "submitter": submitter, "own": own, "delegated": delegated}))
    };
    job.run(work).await?
}

/// Acts in the session that was opened for it.
async fn search(desk: Caracal, service: String, ctx: JobContext) -> Result<Value, Failure> {
    let job = ctx.caracal(&desk);
    assert!(job.context().is_some(), "the job that delegates has opened it");
    let seen = job.run(ask(&desk, &service)).await??;
    Ok(json!({"scopes": job.scopes(), "seen": seen}))
}

fn server(desk: &Caracal, service: &str, coordinator: &LocalCoordinator) -> Result<Server, Box<dyn Error>> {
    // The coordinator's tokens are for itself; those of a token service are for the resources that it knows.
    let issuer = MandateIssuer::new(coordinator.url(), "nuncio", ZoneId::new("z1")?, "nuncio");
    let [for_plan, for_search] = [(desk.clone(), service.to_owned()), (desk.clone(), service.to_owned())];
    let server = Server::builder().verifier(MandateVerifier::new(&issuer)?);
    let server = server
        .agent("plan", move |_: Value, ctx| plan(for_plan.0.clone(), for_plan.1.clone(), ctx))
        .agent("search", move |_: Value, ctx| search(for_search.0.clone(), for_search.1.clone(), ctx));
    Ok(server.build()?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = LocalCoordinator::start(&["assistant", "desk", "inventory"]).await?;
    let inventory = coordinator.application("inventory")?.build()?;
    let service = serve(Router::new().route("/who", get(who)).layer(inventory.layer())).await? + "/who";
    let binding = ResourceBinding { resource: "resource://inventory".into(), prefix: service.as_str().into() };
    let desk = coordinator.application("desk")?.resource(binding).build()?;
    let server = server(&desk, &service, &coordinator)?;

    let assistant = coordinator.application("assistant")?.build()?;
    let headers = HeaderMap::from(assistant.headers().await?);
    let mandate = headers["authorization"].to_str()?.trim_start_matches("Bearer ").to_owned();
    let refused = Client::over(server.memory_connector(), "garbage").connect().await;
    assert!(refused.is_err_and(|error| error.to_string().contains("not a Caracal mandate")));
    let client = Client::over(server.memory_connector(), &mandate).connect().await?;

    let scope = assistant.spawn().await?;
    let session = scope.session().to_string();
    let trace = scope.context().trace().map(|trace| trace.id.to_string());
    let lease = LeaseRequest::new().allow(Namespace::AgentDelegate, "search").allow(Namespace::ToolCall, "search.*");
    let submit = scope.context().call(|| Submit::new("plan").lease(&lease).caracal(&assistant))?;
    let result: Value = client.submit(&submit).await?.result().await?;
    println!("{result:#}");

    assert_eq!(result["principal"], "caracal:z1/assistant");
    assert_eq!(result["submitter"], session);
    let (own, delegated) = (&result["own"], &result["delegated"]["seen"]);
    assert_eq!((&own["edge"], &own["hop"]), (&Value::Null, &json!(0)), "the desk acts by itself");
    assert_eq!((delegated["edge"].is_string(), &delegated["hop"]), (true, &json!(1)), "its search acts by an edge");
    assert_eq!(result["delegated"]["scopes"], json!(["tool.call:search.web"]), "the scopes follow the lease");
    assert_eq!((&own["trace"], &delegated["trace"]), (&json!(trace), &json!(trace)), "all calls are in one trace");
    let sessions = [&json!(session), &own["session"], &delegated["session"]];
    assert!(sessions[0] != sessions[1] && sessions[1] != sessions[2], "each acts in a session of its own");

    // The sessions of the jobs end with them.
    while coordinator.live_sessions() > 1 {
        yield_now().await;
    }
    scope.close().await?;
    assert_eq!(coordinator.live_sessions(), 0);
    Ok(())
}
