//! The addresses of `nuncio serve`. They are looked up, and are found to be free, before a journal is created.

use std::net::{IpAddr, SocketAddr, TcpListener};

use super::error::ServeError;
use super::settings::Settings;

/// The addresses of each option, of which it binds the first that it can.
pub(super) struct Addresses {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) console: Vec<SocketAddr>,
    pub(super) metrics: Vec<SocketAddr>,
}

impl Addresses {
    /// Looks up the addresses, which have to differ.
    pub(super) async fn resolve(settings: &Settings) -> Result<Addresses, ServeError> {
        let found = Addresses {
            listen: match &settings.listen {
                Some(address) => for_clients(address, "--listen", settings).await?,
                None => Vec::new(),
            },
            console: match &settings.console {
                Some(address) => for_clients(address, "--console", settings).await?,
                None => Vec::new(),
            },
            metrics: match &settings.metrics {
                Some(address) => look_up(address, "--metrics").await?,
                None => Vec::new(),
            },
        };
        let of_option = found.of_option();
        for (at, (option, addresses)) in of_option.iter().enumerate() {
            for (earlier, others) in of_option.iter().take(at) {
                let same = |address: &&SocketAddr| others.iter().any(|other| collide(**address, *other));
                if let Some(address) = addresses.iter().find(same) {
                    return Err(ServeError::SamePort { option, earlier, port: address.port() });
                }
            }
        }
        Ok(found)
    }

    fn of_option(&self) -> [(&'static str, &[SocketAddr]); 3] {
        [("--listen", &self.listen), ("--console", &self.console), ("--metrics", &self.metrics)]
    }

    /// Binds the addresses and releases them again, so that a start that cannot bind them leaves nothing behind.
    pub(super) fn check_free(&self, settings: &Settings) -> Result<(), ServeError> {
        let given = [&settings.listen, &settings.console, &settings.metrics];
        for ((option, addresses), address) in self.of_option().into_iter().zip(given) {
            if let Some(address) = address {
                TcpListener::bind(addresses).map_err(|error| ServeError::Listen {
                    address: address.clone(),
                    error,
                    option,
                })?;
            }
        }
        Ok(())
    }
}

/// Returns whether one process cannot listen on both addresses.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |one: IpAddr, other: IpAddr| one == other || one.is_unspecified() && one.is_ipv4() == other.is_ipv4();
    one.port() != 0 && one.port() == other.port() && (covers(one.ip(), other.ip()) || covers(other.ip(), one.ip()))
}

async fn look_up(address: &str, option: &'static str) -> Result<Vec<SocketAddr>, ServeError> {
    let found = tokio::net::lookup_host(address).await;
    Ok(found.map_err(|error| ServeError::Address { address: address.to_owned(), error, option })?.collect())
}

/// Looks up an address for clients, who have to authenticate if other machines reach it.
async fn for_clients(address: &str, option: &'static str, settings: &Settings) -> Result<Vec<SocketAddr>, ServeError> {
    let addresses = look_up(address, option).await?;
    let is_loopback = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
    if settings.security.is_empty() && !is_loopback {
        return Err(ServeError::Unprotected(address.to_owned()));
    }
    Ok(addresses)
}
