//! The parameters of a run, drawn once: who takes part, its limits, and how often each fault occurs.

use nuncio_core::cap::{Dispatch, LostWorker};

use super::bus::Faults;
use crate::seeded::Draw;
use crate::world::MILLI;

/// Percentages are often zero: without one kind of fault, a run gets further in the others.
#[derive(Clone, Debug)]
pub(super) struct Params {
    pub(super) clients: usize,
    pub(super) workers: usize,
    /// The router; without one there is a relay.
    pub(super) router: Option<RouterParams>,
    /// Whether packets are signed. Only then is there an attacker.
    pub(super) is_signed: bool,
    pub(super) bus: Faults,
    /// How often a request to the blob store goes wrong.
    pub(super) store_fails: usize,
    /// How often a handler does something else than to return its output at once.
    pub(super) slow_handlers: usize,
    /// The weights of the steps, in the order of [`super::steps::Step`].
    pub(super) weights: Vec<usize>,
    pub(super) parallel: usize,
    pub(super) queued: usize,
    pub(super) retries: u32,
    pub(super) check_stored: bool,
    pub(super) retained: usize,
    pub(super) retention: u64,
    pub(super) followers: usize,
    pub(super) cancellations: usize,
    pub(super) max_runtime: Option<u64>,
    pub(super) resubmit_after: u64,
    pub(super) resubmissions: u32,
    /// For how many seconds packets of the production profile are valid.
    pub(super) lifetime: u64,
    /// Whether each worker proves itself, if the router gives sessions.
    pub(super) modes: [Mode; 3],
    /// The most seconds by which the clocks of two machines differ.
    pub(super) skew: u64,
    /// By how many microseconds the clock of each machine is ahead: of the router, the clients and the workers.
    pub(super) ahead: [u64; 7],
}

impl Params {
    pub(super) fn draw(draw: &mut Draw<'_, '_>) -> Params {
        let fault = |draw: &mut Draw<'_, '_>| draw.one(&[0, 0, 0, 1, 3, 8]);
        let percent = |draw: &mut Draw<'_, '_>| draw.one(&[0, 0, 5, 20, 50]);
        let is_signed = draw.chance(60);
        let router = if draw.chance(65) { Some(RouterParams::draw(is_signed, draw)) } else { None };
        let trust = router.as_ref().map_or(Trust::Off, |router| router.trust);
        let lifetime = draw.one(&[300, 300, 60, 20]);
        // Packets of the production profile allow for it; with more than a minute, a worker gets no session.
        let skew = if trust == Trust::Production { draw.one(&[0, 0, 2, 20]) } else { draw.one(&[0, 0, 2, 20, 90]) };
        let ahead = std::array::from_fn(|_| if skew == 0 { 0 } else { draw.below(1 + skew * 1_000) as u64 * MILLI });
        let modes = std::array::from_fn(|_| match trust {
            Trust::Off => Mode::Off,
            Trust::Offer => draw.one(&[Mode::Off, Mode::Warn, Mode::Enforce]),
            Trust::Require => draw.one(&[Mode::Enforce, Mode::Enforce, Mode::Warn, Mode::Off]),
            Trust::Production => Mode::Enforce,
        });
        Params {
            clients: 1 + draw.below(3),
            workers: 1 + draw.below(3),
            is_signed,
            bus: Faults { lost: percent(draw) / 2, doubled: percent(draw), delayed: percent(draw) },
            store_fails: percent(draw),
            slow_handlers: draw.one(&[0, 30, 70]),
            weights: vec![
                // Submit, repeat, cancel, operator, forget, wait.
                40,
                6,
                6,
                3,
                1,
                draw.one(&[10, 30]),
                // Cut, reconnect, crash a client, crash a worker, drain, jump.
                fault(draw),
                8,
                fault(draw) / 2,
                fault(draw),
                fault(draw) / 3,
                fault(draw) / 2,
                // Attack, crash the router.
                if is_signed { draw.one(&[0, 6, 20]) } else { 0 },
                if router.is_some() { fault(draw) } else { 0 },
                // Change what is known of the workers.
                if trust == Trust::Off { 0 } else { draw.one(&[0, 2, 6]) },
                // Set the clocks: it matters most to packets that expire.
                draw.one(&[0, 0, 1, 4]).max(if trust == Trust::Production { 3 } else { 0 }),
            ],
            parallel: draw.one(&[1, 2, 8]),
            queued: draw.one(&[64, 64, 1]),
            retries: draw.one(&[0, 1, 3]),
            check_stored: draw.one(&[true, true, false]),
            retained: draw.one(&[10_000, 10_000, 10_000, 2]),
            retention: draw.one(&[86_400, 86_400, 20]),
            followers: draw.one(&[16, 16, 1]),
            cancellations: draw.one(&[1_024, 1_024, 1]),
            max_runtime: draw.one(&[None, None, Some(12), Some(90)]),
            resubmit_after: draw.one(&[30, 30, 4]),
            resubmissions: draw.one(&[5, 5, 50]),
            lifetime,
            modes,
            skew: skew as u64,
            ahead,
            router,
        }
    }
}

/// Whether workers can have a session, whether they need one, and whether packets about jobs have the form of the production
/// profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Off,
    Offer,
    Require,
    Production,
}

impl Trust {
    /// Whether only workers with a session get jobs.
    pub(super) const fn is_required(self) -> bool {
        matches!(self, Trust::Require | Trust::Production)
    }
}

/// Whether a worker proves itself, and whether it takes jobs before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Off,
    Warn,
    Enforce,
}

/// How a router is set up.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent settings")]
pub(super) struct RouterParams {
    pub(super) dispatch: Dispatch,
    pub(super) resign: bool,
    pub(super) asks: bool,
    pub(super) records: bool,
    pub(super) lost_worker: LostWorker,
    pub(super) redispatches: u32,
    pub(super) retries: u32,
    /// Whether submits and results come from a durable stream.
    pub(super) is_durable: bool,
    pub(super) trust: Trust,
    /// For how many seconds the token of a session is valid.
    pub(super) session_lifetime: u64,
    /// How often a commit is late, and how often the policy is slow or silent.
    pub(super) slow: usize,
}

impl RouterParams {
    pub(super) fn draw(is_signed: bool, draw: &mut Draw<'_, '_>) -> RouterParams {
        RouterParams {
            dispatch: draw.one(&[Dispatch::Queue, Dispatch::LeastLoaded]),
            resign: draw.chance(40),
            asks: draw.chance(40),
            records: draw.chance(80),
            lost_worker: draw.one(&[LostWorker::Retry, LostWorker::Fail]),
            redispatches: draw.one(&[3, 3, 0]),
            retries: draw.one(&[2, 2, 0]),
            is_durable: draw.chance(50),
            slow: draw.one(&[0, 20, 60]),
            trust: if is_signed {
                draw.one(&[Trust::Off, Trust::Offer, Trust::Require, Trust::Production])
            } else {
                Trust::Off
            },
            session_lifetime: draw.one(&[900, 120, 30]),
        }
    }
}
