//! The parameters of a run, drawn once: who takes part, and how often each fault occurs.

use nuncio_core::caracal::Generation;

use crate::seeded::Draw;

/// Percentages are often zero: without one kind of fault, a run gets further in the others.
#[derive(Clone, Debug)]
pub(super) struct Params {
    pub(super) generation: Generation,
    pub(super) clients: usize,
    pub(super) faults: Faults,
    /// How often records do not become durable at once.
    pub(super) slow_store: usize,
    /// How often there is no token.
    pub(super) tokenless: usize,
    /// For how many seconds what has ended is shown.
    pub(super) retention: u64,
    /// The weights of the steps, in the order of [`super::steps::Step`].
    pub(super) weights: Vec<usize>,
}

/// How often a request or its answer goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// The request does not reach the coordinator.
    pub(super) lost_request: usize,
    /// The answer does not reach the client.
    pub(super) lost_answer: usize,
    /// The answer takes seconds, perhaps more than the client waits for.
    pub(super) slow_answer: usize,
    /// A proxy answers with 429, 500 or 503, and does not pass the request on.
    pub(super) refused: usize,
    /// A proxy answers with 502 or 504, and may have passed the request on.
    pub(super) bad_gateway: usize,
}

impl Params {
    pub(super) fn draw(draw: &mut Draw<'_, '_>) -> Params {
        let percent = |draw: &mut Draw<'_, '_>| draw.one(&[0, 0, 5, 20, 40]);
        let seldom = |draw: &mut Draw<'_, '_>| draw.one(&[0, 0, 1, 3]);
        Params {
            generation: draw.one(&[Generation::May, Generation::Head]),
            clients: 1 + draw.below(3),
            faults: Faults {
                lost_request: percent(draw),
                lost_answer: percent(draw),
                slow_answer: percent(draw),
                refused: percent(draw),
                bad_gateway: percent(draw),
            },
            slow_store: percent(draw),
            tokenless: draw.one(&[0, 0, 0, 10]),
            retention: draw.one(&[60, 3_600, 7 * 86_400]),
            weights: vec![
                // Spawn, terminate, delegate, spawn with an edge, revoke, list, take a lease over.
                18,
                8,
                22,
                10,
                5,
                2,
                3,
                // Wait, store, compact.
                draw.one(&[20, 40]),
                5,
                3,
                // Restart, crash, crash a client, jump, replace the tokens.
                seldom(draw),
                seldom(draw),
                seldom(draw),
                seldom(draw),
                seldom(draw),
                // Set the clocks.
                draw.one(&[0, 0, 1, 4]),
            ],
        }
    }
}
