//! Vendor extensions: event kinds, lease namespaces and submit extensions that the protocol does not define.
//!
//! `cargo run -p nuncio-examples --bin vendor_extensions`

use std::error::Error;

use nuncio_tokio::arcp::{Client, ErrorCode, EventKind, Failure, JobContext, Refused, Server, Submit};
use nuncio_tokio::auth::StaticTokens;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The body of the vendor's event. Both sides share this type, and the protocol carries it unchanged.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sighting {
    species: String,
    position: (f64, f64),
}

const SIGHTING: &str = "x-vendor.birdwatch.sighting";

async fn watch((): (), ctx: JobContext) -> Result<Value, Failure> {
    // The extensions of a submit arrive unchanged. Agents ignore those that they do not know.
    let extensions: Value = ctx
        .extensions()
        .map_or(Ok(Value::Null), |json| serde_json::from_str(json.get()))
        .map_err(|error| Failure::invalid(error.to_string()))?;
    // Leases restrict vendor operations like any others.
    ctx.authorize("x-vendor.birdwatch.camera", "pond/north")?;
    let denied = ctx.authorize("x-vendor.birdwatch.camera", "house/bedroom").err();
    ctx.event(SIGHTING, &Sighting { species: "Alcedo atthis".into(), position: (48.2, 16.4) }).await?;
    // Names without a vendor prefix are reserved for the protocol.
    let refused = ctx.event("sighting", &json!({})).await;
    Ok(json!({
        "season": extensions["x-vendor.birdwatch.season"],
        "denied": denied.map(|denied| denied.fault().code.as_str()),
        "refused": matches!(refused, Err(Refused::Invalid(_))),
    }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("watch", watch).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    let submit = Submit::new("watch")
        .lease(&json!({"x-vendor.birdwatch.camera": ["pond/*"]}))
        .extensions(&json!({"x-vendor.birdwatch.season": "spring"}));
    let mut job = client.submit(&submit).await?;
    let mut sightings = Vec::new();
    while let Some(event) = job.events().try_next().await? {
        match &event.kind {
            EventKind::Other(kind) if **kind == *SIGHTING => sightings.push(event.body.parse::<Sighting>()?),
            // Clients skip the kinds that they do not know.
            other => println!("{}", other.as_str()),
        }
    }
    println!("{sightings:?}");
    assert_eq!(sightings, [Sighting { species: "Alcedo atthis".into(), position: (48.2, 16.4) }]);
    let answer: Value = job.collect(0).await?.json()?;
    assert_eq!(answer["season"], "spring");
    assert_eq!(answer["denied"], ErrorCode::PermissionDenied.as_str());
    assert_eq!(answer["refused"], true);
    Ok(())
}
