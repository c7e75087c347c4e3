//! The address of the live page.

use std::net::SocketAddr;

use nuncio_tokio::arcp::{ListenOptions, Server};
use nuncio_tokio::console::ConsoleServer;

use super::error::ServeError;
use super::settings::Settings;
use crate::text::eprint_line;

/// Serves the live page at the address of `--console`, until the result is dropped. The page itself is the one page that may
/// connect there; `--allow-origin` is for the other address.
pub(super) async fn serve(
    address: &str,
    addresses: &[SocketAddr],
    server: &Server,
    options: ListenOptions,
    settings: &Settings,
) -> Result<ConsoleServer, ServeError> {
    let options = ListenOptions { origins: None, behind_proxy: settings.behind_proxy, ..options };
    let console = ConsoleServer::listen(server, addresses, options).await;
    let console =
        console.map_err(|error| ServeError::Listen { address: address.to_owned(), error, option: "--console" })?;
    eprint_line(&format!("nuncio: console on {}", console.url()));
    Ok(console)
}
