//! Caracal: calls of resources that go through a gateway, which knows them by their names.

use std::error::Error;

use axum::Router;
use axum::extract::Request;
use nuncio_examples::caracal::{LocalCoordinator, serve};
use nuncio_tokio::caracal::{InjectError, ResourceBinding, TransportError, http_types};

/// Stands in for a gateway: returns what one is told.
async fn gateway(request: Request) -> String {
    let field = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    format!("{} of {} at {}", request.uri(), field("x-caracal-resource"), field("host"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = LocalCoordinator::start(&["agent"]).await?;
    let gateway_url = serve(Router::new().fallback(gateway)).await?;
    let bound = |resource: &str, prefix: &str| ResourceBinding { resource: resource.into(), prefix: prefix.into() };
    let agent = coordinator
        .application("agent")?
        .gateway(&gateway_url)
        .resource(bound("resource://inventory", "http://inventory:8080"))
        .resource(bound("resource://orders", "http://inventory:8080/orders"))
        .build()?;
    let transport = agent.transport();
    let get = |url: &str| http_types::Request::get(url).body("");
    let scope = agent.spawn().await?;
    scope
        .run(async {
            // The program names the service, which need not be reachable. The longest prefix decides, and is cut off.
            let host = gateway_url.trim_start_matches("http://");
            for (url, seen) in [
                ("http://inventory:8080/items?page=2", "/items?page=2 of resource://inventory"),
                ("http://inventory:8080/orders/7", "/7 of resource://orders"),
                ("http://inventory:8080/orders-of-today", "/orders-of-today of resource://inventory"),
            ] {
                let response = transport.send(get(url)?).await?;
                println!("{url} is {}", String::from_utf8_lossy(response.body()));
                assert_eq!(&response.body()[..], format!("{seen} at {host}").as_bytes());
            }

            // A path that leaves its prefix is not sent.
            let refused = transport.send(get("http://inventory:8080/orders/../admin")?).await;
            assert!(matches!(refused, Err(TransportError::Inject(InjectError::Url(_)))), "{refused:?}");
            Ok::<(), Box<dyn Error>>(())
        })
        .await
}
