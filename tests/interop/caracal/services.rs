//! Services on both sides of a call: our axum service with the SDK's transport, and the SDK's `FastAPI` middleware with our
//! client.

use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use nuncio_tests::peers::{CaracalSdk, Server, wanted};
use nuncio_tokio::caracal::{
    ApplicationId, BearerToken, Caracal, CaracalBuilder, Generation, ResourceBinding, Secret, SessionId, TokenSource,
    WebTransport, ZoneId, current, http_types,
};
use serde_json::{Value, json};

use super::guide;
use super::site::{Site, printed};

fn application(site: &Site, name: &str, token: TokenSource, calls: &str) -> Caracal {
    let (zone, application) = (ZoneId::new("my-zone").unwrap(), ApplicationId::new(name).unwrap());
    let builder: CaracalBuilder = Caracal::builder(&site.url(), zone, application);
    let resource = ResourceBinding { resource: "resource://next".into(), prefix: calls.into() };
    builder.token(token).resource(resource).build().unwrap()
}

/// Returns the port of our service, on which `GET /seen` returns the context and the fields of its caller, and `GET /items`
/// what the service at `next` sees when it is called in that context.
fn serve(site: &Site, next: &str) -> u16 {
    let payments = TokenSource::secret(&site.url(), Secret::new("other"));
    let caracal = application(site, "payments-service", payments, next);
    let routes = Router::new()
        .route("/seen", get(seen))
        .route("/items", get(items))
        .with_state((caracal.clone(), next.to_owned()))
        .layer(caracal.layer());
    site.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        port
    })
}

async fn seen(headers: HeaderMap) -> String {
    let context = current().unwrap();
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    json!({
        "agent": context.session().map(SessionId::as_str),
        "edge": context.edge().map(nuncio_core::caracal::EdgeId::as_str),
        "hop": context.hop().count(),
        "token": text("authorization"),
        "traceparent": text("traceparent"),
        "baggage": text("baggage"),
    })
    .to_string()
}

async fn items(State((caracal, next)): State<(Caracal, String)>) -> String {
    let client = WebTransport::new(&caracal).unwrap();
    let response = client.get(format!("{next}/invoices/inv-001")).send().await.unwrap();
    response.text().await.unwrap()
}

/// Leads the hosts of the guide to these ports.
fn hosts(command: &mut Command, inventory: u16) {
    command.env("NUNCIO_TEST_HOSTS", format!("inventory={inventory}"));
}

#[test]
fn the_sdk_calls_our_service_which_calls_one_of_the_sdk_in_its_context() {
    if !wanted("the_sdk_calls_our_service_which_calls_one_of_the_sdk_in_its_context") {
        return;
    }
    let site = Site::start(Generation::May);
    let invoices = Server::start(guide::program(&site, "service.py"));
    let mut command = guide::program(&site, "transport.py");
    hosts(&mut command, serve(&site, invoices.url()));
    let printed = printed(command).remove(0);
    assert_eq!(printed[0], printed[1], "the service behind ours sees the session of the first caller");
    assert_eq!(site.live_sessions(), 0);
}

#[test]
fn our_client_calls_the_middleware_of_the_sdk_which_calls_our_service_in_its_context() {
    if !wanted("our_client_calls_the_middleware_of_the_sdk_which_calls_our_service_in_its_context") {
        return;
    }
    let site = Site::start(Generation::May);
    let mut relay = site.program(CaracalSdk::V0_1.python().unwrap(), "services/relay.py");
    relay.env("CARACAL_SUBJECT_TOKEN", site.token("my-app", "s3cret", "agent:lifecycle"));
    hosts(&mut relay, serve(&site, "http://127.0.0.1:1"));
    let relay = Server::start(relay);

    let token = site.token("my-app", "s3cret", "agent:lifecycle coordinator.delegate_to:payments-service");
    let source = TokenSource::fixed(BearerToken::new(&token).unwrap());
    let caracal = application(&site, "my-app", source, relay.url());
    let target = SessionId::new(&site.payments()).unwrap();
    site.runtime.block_on(async {
        let scope = caracal.spawn().await.unwrap();
        let session = scope.session().to_string();
        let trace = scope.context().trace().unwrap().id.to_string();
        let delegating = caracal.delegate(target).application(ApplicationId::new("payments-service").unwrap());
        let delegation = scope
            .context()
            .run(delegating.scopes(["payment:read"]).ttl(Duration::from_mins(5)).into_future())
            .await
            .unwrap();
        let edge = delegation.edge().edge.to_string();
        let request = http_types::Request::get(format!("{}/relay", relay.url())).body("").unwrap();
        let response = delegation.run(caracal.transport().send(request)).await.unwrap();
        assert_eq!(response.status(), 200);
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer["here"], *session);
        let next = &answer["next"];
        assert_eq!((&next["agent"], &next["edge"], &next["hop"]), (&json!(session), &json!(edge), &json!(1)));
        assert_eq!(next["token"], format!("Bearer {token}"), "the caller's token goes on, not that of the service");
        assert!(next["traceparent"].as_str().unwrap().contains(&trace), "{next} belongs to the trace {trace}");
        let baggage = format!("caracal.agent_session={session},caracal.delegation_edge={edge},caracal.hop=1");
        assert_eq!(next["baggage"], *baggage);
        scope.close().await.unwrap();
    });
}
