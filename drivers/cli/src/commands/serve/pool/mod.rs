//! Agents of `nuncio serve` whose jobs run on a pool of CAP workers.

mod production;

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use nuncio_core::cap::{ComponentId, Keyring, Topic};
use nuncio_tokio::arcp::ServerBuilder;
use nuncio_tokio::bridge::Pool;
use nuncio_tokio::cap::{
    BusError, Client, ClientProduction, MemoryBus, MemoryStore, NatsBus, NatsOptions, RedisOptions,
};
use serde::{Deserialize, Deserializer};

use self::production::{ProductionOptions, ProductionSetting};
use super::agent::AgentName;
use super::error::ServeError;
use crate::commands::cap::keys::{self, Identity};
use crate::commands::cap::{servers, topic};
use crate::error::Error;
use crate::time::HumanDuration;

/// The options, and the table `[pool]` of the configuration file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    default,
    expecting = "a table, such as [pool] with cap-id = \"front-1\""
)]
#[command(next_help_heading = "Pool of CAP workers")]
pub(super) struct PoolOptions {
    /// Offer the workers of a topic as an agent. With --journal, a server that was killed or stopped finds its jobs in the
    /// pool again. Repeat it for more
    #[arg(long = "cap-agent", value_name = "NAME[@VERSION]=TOPIC")]
    #[serde(rename = "cap-agent")]
    cap_agents: Vec<TopicAgent>,
    /// NATS servers of the pool, with commas between them: `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT]` or `tls://…`. Other
    /// users of this machine can read a password on the command line; prefer the environment variable `NUNCIO_CAP`
    #[arg(long = "cap", value_name = "URL", env = "NUNCIO_CAP", hide_env_values = true)]
    #[serde(rename = "cap")]
    nats: Option<String>,
    /// Redis server for the inputs and outputs of the pool's jobs [default: `redis://127.0.0.1:6379/0`]. Other users of this
    /// machine can read a password on the command line; prefer the environment variable `NUNCIO_CAP_REDIS`
    #[arg(long = "cap-redis", value_name = "URL", env = "NUNCIO_CAP_REDIS", hide_env_values = true)]
    #[serde(rename = "cap-redis")]
    redis: Option<String>,
    /// Id of this server on the bus, as the sender of its requests. It must be the same after a restart. `nuncio cap keygen`
    /// makes its key
    #[arg(long, value_name = "ID")]
    cap_id: Option<String>,
    /// Directory of the public keys of trusted senders, as for `nuncio cap worker --keys`
    #[arg(long, value_name = "DIR", conflicts_with = "cap_unsigned")]
    cap_keys: Option<PathBuf>,
    /// File of the private key that signs requests [default: ID.key.pem in --cap-keys]
    #[arg(long, value_name = "FILE", requires = "cap_keys")]
    cap_key: Option<PathBuf>,
    /// Send requests unsigned, and accept results from everyone who can reach the bus
    #[arg(long)]
    cap_unsigned: bool,
    /// Seal requests for one tenant, and take only sealed results, as `nuncio cap submit --production` does. It needs
    /// --cap-keys, --cap-tenant and --cap-peer
    #[arg(long, conflicts_with = "cap_unsigned")]
    cap_production: bool,
    /// Tenant for which this server submits jobs to the pool
    #[arg(long, value_name = "NAME")]
    cap_tenant: Option<String>,
    /// Sender whose results and progress are accepted for the tenant: the router, or a worker. Repeat it for more
    #[arg(long = "cap-peer", value_name = "ID")]
    #[serde(rename = "cap-peer")]
    cap_peers: Vec<String>,
    /// Service for which jobs are submitted. The label `x-arcp-principal` names the principal that submitted the job in
    /// ARCP
    #[arg(long, value_name = "NAME")]
    cap_principal: Option<String>,
    /// Time for which a packet is valid, at most 5m. Give router and workers the same value [default: 5m]
    #[arg(long, value_name = "DURATION")]
    cap_packet_lifetime: Option<HumanDuration>,
    /// Largest difference between the clocks of two machines, at most 1m [default: 0s]
    #[arg(long, value_name = "DURATION")]
    cap_clock_skew: Option<HumanDuration>,
    /// Number of packets that are remembered until they expire, so that none is accepted twice [default: 100000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    cap_replay_window: Option<u32>,
}

/// The value of `--cap-agent`: `NAME[@VERSION]=TOPIC`.
#[derive(Clone, Debug)]
pub(super) struct TopicAgent {
    pub(super) agent: AgentName,
    pub(super) topic: Topic,
}

impl FromStr for TopicAgent {
    type Err = String;

    fn from_str(text: &str) -> Result<TopicAgent, String> {
        let (agent, topic) = text.split_once('=').ok_or("write it as NAME=TOPIC, or NAME@VERSION=TOPIC")?;
        let topic = topic::parse(topic)?;
        Ok(TopicAgent { agent: AgentName::try_from(agent.to_owned())?, topic })
    }
}

impl<'de> Deserialize<'de> for TopicAgent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TopicAgent, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A pool to use.
#[derive(Debug)]
pub(super) struct PoolSetting {
    pub(super) agents: Vec<TopicAgent>,
    id: ComponentId,
    nats: NatsOptions,
    /// The servers of `nats`, for messages.
    servers: String,
    redis: String,
    /// The keys; `None` with --cap-unsigned.
    keys: Option<(PathBuf, Option<PathBuf>)>,
    production: Option<ProductionSetting>,
}

impl PoolOptions {
    /// These options, and `others` where they are not given.
    pub(super) fn or(self, others: PoolOptions) -> PoolOptions {
        PoolOptions {
            cap_agents: if self.cap_agents.is_empty() { others.cap_agents } else { self.cap_agents },
            nats: self.nats.or(others.nats),
            redis: self.redis.or(others.redis),
            cap_id: self.cap_id.or(others.cap_id),
            cap_keys: self.cap_keys.or(others.cap_keys),
            cap_key: self.cap_key.or(others.cap_key),
            cap_unsigned: self.cap_unsigned || others.cap_unsigned,
            cap_production: self.cap_production || others.cap_production,
            cap_tenant: self.cap_tenant.or(others.cap_tenant),
            cap_peers: if self.cap_peers.is_empty() { others.cap_peers } else { self.cap_peers },
            cap_principal: self.cap_principal.or(others.cap_principal),
            cap_packet_lifetime: self.cap_packet_lifetime.or(others.cap_packet_lifetime),
            cap_clock_skew: self.cap_clock_skew.or(others.cap_clock_skew),
            cap_replay_window: self.cap_replay_window.or(others.cap_replay_window),
        }
    }

    /// The pool, if one is asked for.
    pub(super) fn setting(self) -> Result<Option<PoolSetting>, ServeError> {
        let wrong = |option: &'static str, complaint: &dyn std::fmt::Display| {
            ServeError::Pool(format!("--{option}: {complaint}"))
        };
        let PoolOptions { cap_agents: agents, nats, redis, cap_id, cap_keys, cap_key, cap_unsigned, .. } = self;
        if agents.is_empty() && nats.is_none() {
            return Ok(None);
        }
        let needed = |option: &'static str| ServeError::Pool(format!("a pool of CAP workers needs --{option}"));
        if agents.is_empty() {
            return Err(needed("cap-agent NAME=TOPIC"));
        }
        let nats = nats.ok_or_else(|| needed("cap URL"))?;
        let id = cap_id.ok_or_else(|| needed("cap-id ID, which has to be the same after a restart"))?;
        let id = keys::component_id(&id).map_err(|error| wrong("cap-id", &error))?;
        let servers = servers::without_logins(&nats);
        let mut nats = NatsOptions::new(&nats).map_err(|error| wrong("cap", &error))?;
        id.as_str().clone_into(&mut nats.name);
        let keys = match (cap_keys, cap_unsigned) {
            (Some(folder), false) => Some((folder, cap_key)),
            (None, true) => None,
            _ => {
                return Err(needed(
                    "cap-keys DIR with the public keys of trusted senders, or --cap-unsigned to trust everyone who can \
                     reach the bus",
                ));
            }
        };
        let production = ProductionOptions {
            cap_production: self.cap_production,
            cap_tenant: self.cap_tenant,
            cap_peers: self.cap_peers,
            cap_principal: self.cap_principal,
            cap_packet_lifetime: self.cap_packet_lifetime,
            cap_clock_skew: self.cap_clock_skew,
            cap_replay_window: self.cap_replay_window,
        };
        let production = production.setting().map_err(ServeError::Pool)?;
        if production.is_some() && keys.is_none() {
            return Err(needed("cap-keys DIR for --cap-production, whose packets are signed"));
        }
        let redis = redis.unwrap_or_else(|| RedisOptions::DEFAULT_URL.to_owned());
        Ok(Some(PoolSetting { agents, id, nats, servers, redis, keys, production }))
    }
}

impl PoolSetting {
    fn identity(&self) -> Result<Option<(Identity, Option<ClientProduction>)>, ServeError> {
        let read = |(folder, key): &(PathBuf, Option<PathBuf>)| {
            let identity = keys::read(folder, key.as_deref(), &self.id, "--cap-key")?;
            let of_client = |production: &ProductionSetting| production.of_client(&self.id, &identity.keys);
            let production = self.production.as_ref().map(of_client).transpose()?;
            Ok((identity, production))
        };
        let identity: Result<_, Error> = self.keys.as_ref().map(read).transpose();
        identity.map_err(|error| ServeError::Pool(error.to_string()))
    }

    /// Reads the keys and the options, and connects to nothing. Returns a pool without workers, for a server that is only
    /// checked.
    pub(super) fn check(&self) -> Result<Pool, ServeError> {
        let wrong = |error: &dyn std::fmt::Display| ServeError::Pool(error.to_string());
        self.identity()?;
        servers::store("cap-redis", &self.redis).map_err(|error| wrong(&error))?;
        let client = Client::builder().keys(Keyring::default()).connect(MemoryBus::new(), MemoryStore::new());
        Ok(Pool::new(client.map_err(|error| wrong(&error))?))
    }

    /// Connects to the pool.
    pub(super) async fn connect(&self) -> Result<Pool, ServeError> {
        let identity = self.identity()?;
        let store = servers::store("cap-redis", &self.redis).map_err(|error| ServeError::Pool(error.to_string()))?;
        let connecting = NatsBus::connect(self.nats.clone());
        let connected = servers::reached(&self.servers, connecting, std::future::pending()).await;
        let bus = connected.unwrap_or(Err(BusError::Closed)).map_err(|error| match error {
            BusError::Disconnected(why) => ServeError::NoPool(why),
            other => ServeError::NoPool(other.to_string()),
        })?;
        let mut builder = Client::builder().id(self.id.as_str());
        if let Some((identity, production)) = identity {
            builder = builder.signer(identity.signer).keys(identity.keys);
            if let Some(production) = production {
                builder = builder.production(production);
            }
        }
        let client = builder.connect(bus, store).map_err(|error| ServeError::Pool(error.to_string()))?;
        client.ready().await.map_err(|error| ServeError::NoPool(error.to_string()))?;
        Ok(Pool::new(client))
    }

    /// Adds the agents to a server.
    pub(super) fn add(&self, pool: &Pool, mut builder: ServerBuilder) -> Result<ServerBuilder, ServeError> {
        for TopicAgent { agent, topic } in &self.agents {
            let added = pool.serve(builder, agent.as_str(), topic.as_str());
            builder = added.map_err(|error| ServeError::Pool(error.to_string()))?;
        }
        Ok(builder)
    }
}
