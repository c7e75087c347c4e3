//! The coordinator: sessions and the delegation edges between them, for all applications of some zones.
//!
//! ```text
//!  handle_request     receive.rs    who asks, and for what
//!                        |
//!        spawn.rs  suspend.rs  terminate.rs  lease.rs  delegate.rs  revoke.rs  list.rs
//!                        |              attenuation.rs, idempotency.rs
//!                        |
//!  handle_timeout     timeout.rs    lifetimes, leases, retention
//!  handle_wall        wall.rs       edges that are over because the clock was set
//!  host               host.rs       what a session may do; the end of an authority record
//!                        |
//!                     commit.rs     a change is a record: it is stored, applied, and becomes events
//!                        |
//!  components         Zone { Sessions  Edges  Receipts }   Timers   NewIds
//!                        |
//!  poll_output        Outputs
//!
//!  tokens/            the token service, by whose tokens the host knows who asks
//! ```
//!
//! A session and an edge change only by [`Zone::apply`](zone::Zone::apply), which a restart calls with the same records.

mod attenuation;
mod commit;
pub(crate) mod config;
mod delegate;
mod edges;
pub(crate) mod event;
mod host;
mod idempotency;
mod ids;
mod lease;
mod list;
mod outputs;
mod receipts;
mod receive;
pub(crate) mod record;
pub(crate) mod restore;
mod revoke;
mod sessions;
mod spawn;
mod suspend;
mod terminate;
mod timeout;
mod timers;
pub(crate) mod tokens;
mod wall;
mod zone;

use alloc::sync::Arc;
use alloc::vec::Vec;

use self::config::CoordinatorConfig;
use self::event::{CoordinatorOutput, CoordinatorTimer};
use self::ids::NewIds;
use self::outputs::Outputs;
use self::timers::{Timers, ZoneKey};
use self::zone::Zone;
use crate::clock::Clock;
use crate::time::Time;

/// A coordinator.
///
/// Requests go in by [`Coordinator::handle_request`], with the principal that the host has verified; answers, records and
/// events come out of [`Coordinator::poll_output`], in one order. See the
/// [contract](crate#the-contract-of-a-machine).
///
/// ```
/// use nuncio_core::caracal::{
///     ApplicationId, AuthorityId, Coordinator, CoordinatorConfig, CoordinatorOutput, IncomingId, IncomingRequest,
///     LIFECYCLE_SCOPE, Principal, ZoneConfig, ZoneId,
/// };
/// use nuncio_core::time::Time;
///
/// let (zone, application) = (ZoneId::new("z1")?, ApplicationId::new("app-a")?);
/// let config = CoordinatorConfig::default().with(|config| {
///     let applications = vec![application.clone()];
///     config.zones.push(ZoneConfig { id: zone.clone(), applications, resources: None });
/// });
/// let now = Time(1_779_000_000_000_000);
/// let mut coordinator = Coordinator::new(config, [7; 32], now); // with 32 random bytes
///
/// let caller = Principal {
///     zone,
///     application,
///     subject: "app-a".into(),
///     scopes: vec![LIFECYCLE_SCOPE.into()],
///     authority: Some(AuthorityId::new("sid-app-a")?),
/// };
/// coordinator.handle_request(now, IncomingId(1), &IncomingRequest {
///     method: "POST",
///     target: "/zones/z1/agents",
///     headers: &[],
///     body: br#"{"application_id":"app-a","kind":"instance"}"#,
///     caller: Ok(&caller),
/// });
/// let mut outputs = std::iter::from_fn(|| coordinator.poll_output());
/// let reply = outputs.find_map(|output| match output {
///     CoordinatorOutput::Respond { id: IncomingId(1), reply, .. } => Some(reply),
///     _ => None,
/// });
/// assert_eq!(reply.unwrap().status(), 201);
/// # Ok::<(), nuncio_core::caracal::InvalidId>(())
/// ```
#[derive(Clone, Debug)]
pub struct Coordinator {
    config: Arc<CoordinatorConfig>,
    clock: Clock,
    ids: NewIds,
    /// In the order of their ids.
    zones: Vec<Zone>,
    timers: Timers,
    outputs: Outputs,
}

impl Coordinator {
    /// Creates a coordinator without sessions. The same seed and the same inputs give byte-identical outputs.
    pub fn new(mut config: CoordinatorConfig, seed: [u8; 32], now: Time) -> Coordinator {
        let mut zones = core::mem::take(&mut config.zones);
        zones.sort_by(|one, other| one.id.cmp(&other.id));
        zones.dedup_by(|one, other| one.id == other.id);
        config.zones.clone_from(&zones);
        let zones = (0..).zip(zones).map(|(key, zone)| Zone::new(key, zone)).collect();
        Coordinator {
            config: Arc::new(config),
            clock: Clock::new(now),
            ids: NewIds::new(seed),
            zones,
            timers: Timers::default(),
            outputs: Outputs::default(),
        }
    }

    /// Returns the settings that the coordinator was created with.
    pub fn config(&self) -> &CoordinatorConfig {
        &self.config
    }

    /// Returns the next output. Outputs must be acted on in this order.
    pub fn poll_output(&mut self) -> Option<CoordinatorOutput> {
        self.outputs.poll()
    }

    /// Returns the next deadline and its reason.
    pub fn poll_timeout(&self) -> Option<(Time, CoordinatorTimer)> {
        self.timers.next()
    }

    /// Returns the number of sessions that have not ended, over all zones.
    pub fn live_sessions(&self) -> usize {
        self.zones.iter().map(|zone| zone.sessions().live_count()).sum()
    }

    /// Returns the number of edges that are active, over all zones.
    pub fn active_edges(&self) -> usize {
        self.zones.iter().map(|zone| zone.edges().active_count()).sum()
    }

    /// Returns an upper estimate of the bytes of all sessions, edges and receipts, for tests that assert their bound.
    /// Outputs that were not polled are not counted.
    pub fn bytes_held(&self) -> usize {
        self.zones.iter().map(Zone::bytes_held).sum()
    }

    /// Takes the present time of an input. Time never steps back.
    fn advance(&mut self, now: Time) {
        self.clock.advance(now);
    }

    fn zone(&self, key: ZoneKey) -> Option<&Zone> {
        self.zones.get(usize::try_from(key).ok()?)
    }

    /// Returns the keys of all zones.
    fn zone_keys(&self) -> core::ops::Range<ZoneKey> {
        0..u32::try_from(self.zones.len()).unwrap_or(u32::MAX)
    }

    fn zone_key(&self, id: &str) -> Option<ZoneKey> {
        let at = self.zones.binary_search_by(|zone| zone.config().id.as_str().cmp(id)).ok()?;
        u32::try_from(at).ok()
    }
}
