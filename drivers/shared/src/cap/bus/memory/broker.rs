//! Which subscribers get a message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::subject::matches;
use crate::cap::bus::Message;
use crate::cap::bus::inbox::{Inbox, Pushed};
use crate::io::sync::lock;

/// The subscriptions of all connections to one bus.
#[derive(Debug)]
pub(super) struct Broker {
    table: Mutex<Table>,
    pub(super) capacity: usize,
}

/// The size of the messages that wait for one subscriber, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
struct Table {
    subscriptions: BTreeMap<u64, Subscriber>,
    connections: BTreeMap<u64, bool>,
    next: u64,
    /// Counts the messages that went to groups, so that the members of one take turns.
    turn: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Subscriber {
    connection: u64,
    pattern: String,
    group: Option<String>,
    inbox: Arc<Inbox>,
}

/// A member of a group: the number of its subscription, and where its messages go.
type Member<'a> = (u64, &'a Arc<Inbox>);

impl Broker {
    pub(super) fn new(capacity: usize) -> Broker {
        Broker { table: Mutex::default(), capacity }
    }

    /// Adds a connection, which is up.
    pub(super) fn connect(&self) -> u64 {
        let mut table = lock(&self.table);
        let connection = table.number();
        table.connections.insert(connection, true);
        connection
    }

    /// Lets messages pass to a connection, or keeps them from it.
    pub(super) fn set_up(&self, connection: u64, up: bool) {
        lock(&self.table).connections.insert(connection, up);
    }

    /// Ends a connection with its subscriptions.
    pub(super) fn disconnect(&self, connection: u64) {
        let mut table = lock(&self.table);
        table.connections.remove(&connection);
        let of_it = |_: &u64, subscriber: &mut Subscriber| subscriber.connection == connection;
        let ended: Vec<_> = table.subscriptions.extract_if(.., of_it).collect();
        drop(table);
        for (_, subscriber) in ended {
            subscriber.inbox.end();
        }
    }

    /// Returns an inbox for subscriptions, in which so many bytes may wait.
    pub(super) fn inbox(&self, max_bytes: usize) -> Arc<Inbox> {
        Arc::new(Inbox::new(self.capacity, max_bytes))
    }

    /// Adds a subscription, whose messages go to `inbox` under the number that is returned.
    pub(super) fn subscribe(&self, connection: u64, pattern: &str, group: Option<&str>, inbox: &Arc<Inbox>) -> u64 {
        let subscriber = Subscriber {
            connection,
            pattern: pattern.to_owned(),
            group: group.map(str::to_owned),
            inbox: Arc::clone(inbox),
        };
        let mut table = lock(&self.table);
        let number = table.number();
        table.subscriptions.insert(number, subscriber);
        number
    }

    pub(super) fn unsubscribe(&self, number: u64) {
        let removed = lock(&self.table).subscriptions.remove(&number);
        drop(removed);
    }

    /// Passes a message to its subscribers. Returns how many there are.
    pub(super) fn publish(&self, message: &Message) -> usize {
        let chosen = lock(&self.table).choose(&message.subject);
        let count = chosen.len();
        let dropped =
            chosen.iter().filter(|(number, inbox)| inbox.push_for(*number, message.clone()) != Pushed::Queued).count();
        if dropped > 0 {
            let mut table = lock(&self.table);
            table.dropped = table.dropped.saturating_add(dropped as u64);
            drop(table);
            tracing::warn!(subject = message.subject, dropped, "a message was dropped: its subscriber is too slow");
        }
        count
    }

    /// Returns how many messages were dropped, because the buffer of their subscriber was full.
    pub(super) fn dropped(&self) -> u64 {
        lock(&self.table).dropped
    }
}

impl Table {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Returns the subscribers of a subject: all that are in no group, and one of each group.
    fn choose(&mut self, subject: &str) -> Vec<(u64, Arc<Inbox>)> {
        let mut chosen = Vec::new();
        let mut groups: BTreeMap<(&str, &str), Vec<Member<'_>>> = BTreeMap::new();
        for (number, subscriber) in &self.subscriptions {
            let is_up = self.connections.get(&subscriber.connection).is_some_and(|up| *up);
            if !is_up || !matches(&subscriber.pattern, subject) {
                continue;
            }
            match &subscriber.group {
                None => chosen.push((*number, Arc::clone(&subscriber.inbox))),
                Some(group) => {
                    groups.entry((group, &subscriber.pattern)).or_default().push((*number, &subscriber.inbox));
                }
            }
        }
        let turn = self.turn;
        let picked = groups.into_values().filter_map(|members| members.get(turn % members.len()).copied());
        chosen.extend(picked.map(|(number, inbox)| (number, Arc::clone(inbox))));
        self.turn = self.turn.wrapping_add(1);
        chosen
    }
}
