//! The simulator: one runtime, clients of ours, hostile peers, and a host with agents, in virtual time on transports that
//! break. Everything that happens is read from bytes, so that the same [`run`] is a seeded test, a fuzz target and the
//! replay of a corpus.
//!
//! ```text
//!   peers.rs  clients of ours   \                            / host.rs    answers, or does not; agents that do anything
//!   hostile.rs raw frames       --- link.rs --- Runtime --- <
//!                                       |                    \ model/     foretells what must come of it
//!   disk.rs   commits, or does not -----'         crash.rs     lets the runtime die and come back
//!   steps.rs  draws what happens        `--- invariants.rs   after every step; heal.rs at the end
//! ```
//!
//! The named invariants of the design and where they are checked:
//!
//! | name | rule | where |
//! |---|---|---|
//! | `seq_gap_free` | §8.3 | `invariants` |
//! | `same_payload_for_seq` | §6.3 | `invariants` |
//! | `unwritten_not_freed` | §6.5 | `invariants`, and the model's `delivered` |
//! | `resume_token_once` | §6.3 | `invariants` |
//! | `terminal_is_terminal` | §7.3 | the model's `ended`, `invariants` |
//! | `idempotent_submit` | §7.2 | the model's `submitted` |
//! | `jobs_outlive_sessions` | §6.7 | the model's `ended`: a session's end is no cause |
//! | `no_expansion` | §9.4 | the model's `expands`, `set_aside` |
//! | `no_authority_after_expiry` | §9.5 | the model's `authority`, `step_over` |
//! | `budget_conserved` | §9.6 | the model's `conserved` |
//! | `credentials_confined`, `no_leak` | §9.8, §14 | `invariants` |
//! | `only_negotiated` | §6.2 | `invariants` |
//! | `cancel_only_by_owner` | §7.4 | the model's `told_to_stop`, `ended` |
//! | `bounded` | ours | `invariants` |
//! | `quiet` | §6.4 | `invariants` |
//! | `total` | ours | whatever panics fails the run |
//! | `nothing_acknowledged_lost` | ours | the model's `crashed`: what was shown, or answered, is left |
//! | `resumable_after_a_crash` | §6.3 | `crash`: every client's last token is good |
//! | `ends_once_restarted` | §7.3 | the model's `interrupted`, `restarted`: as was promised, or by the restart |
//! | `recorded_before_shown` | §14 | `crash`: no credential that a client saw is forgotten |
//! | `deterministic` | ours | [`Report::digest`], compared by the test |
//! | `live_after_healing` | ours | `heal` |
//!
//! In two of three runs there is a journal. What depends on a record then waits until that is committed, as in a driver; the
//! disk is slow, stuck, lets go of old events, and is read back from. A crash leaves everything that was committed and any
//! beginning of what was not: `Sim::runtime` is replaced by what is restored from it, and the model goes on from what is left.

mod agents;
mod crash;
mod disk;
mod draw;
mod heal;
mod host;
mod hostile;
mod invariants;
mod lease;
mod link;
mod model;
mod outputs;
mod params;
mod peers;
mod steps;
mod sweep;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};

use arbitrary::Unstructured;
use nuncio_core::arcp::{AgentSpec, ConnId, Runtime};
use nuncio_core::time::Time;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::world::START;
use disk::Disk;
use draw::Draw;
use host::Host;
use hostile::Hostile;
use invariants::Invariants;
use link::Link;
use model::Model;
use params::Params;
use peers::Peer;
pub use sweep::{Sweep, seed, show, show_bytes, sweep};

/// The bytes of a seed.
pub fn bytes_of(seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let len = [300, 800, 1_000, 2_400][usize::try_from(seed % 4).unwrap_or(0)];
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// What a run has done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Steps drawn.
    pub steps: u64,
    /// A digest of everything the runtime put out: the same bytes give the same.
    pub digest: u64,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
}

thread_local! {
    static TRANSCRIPT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// From now on the runs of this thread write down what happens.
pub fn record() {
    TRANSCRIPT.with(|lines| *lines.borrow_mut() = Some(Vec::new()));
}

/// What was written down, which ends the recording.
pub fn recorded() -> Vec<String> {
    TRANSCRIPT.with(|lines| lines.borrow_mut().take()).unwrap_or_default()
}

fn note(line: impl FnOnce() -> String) {
    TRANSCRIPT.with(|lines| {
        if let Some(lines) = lines.borrow_mut().as_mut() {
            lines.push(line());
        }
    });
}

/// One run. Panics where an invariant does not hold or the model foretells something else.
pub fn run(bytes: &mut Unstructured<'_>) -> Report {
    let mut draw = Draw(bytes);
    let params = Params::draw(&mut draw);
    note(|| format!("{params:?}"));
    let mut sim = Sim::new(params);
    let mut steps = 0;
    while !draw.is_over() && steps < 5_000 {
        steps += 1;
        sim.step(&mut draw);
    }
    sim.heal();
    Report { steps, digest: sim.digest.finish(), counts: sim.counts }
}

/// Everything there is.
struct Sim {
    params: Params,
    now: Time,
    runtime: Runtime,
    links: BTreeMap<usize, Link>,
    by_conn: HashMap<ConnId, usize>,
    next_link: usize,
    peers: Vec<Peer>,
    hostiles: Vec<Hostile>,
    host: Host,
    model: Model,
    invariants: Invariants,
    next_seed: u8,
    jumps: u32,
    last_store: u64,
    disk: Disk,
    crashes: u32,
    healing: bool,
    digest: DefaultHasher,
    counts: BTreeMap<&'static str, u64>,
}

/// The agents on offer, with how many of their jobs run at once.
const AGENTS: [(&str, Option<u32>); 3] = [("echo", None), ("slow", None), ("narrow", Some(1))];

impl Sim {
    fn new(params: Params) -> Sim {
        let mut runtime = Runtime::new(params.config(), [7; 32], START);
        register(&mut runtime);
        let mut sim = Sim {
            now: START,
            runtime,
            links: BTreeMap::new(),
            by_conn: HashMap::new(),
            next_link: 0,
            peers: Vec::new(),
            hostiles: (0..params.hostiles).map(|_| Hostile::default()).collect(),
            host: Host::default(),
            model: Model::default(),
            invariants: Invariants::new(),
            next_seed: 0,
            jumps: 0,
            last_store: 0,
            disk: Disk::new(params.journal),
            crashes: 0,
            healing: false,
            digest: DefaultHasher::new(),
            counts: BTreeMap::new(),
            params,
        };
        for who in 0..sim.params.clients {
            let peer = sim.new_peer(who);
            sim.peers.push(peer);
        }
        sim
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

fn register(runtime: &mut Runtime) {
    for (name, max_concurrent) in AGENTS {
        let spec = AgentSpec { max_concurrent, ..AgentSpec::new(name) };
        runtime.register(spec).expect("a good name");
    }
}
