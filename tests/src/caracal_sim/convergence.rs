//! The end of a run: no more faults occur, all scopes end, and what is left ends with its lifetime.

use super::Sim;
use crate::seeded::Draw;
use crate::world::SECOND;

/// The time in which everything has to come to rest: a request is tried three times, and `Retry-After` is honoured for up
/// to ten seconds.
const REST: u64 = 120 * SECOND;

/// The longest lifetime of a session or an edge in a run.
const LIFETIME: u64 = 7_201 * SECOND;

impl Sim {
    pub(super) fn converge(&mut self, draw: &mut Draw<'_, '_>) {
        self.converging = true;
        self.sync();
        self.right_clocks(draw);
        // What is under way may still have been lost before.
        self.wait(REST, draw);
        for who in 0..self.clients.len() {
            self.close_client(who, draw);
        }
        self.wait(REST, draw);
        for (who, host) in self.clients.iter().enumerate() {
            assert!(host.is_at_rest(), "ours every_run_converges: client {who} awaits {}", host.awaited());
        }
        self.model.sessions_end_with_their_scopes();
        self.wait(LIFETIME, draw);
        let left = self.model.sessions.iter().filter(|(_, session)| !session.has_ended && !session.is_service);
        let left: Vec<_> = left.collect();
        assert!(left.is_empty(), "§2.2 no_session_outlives_its_lifetime: {left:?}");
        let edges = self.coordinator.machine.active_edges();
        assert_eq!(edges, 0, "§2.3 no_edge_outlives_its_lifetime");
    }
}
