//! The clocks of the machines: the time of each component, which never steps back while it runs, and the wall clock of its
//! machine, which is set ahead and back.

use nuncio_core::time::Time;

use super::Sim;
use super::bus::Who;
use crate::seeded::{Draw, note};
use crate::world::SECOND;

/// A moment of the world, by a clock that is ahead of it by some microseconds, or behind.
fn shown(now: Time, ahead: i64) -> Time {
    Time(now.0.saturating_add_signed(ahead))
}

/// The clocks of one machine, each by the microseconds that it is ahead of the world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// The time of the component: the wall clock when it was started, and what has passed since.
    own: i64,
    wall: i64,
}

impl Clocks {
    /// The clocks of a machine on which a component is started.
    pub(super) const fn new(ahead: u64) -> Clocks {
        Clocks { own: ahead.cast_signed(), wall: ahead.cast_signed() }
    }
}

/// The place of a component among the machines.
const fn machine(who: Who) -> usize {
    match who {
        Who::Router => 0,
        Who::Client(at) => 1 + at,
        Who::Worker(at) => 4 + at,
    }
}

impl Sim {
    /// Returns the time of a component.
    pub(super) fn at(&self, who: Who) -> Time {
        shown(self.now, self.clocks[machine(who)].own)
    }

    /// Returns what the wall clock of a component's machine shows.
    pub(super) fn wall(&self, who: Who) -> Time {
        shown(self.now, self.clocks[machine(who)].wall)
    }

    /// Returns when a deadline in the time of a component is due.
    pub(super) fn due(&self, who: Who, deadline: Time) -> Time {
        if deadline == Time::MAX { deadline } else { shown(deadline, -self.clocks[machine(who)].own) }
    }

    /// A component is started again, so that its time begins with the wall clock.
    pub(super) fn boot(&mut self, who: Who) {
        let clocks = &mut self.clocks[machine(who)];
        clocks.own = clocks.wall;
        if who == Who::Router {
            self.sessions_begin_anew();
        }
    }

    /// Sets the wall clocks of one machine, or of all of them.
    pub(super) fn set_clocks(&mut self, draw: &mut Draw<'_, '_>) {
        let all = self.everybody();
        let whose = if draw.chance(50) { all } else { vec![draw.one(&all)] };
        let secs: i64 = draw.one(&[0, 0, 3_600, -3_600, 600, -600, 90, -90, 3, -3]);
        for who in whose {
            self.set_clock(who, secs * SECOND.cast_signed(), draw);
        }
    }

    /// Sets all wall clocks ahead until every packet has expired, so that whoever forgets them does so as new ones come, and
    /// sets them right again: the packets of before would be valid once more.
    pub(super) fn turn_back_clocks(&mut self, client: usize, draw: &mut Draw<'_, '_>) {
        self.count("clocks turned back");
        let seen = self.captured.clone();
        for who in self.everybody() {
            self.set_clock(who, 3_600 * SECOND.cast_signed(), draw);
        }
        self.settle(draw);
        self.submit(client, draw);
        self.wait(5 * SECOND, draw);
        self.right_clocks(draw);
        for (subject, bytes) in seen {
            self.send(&subject, &bytes, draw);
            self.settle(draw);
        }
    }

    /// Sets all wall clocks right.
    pub(super) fn right_clocks(&mut self, draw: &mut Draw<'_, '_>) {
        for who in self.everybody() {
            self.set_clock(who, 0, draw);
        }
    }

    /// Sets the wall clock of a machine, to be wrong by some microseconds.
    fn set_clock(&mut self, who: Who, wrong: i64, draw: &mut Draw<'_, '_>) {
        let ahead = self.params.ahead[machine(who)].cast_signed() + wrong;
        let before = std::mem::replace(&mut self.clocks[machine(who)].wall, ahead);
        if ahead == before {
            return;
        }
        self.count(if ahead > before { "clock set ahead" } else { "clock set back" });
        note(|| format!("  the wall clock of {who:?} is set by {} s", (ahead - before) / SECOND.cast_signed()));
        let (now, wall) = (self.at(who), self.wall(who));
        match who {
            Who::Client(at) => {
                self.clients[at].client.handle_wall(now, wall);
                self.drain_client(at, draw);
            }
            Who::Worker(at) => {
                self.workers[at].worker.handle_wall(now, wall);
                self.drain_worker(at, None, draw);
            }
            Who::Router => {
                self.sessions_follow_the_wall();
                if let Some(host) = &mut self.router {
                    host.router.handle_wall(now, wall);
                    self.drain_router(draw);
                }
            }
        }
    }
}
