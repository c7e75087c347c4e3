//! Options of the production profile: packets that are sealed for one subject and one tenant, and expire.

use std::time::Duration;

use clap::Args;
use nuncio_core::cap::{ComponentId, InvalidFreshness, Keyring};
use nuncio_tokio::cap::{ClientProduction, Freshness, IdentityBinding, Peers, Production};

use super::keys::of_one;
use crate::error::Error;
use crate::time::HumanDuration;

/// Whether packets about jobs have the form of the production profile, and how.
#[derive(Args, Debug)]
#[command(next_help_heading = "Production profile")]
pub(super) struct ProductionOptions {
    /// Seal packets about jobs for one subject and one tenant. Accept only packets that are sealed for their subject and
    /// tenant, have not expired, and did not arrive before. Router, workers and clients need this flag together
    #[arg(long, conflicts_with = "unsigned")]
    production: bool,
    /// Time for which a packet is valid, at most 5m. Packets that are valid for longer are refused, so give router, workers
    /// and clients the same value
    #[arg(long, value_name = "DURATION", default_value = "5m", requires = "production", value_parser = crate::time::positive_duration)]
    packet_lifetime: Duration,
    /// Largest difference between the clocks of two machines, at most 1m
    #[arg(long, value_name = "DURATION", default_value = "0s", requires = "production")]
    clock_skew: HumanDuration,
    /// Number of packets that are remembered until they expire, so that none is accepted twice. Beyond this number, packets
    /// are refused
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, requires = "production", value_parser = clap::value_parser!(u32).range(1..))]
    replay_window: u32,
}

impl ProductionOptions {
    /// Returns how packets are sent and admitted, or `None` without --production.
    pub(super) fn terms(&self) -> Result<Option<Production>, Error> {
        if !self.production {
            return Ok(None);
        }
        let lifetime = HumanDuration::new(self.packet_lifetime);
        let terms = terms(Some(lifetime), Some(self.clock_skew), Some(self.replay_window));
        terms.map(Some).map_err(|error| Error::Usage(format!("--packet-lifetime and --clock-skew: {error}")))
    }
}

/// Returns how packets are sent and admitted, with the defaults of the profile for what is not given.
pub(crate) fn terms(
    lifetime: Option<HumanDuration>,
    skew: Option<HumanDuration>,
    replays: Option<u32>,
) -> Result<Production, InvalidFreshness> {
    let defaults = Production::default();
    let (lifetime, skew) = (lifetime.map(HumanDuration::get), skew.map(HumanDuration::get));
    let lifetime = lifetime.unwrap_or_else(|| defaults.freshness.lifetime());
    let freshness = Freshness::new(lifetime, skew.unwrap_or_else(|| defaults.freshness.skew()))?;
    let replays = replays.map_or(defaults.replays, |replays| usize::try_from(replays).unwrap_or(usize::MAX));
    Ok(Production { freshness, replays })
}

/// Returns how the packets of a client are sealed, for a tenant and a principal, and whose are admitted. The error names the
/// peer that has no key.
pub(crate) fn of_client(
    id: &ComponentId,
    keys: &Keyring,
    (tenant, principal): (&str, &str),
    admitted: &[ComponentId],
    terms: Production,
) -> Result<ClientProduction, String> {
    let mut peers = Peers::default();
    for peer in admitted {
        let keys = of_one(keys, peer).map_err(|error| format!("{peer}: {error}"))?;
        peers.add(peer.as_str(), tenant, keys);
    }
    let (tenant_id, principal_id) = (tenant.to_owned(), principal.to_owned());
    let identity = IdentityBinding { tenant_id, principal_id, ..IdentityBinding::default() };
    Ok(ClientProduction { key_id: id.as_str().to_owned(), identity, terms, peers })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails where an unwrap does")]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        production: ProductionOptions,
        #[arg(long)]
        unsigned: bool,
    }

    fn terms(arguments: &[&str]) -> Result<Option<Production>, String> {
        let parsed = Command::try_parse_from([&["nuncio"], arguments].concat());
        parsed.map_err(|error| error.to_string())?.production.terms().map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_profile() {
        assert_eq!(terms(&[]).unwrap(), None);
        assert_eq!(terms(&["--production"]).unwrap(), Some(Production::default()));
    }

    #[test]
    fn a_time_that_the_profile_does_not_allow_is_refused() {
        let changed = ["--production", "--packet-lifetime", "2m", "--clock-skew", "30s", "--replay-window", "7"];
        let freshness = Freshness::new(Duration::from_mins(2), Duration::from_secs(30)).unwrap();
        assert_eq!(terms(&changed).unwrap(), Some(Production { freshness, replays: 7 }));
        let refusal = |arguments: &[&str]| terms(&[&["--production"], arguments].concat()).unwrap_err();
        assert!(refusal(&["--packet-lifetime", "6m"]).contains("at most 5 min"));
        assert!(refusal(&["--packet-lifetime", "1s", "--clock-skew", "2s"]).contains("not more than the lifetime"));
        assert!(refusal(&["--replay-window", "0"]).contains("0 is not in 1.."));
        assert!(refusal(&["--unsigned"]).contains("cannot be used with"));
        assert!(terms(&["--clock-skew", "1s"]).unwrap_err().contains("--production"));
    }
}
