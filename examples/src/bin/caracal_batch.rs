//! Caracal: the complete program of a batch, which has its settings from the environment.
//!
//! Without `CARACAL_COORDINATOR_URL` it starts a coordinator and a service of invoices, and runs itself with their URLs.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use nuncio_examples::caracal::{LocalCoordinator, secret_of, serve};
use nuncio_tokio::caracal::{Caracal, Kind, WebTransport, current};
use serde_json::{Value, json};

async fn run_batch(caracal: &Caracal, invoices: &[&str]) -> Result<(), Box<dyn Error>> {
    let scope = caracal.spawn().kind(Kind::Ephemeral).ttl(Duration::from_mins(2)).await?;
    println!("processing {} invoices in session {}", invoices.len(), scope.session());
    scope
        .run(async {
            let client = WebTransport::new(caracal)?;
            for invoice in invoices {
                let response = client.get(format!("http://invoices:8080/invoices/{invoice}")).send().await?;
                println!("{}", response.error_for_status()?.text().await?);
            }
            Ok(())
        })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::var_os("CARACAL_COORDINATOR_URL").is_none() {
        return demonstrate().await;
    }
    let caracal = Caracal::from_env()?;
    let done = run_batch(&caracal, &["inv-001", "inv-002", "inv-003"]).await;
    caracal.close().await;
    done
}

/// Returns an invoice, and the session that has asked for it.
async fn invoice(Path(number): Path<String>) -> String {
    let session = current().and_then(|context| context.session().map(ToString::to_string));
    json!({"invoice": number, "session": session}).to_string()
}

async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let coordinator = LocalCoordinator::start(&["batch", "invoices"]).await?;
    let service = coordinator.application("invoices")?.build()?;
    // It stands in for the gateway as well, which leads calls of invoices:8080 to it.
    let invoices = Router::new().route("/invoices/{number}", get(invoice)).layer(service.layer());
    let gateway = serve(invoices).await?;
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .env("CARACAL_COORDINATOR_URL", coordinator.url())
        .env("CARACAL_STS_URL", coordinator.url())
        .env("CARACAL_ZONE_ID", "z1")
        .env("CARACAL_APPLICATION_ID", "batch")
        .env("CARACAL_APP_CLIENT_SECRET", secret_of("batch"))
        .env("CARACAL_GATEWAY_URL", gateway)
        .env("CARACAL_RESOURCES", "resource://invoices=http://invoices:8080")
        .output()
        .await?;
    let text = String::from_utf8(output.stdout)?;
    print!("{text}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    let session = lines[0].strip_prefix("processing 3 invoices in session ").ok_or("it names its session")?;
    for (line, number) in lines[1..].iter().zip(["inv-001", "inv-002", "inv-003"]) {
        let invoice: Value = serde_json::from_str(line)?;
        assert_eq!(invoice, json!({"invoice": number, "session": session}));
    }
    assert_eq!((lines.len(), coordinator.live_sessions()), (4, 0));
    Ok(())
}
