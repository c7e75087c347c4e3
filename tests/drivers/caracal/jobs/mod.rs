//! Contexts on jobs of ARCP and CAP.

mod carried;
mod delegated;
mod pool;

use nuncio_shared::auth::StaticTokens;

use super::arcp::{Client, Server, ServerBuilder};
use super::support::{Seen, Server as HttpServer};
use super::{arcp, bridge, cap, caracal, served, support};

fn server() -> ServerBuilder {
    Server::builder().verifier(StaticTokens::new().with("tok-alice", "alice"))
}

async fn connect(server: &Server) -> Client {
    Client::over(server.memory_connector(), "tok-alice").connect().await.unwrap()
}

/// Returns the bodies of the requests with this method and target.
fn bodies(seen: &[Seen], line: &str) -> Vec<serde_json::Value> {
    let bodies = seen.iter().filter(|seen| seen.line == line).map(|seen| &*seen.body);
    bodies.map(|body| serde_json::from_str(body).unwrap()).collect()
}

const SPAWN: &str = "POST /zones/z1/agents";
const DELEGATE: &str = "POST /zones/z1/delegations";
