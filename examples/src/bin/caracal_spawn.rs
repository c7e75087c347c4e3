//! Caracal: a session that lasts as long as its scope, whatever comes of the work in it.

use std::error::Error;
use std::time::Duration;

use nuncio_examples::caracal::LocalCoordinator;
use nuncio_tokio::caracal::{Caracal, Kind};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = LocalCoordinator::start(&["batch"]).await?;
    // In a service: Caracal::from_env()?
    let caracal = coordinator.application("batch")?.build()?;

    let scope = caracal
        .spawn()
        .kind(Kind::Ephemeral)
        .ttl(Duration::from_mins(10))
        .metadata(&json!({"purpose": "invoice-batch"}))
        .await?;
    println!("agent session: {}", scope.session());
    let processed = scope
        .run(async {
            assert_eq!(coordinator.live_sessions(), 1);
            process_invoice(&caracal, "inv-001").await
        })
        .await?;
    assert_eq!(processed, "inv-001 in the zone z1");
    assert_eq!(coordinator.live_sessions(), 0, "the session ends with its scope");

    // An error of the work is returned, and the session ends all the same.
    let failed = caracal.spawn().run(async { Err::<(), _>("the invoice is unreadable") }).await?;
    assert_eq!(failed, Err("the invoice is unreadable"));
    assert_eq!(coordinator.live_sessions(), 0);

    // So it does if the scope is dropped; closing awaits that.
    drop(caracal.spawn().await?);
    caracal.close().await;
    assert_eq!(coordinator.live_sessions(), 0);
    Ok(())
}

/// Finds the session of its caller without being given it.
async fn process_invoice(caracal: &Caracal, invoice: &str) -> Result<String, Box<dyn Error>> {
    let context = caracal.current().ok_or("it is called within a scope")?;
    let headers = caracal.headers().await?;
    println!("{invoice}: calls carry {:?}", headers.get("baggage"));
    Ok(format!("{invoice} in the zone {}", context.zone()))
}
