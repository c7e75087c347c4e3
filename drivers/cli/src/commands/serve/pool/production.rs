//! The production profile of a pool.

use nuncio_core::cap::{ComponentId, Keyring};
use nuncio_tokio::cap::{ClientProduction, Production};

use crate::commands::cap::{keys, production};
use crate::error::Error;
use crate::time::HumanDuration;

/// The options, as [`PoolOptions`](super::PoolOptions) has them.
pub(super) struct ProductionOptions {
    pub(super) cap_production: bool,
    pub(super) cap_tenant: Option<String>,
    pub(super) cap_peers: Vec<String>,
    pub(super) cap_principal: Option<String>,
    pub(super) cap_packet_lifetime: Option<HumanDuration>,
    pub(super) cap_clock_skew: Option<HumanDuration>,
    pub(super) cap_replay_window: Option<u32>,
}

/// How requests are sealed, and whose results are taken.
#[derive(Debug)]
pub(super) struct ProductionSetting {
    tenant: String,
    principal: String,
    peers: Vec<ComponentId>,
    terms: Production,
}

impl ProductionOptions {
    /// How requests are sealed, if they are.
    pub(super) fn setting(self) -> Result<Option<ProductionSetting>, String> {
        let ProductionOptions { cap_production, cap_tenant, cap_peers, cap_principal, .. } = self;
        let (lifetime, skew, window) = (self.cap_packet_lifetime, self.cap_clock_skew, self.cap_replay_window);
        if !cap_production {
            let given = [
                ("cap-tenant", cap_tenant.is_some()),
                ("cap-peer", !cap_peers.is_empty()),
                ("cap-principal", cap_principal.is_some()),
                ("cap-packet-lifetime", lifetime.is_some()),
                ("cap-clock-skew", skew.is_some()),
                ("cap-replay-window", window.is_some()),
            ];
            let unused = given.into_iter().find(|(_, is_given)| *is_given);
            return unused.map_or(Ok(None), |(option, _)| Err(format!("--{option} needs --cap-production")));
        }
        let tenant = cap_tenant.filter(|tenant| !tenant.is_empty());
        let tenant = tenant.ok_or_else(|| "--cap-production needs --cap-tenant NAME".to_owned())?;
        if cap_peers.is_empty() {
            return Err(
                "--cap-production needs --cap-peer ID for the router and for each worker of the tenant".to_owned()
            );
        }
        let peer = |id: &String| keys::component_id(id).map_err(|error| format!("--cap-peer {id}: {error}"));
        let peers = cap_peers.iter().map(peer).collect::<Result<_, _>>()?;
        if window == Some(0) {
            return Err("--cap-replay-window 0: it must be at least 1".to_owned());
        }
        let terms = production::terms(lifetime, skew, window)
            .map_err(|error| format!("--cap-packet-lifetime and --cap-clock-skew: {error}"))?;
        Ok(Some(ProductionSetting { tenant, principal: cap_principal.unwrap_or_default(), peers, terms }))
    }
}

impl ProductionSetting {
    /// Returns the setting of a client, with the keys of its peers.
    pub(super) fn of_client(&self, id: &ComponentId, keys: &Keyring) -> Result<ClientProduction, Error> {
        let ProductionSetting { tenant, principal, peers, terms } = self;
        production::of_client(id, keys, (tenant, principal), peers, *terms)
            .map_err(|error| Error::Usage(format!("--cap-peer {error}")))
    }
}
