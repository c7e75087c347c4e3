//! A bus of subjects and queue groups with all the faults of a real one: it loses, doubles, delays and reorders packets, and
//! connections come and go.

use std::collections::BTreeMap;

use bytes::Bytes;
use nuncio_core::cap::Subject;
use nuncio_core::time::Time;

use crate::seeded::Draw;
use crate::world::{MILLI, SECOND};

/// A component on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    Client(usize),
    Worker(usize),
    Router,
}

/// How often each fault occurs, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) lost: usize,
    pub(super) doubled: usize,
    pub(super) delayed: usize,
}

/// The connection of one component.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Whether packets pass.
    pub(super) is_up: bool,
    /// Whether the component believes that packets pass.
    pub(super) is_believed: bool,
    /// The number of the connection, so that packets of an earlier one are not delivered.
    epoch: u64,
    /// The subscriptions, each with whether it is in a queue group.
    subscriptions: BTreeMap<Subject, bool>,
}

/// A packet on its way to one component.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) to: Who,
    epoch: u64,
    pub(super) subject: Subject,
    pub(super) bytes: Bytes,
    /// The reply subject: of a request, where its answer goes; of an answer, where it has come.
    pub(super) reply: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Bus {
    links: BTreeMap<Who, Link>,
    flights: BTreeMap<(Time, u64), Flight>,
    next: u64,
}

impl Bus {
    pub(super) fn link(&mut self, who: Who) -> &mut Link {
        self.links.entry(who).or_default()
    }

    pub(super) fn is_up(&self, who: Who) -> bool {
        self.links.get(&who).is_some_and(|link| link.is_up)
    }

    /// Opens a new connection, without subscriptions.
    pub(super) fn open(&mut self, who: Who) {
        self.next += 1;
        let link = Link { is_up: true, is_believed: true, epoch: self.next, subscriptions: BTreeMap::new() };
        self.links.insert(who, link);
    }

    pub(super) fn subscribe(&mut self, who: Who, subject: Subject, group: bool) {
        let link = self.link(who);
        if link.is_up {
            link.subscriptions.insert(subject, group);
        }
    }

    pub(super) fn unsubscribe(&mut self, who: Who, subject: &Subject) {
        self.link(who).subscriptions.remove(subject);
    }

    /// Routes a packet to all plain subscriptions and to one member of the queue group. Returns the number of deliveries.
    pub(super) fn publish(
        &mut self,
        now: Time,
        subject: &Subject,
        bytes: &Bytes,
        faults: Faults,
        draw: &mut Draw<'_, '_>,
    ) -> usize {
        self.route(now, (subject, bytes, None), faults, draw)
    }

    /// The same for a packet whose sender awaits an answer on a reply subject.
    pub(super) fn request(
        &mut self,
        now: Time,
        subject: &Subject,
        bytes: &Bytes,
        reply: &str,
        faults: Faults,
        draw: &mut Draw<'_, '_>,
    ) -> usize {
        self.route(now, (subject, bytes, Some(reply)), faults, draw)
    }

    /// Brings an answer to the component that has asked.
    pub(super) fn answer(
        &mut self,
        now: Time,
        to: Who,
        reply: &str,
        bytes: &Bytes,
        faults: Faults,
        draw: &mut Draw<'_, '_>,
    ) {
        if let Some(epoch) = self.links.get(&to).map(|link| link.epoch) {
            self.fly(now, (to, epoch), (&Subject::TrustChallenge, bytes, Some(reply)), faults, draw);
        }
    }

    fn route(
        &mut self,
        now: Time,
        packet @ (subject, _, _): (&Subject, &Bytes, Option<&str>),
        faults: Faults,
        draw: &mut Draw<'_, '_>,
    ) -> usize {
        let of = |group: bool| {
            let subscribed = self.links.iter().filter(move |(_, link)| link.subscriptions.get(subject) == Some(&group));
            subscribed.map(|(who, link)| (*who, link.epoch)).collect::<Vec<_>>()
        };
        let mut receivers = of(false);
        receivers.extend(draw.pick(&of(true)).copied());
        receivers.into_iter().map(|receiver| self.fly(now, receiver, packet, faults, draw)).sum()
    }

    /// Lets a packet fly to one component; returns how often.
    fn fly(
        &mut self,
        now: Time,
        (to, epoch): (Who, u64),
        (subject, bytes, reply): (&Subject, &Bytes, Option<&str>),
        faults: Faults,
        draw: &mut Draw<'_, '_>,
    ) -> usize {
        let copies = if draw.chance(faults.lost) { 0 } else { 1 + usize::from(draw.chance(faults.doubled)) };
        for _ in 0..copies {
            let late = if draw.chance(faults.delayed) {
                draw.one(&[MILLI, 40 * MILLI, SECOND, 7 * SECOND, 45 * SECOND])
            } else {
                0
            };
            self.next += 1;
            let (at, number) = (now.plus_micros(late), self.next);
            let (subject, bytes, reply) = (subject.clone(), bytes.clone(), reply.map(str::to_owned));
            self.flights.insert((at, number), Flight { to, epoch, subject, bytes, reply });
        }
        copies
    }

    /// Returns when the next packet arrives.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.flights.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next packet that has arrived at a connection that still exists.
    pub(super) fn arrived(&mut self, now: Time) -> Option<Flight> {
        while self.next_at().is_some_and(|at| at <= now) {
            let (_, flight) = self.flights.pop_first()?;
            let link = self.links.get(&flight.to);
            if link.is_some_and(|link| link.is_up && link.epoch == flight.epoch) {
                return Some(flight);
            }
        }
        None
    }

    /// Breaks a connection: what is on its way is lost.
    pub(super) fn cut(&mut self, who: Who) {
        let link = self.link(who);
        link.is_up = false;
        link.subscriptions.clear();
    }

    /// Returns whether packets are on their way.
    pub(super) fn is_quiet(&self) -> bool {
        self.flights.is_empty()
    }
}
