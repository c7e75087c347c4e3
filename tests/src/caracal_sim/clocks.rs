//! The clocks of the machines: the time of each component, which never steps back while it runs, and the wall clock of its
//! machine, which is set ahead and back.

use nuncio_core::time::Time;

use super::Sim;
use crate::seeded::{Draw, note};
use crate::world::SECOND;

/// The clocks of one machine, each by the microseconds that it is ahead of the world.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clocks {
    own: i64,
    wall: i64,
}

impl Clocks {
    /// The clocks of a machine on which a component is started, whose time begins with the wall clock.
    pub(super) const fn started(self) -> Clocks {
        Clocks { own: self.wall, ..self }
    }

    /// Has the time of the component be `told` when the time of the world is `now`.
    pub(super) const fn go_on(&mut self, now: Time, told: Time) {
        self.own = told.0.cast_signed() - now.0.cast_signed();
    }

    /// Returns the time of the component.
    pub(super) const fn at(self, now: Time) -> Time {
        Time(now.0.saturating_add_signed(self.own))
    }

    /// Returns what the wall clock shows.
    pub(super) const fn wall(self, now: Time) -> Time {
        Time(now.0.saturating_add_signed(self.wall))
    }

    /// Returns when a deadline in the time of the component is due.
    pub(super) const fn due(self, deadline: Time) -> Time {
        Time(deadline.0.saturating_add_signed(-self.own))
    }

    /// Both clocks jump ahead, so that timers fire late.
    pub(super) const fn jump(&mut self, micros: u64) {
        self.own += micros.cast_signed();
        self.wall += micros.cast_signed();
    }

    /// Whether the wall clock is ahead of the world.
    pub(super) const fn is_ahead(self) -> bool {
        self.wall > 0
    }

    /// Sets the wall clock to show the time of the world and some microseconds more. Returns by how much it was set.
    pub(super) const fn set(&mut self, ahead: i64) -> i64 {
        let by = ahead - self.wall;
        self.wall = ahead;
        by
    }
}

impl Sim {
    /// Sets the wall clock of a client, of the coordinator, or of all of them.
    pub(super) fn set_clocks(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let secs: i64 = draw.one(&[0, 0, 3_600, -3_600, 700, -700, 40, -40, 3, -3]);
        let (clients, coordinator) = match draw.below(3) {
            0 => (0..self.clients.len(), true),
            1 => (who..who + 1, false),
            _ => (0..0, true),
        };
        let ahead = secs * SECOND.cast_signed();
        for who in clients {
            self.set_clock_of_client(who, ahead, draw);
        }
        if coordinator {
            self.set_clock_of_coordinator(ahead, draw);
        }
    }

    /// Sets all wall clocks right.
    pub(super) fn right_clocks(&mut self, draw: &mut Draw<'_, '_>) {
        for who in 0..self.clients.len() {
            self.set_clock_of_client(who, 0, draw);
        }
        self.set_clock_of_coordinator(0, draw);
    }

    fn set_clock_of_client(&mut self, who: usize, ahead: i64, draw: &mut Draw<'_, '_>) {
        let by = self.clients[who].clocks.set(ahead);
        if self.is_step(by, || format!("client {who}")) {
            let (now, wall) = (self.client_now(who), self.clients[who].clocks.wall(self.now));
            let host = &mut self.clients[who];
            host.client.handle_wall(now, wall);
            host.token_follows(now, wall);
            self.drain_client(who, draw);
        }
    }

    fn set_clock_of_coordinator(&mut self, ahead: i64, draw: &mut Draw<'_, '_>) {
        let by = self.coordinator.clocks.set(ahead);
        if self.is_step(by, || "the coordinator".to_owned()) {
            let (now, wall) = (self.coordinator_now(), self.coordinator_wall());
            self.coordinator.machine.handle_wall(now, wall);
            self.model.edges_follow(now, wall);
            self.drain_coordinator(draw);
        }
    }

    fn is_step(&mut self, by: i64, whose: impl FnOnce() -> String) -> bool {
        if by != 0 {
            self.count(if by > 0 { "clock set ahead" } else { "clock set back" });
            note(|| format!("  the wall clock of {} is set by {} s", whose(), by / SECOND.cast_signed()));
        }
        by != 0
    }
}
