//! The production profile of a pool.

use clap::Args;
use nuncio_core::cap::{ComponentId, Keyring};
use nuncio_tokio::cap::{ClientProduction, Production};
use serde::Deserialize;

use crate::commands::cap::{keys, production};
use crate::error::Error;
use crate::time::HumanDuration;

/// The options, and members of the table `[pool]` of the configuration file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct ProductionOptions {
    /// Seal requests for one tenant, and take only sealed results, as `nuncio cap submit --production` does. It needs
    /// --cap-keys, --cap-tenant and --cap-peer
    #[arg(long, conflicts_with = "cap_unsigned")]
    pub(super) cap_production: bool,
    /// Tenant for which this server submits jobs to the pool
    #[arg(long, value_name = "NAME")]
    pub(super) cap_tenant: Option<String>,
    /// Sender whose results and progress are accepted for the tenant: the router, or a worker. Repeat it for more
    #[arg(long = "cap-peer", value_name = "ID")]
    #[serde(rename = "cap-peer")]
    pub(super) cap_peers: Vec<String>,
    /// Service for which jobs are submitted. The label `x-arcp-principal` names the principal that submitted the job in
    /// ARCP
    #[arg(long, value_name = "NAME")]
    pub(super) cap_principal: Option<String>,
    /// Time for which a packet is valid, at most 5m. Give router and workers the same value [default: 5m]
    #[arg(long, value_name = "DURATION")]
    pub(super) cap_packet_lifetime: Option<HumanDuration>,
    /// Largest difference between the clocks of two machines, at most 1m [default: 0s]
    #[arg(long, value_name = "DURATION")]
    pub(super) cap_clock_skew: Option<HumanDuration>,
    /// Number of packets that are remembered until they expire, so that none is accepted twice [default: 100000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
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
    /// These options, and `others` where they are not given.
    pub(super) fn or(self, others: ProductionOptions) -> ProductionOptions {
        ProductionOptions {
            cap_production: self.cap_production || others.cap_production,
            cap_tenant: self.cap_tenant.or(others.cap_tenant),
            cap_peers: if self.cap_peers.is_empty() { others.cap_peers } else { self.cap_peers },
            cap_principal: self.cap_principal.or(others.cap_principal),
            cap_packet_lifetime: self.cap_packet_lifetime.or(others.cap_packet_lifetime),
            cap_clock_skew: self.cap_clock_skew.or(others.cap_clock_skew),
            cap_replay_window: self.cap_replay_window.or(others.cap_replay_window),
        }
    }

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
