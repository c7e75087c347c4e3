//! Caracal: an axum server that runs each request in the context of its caller, and calls another service in it.

use std::error::Error;

use axum::Router;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use nuncio_examples::caracal::{LocalCoordinator, serve};
use nuncio_tokio::caracal::{Caracal, ResourceBinding, current};

/// Returns the session that acts, and passes the question on to the other service.
async fn items(State((caracal, upstream)): State<(Caracal, String)>) -> Result<String, StatusCode> {
    let session = current().and_then(|context| context.session().map(ToString::to_string));
    let session = session.ok_or(StatusCode::FORBIDDEN)?;
    let request = Request::get(format!("{upstream}/stock")).body("").map_err(|_| StatusCode::BAD_GATEWAY)?;
    let response = caracal.transport().send(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(format!("{session}, upstream: {}", String::from_utf8_lossy(response.body())))
}

async fn stock() -> String {
    current().and_then(|context| context.session().map(ToString::to_string)).unwrap_or_default()
}

fn application(coordinator: &LocalCoordinator, name: &str, calls: &[&str]) -> Result<Caracal, Box<dyn Error>> {
    let mut builder = coordinator.application(name)?;
    for url in calls {
        builder = builder.resource(ResourceBinding { resource: "resource://service".into(), prefix: (*url).into() });
    }
    Ok(builder.build()?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = LocalCoordinator::start(&["agent", "inventory", "warehouse"]).await?;
    let warehouse = application(&coordinator, "warehouse", &[])?;
    let stock_url = serve(Router::new().route("/stock", get(stock)).layer(warehouse.layer())).await?;

    let inventory = application(&coordinator, "inventory", &[&stock_url])?;
    let routes = Router::new().route("/items", get(items)).with_state((inventory.clone(), stock_url));
    let items_url = serve(routes.layer(inventory.layer())).await?;

    let agent = application(&coordinator, "agent", &[&items_url])?;
    let scope = agent.spawn().await?;
    let session = scope.session().to_string();
    let call = || Request::get(format!("{items_url}/items")).body("");
    let response = scope.run(agent.transport().send(call()?)).await?;
    let answer = String::from_utf8(response.body().to_vec())?;
    println!("{answer}");
    assert_eq!(answer, format!("{session}, upstream: {session}"), "the context has come over both services");

    // A caller without a token is refused, and never acts as the service itself.
    let stranger = application(&coordinator, "stranger", &[])?;
    let refused = stranger.transport().send(call()?).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(&refused.body()[..], br#"{"error":"missing_token"}"#);
    Ok(())
}
