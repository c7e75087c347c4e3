//! Caracal: calls of other services by `reqwest`, which carry the session of their task, and no redirect that takes it
//! elsewhere.

use std::error::Error;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::get;
use nuncio_examples::caracal::{LocalCoordinator, serve};
use nuncio_tokio::caracal::{ResourceBinding, WebError, WebTransport, current, in_current_context};

/// Returns the session of the caller, which the middleware has bound.
async fn items() -> String {
    current().and_then(|context| context.session().map(ToString::to_string)).unwrap_or_default()
}

/// Returns the names of the fields that a caller has sent.
async fn fields(headers: HeaderMap) -> String {
    headers.keys().flat_map(|name| [name.as_str(), " "]).collect()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = LocalCoordinator::start(&["agent", "inventory"]).await?;
    let elsewhere = serve(Router::new().route("/", get(fields))).await?;
    let inventory = coordinator.application("inventory")?.build()?;
    let away = Redirect::temporary(&elsewhere);
    let routes = Router::new()
        .route("/items", get(items))
        .route("/moved", get(|| async { Redirect::permanent("/items") }))
        .route("/away", get(move || std::future::ready(away.clone())));
    let url = serve(routes.layer(inventory.layer())).await?;

    let resource = ResourceBinding { resource: "resource://inventory".into(), prefix: url.as_str().into() };
    let agent = coordinator.application("agent")?.resource(resource).build()?;
    let client = WebTransport::new(&agent)?;
    let scope = agent.spawn().await?;
    let session = scope.session().to_string();
    scope
        .run(async {
            // Every request of the client carries the session: also those of other tasks.
            let request = client.get(format!("{url}/items"));
            let seen = tokio::spawn(in_current_context(request.send())).await??.text().await?;
            println!("the service sees the session {seen}");
            assert_eq!(seen, session);

            // A redirect is followed as long as it stays at the resource.
            assert_eq!(client.get(format!("{url}/moved")).send().await?.text().await?, session);
            let refused = client.get(format!("{url}/away")).send().await;
            assert!(matches!(&refused, Err(WebError::Http(error)) if error.is_redirect()), "{refused:?}");

            // A server that is not a resource of the application learns neither the token nor the session.
            let sent = client.get(&elsewhere).send().await?.text().await?;
            println!("another server sees the fields {sent}");
            assert!(!sent.contains("authorization") && !sent.contains("baggage"), "{sent}");
            Ok::<(), Box<dyn Error>>(())
        })
        .await?;
    assert_eq!(coordinator.live_sessions(), 0);
    Ok(())
}
